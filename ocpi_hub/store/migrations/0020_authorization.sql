-- Authorization as a product: who does not answer, what came too late, and finding tokens.

-- Platforms that left authorizations without an answer lately: they count as OFFLINE for these until
-- a probe is answered. `probe_at`: when somebody may probe next; until then, somebody does.
create table platform_circuit (
    platform_id   text primary key references platform on delete cascade,
    opened_at     timestamptz not null default now(),
    failed_probes integer not null default 0,
    probe_at      timestamptz not null
);

-- What an eMSP answered after the decision had fallen without it.
create table authorization_late_answer (
    decided_at     timestamptz not null,
    correlation_id text not null,
    country_code   text not null,
    party_id       text not null,
    ms             double precision not null,
    outcome        text not null
);
create index authorization_late_answer_decision
    on authorization_late_answer (decided_at, correlation_id);

-- Operators look tokens up by what is printed on them, too. Cut off: an index takes no text of any
-- length, and owners send what they like.
create index shared_object_visual_number on shared_object
    (left(upper(body ->> 'visual_number'), 100), serial)
    where module = 'tokens' and body ->> 'visual_number' is not null;
create index shared_object_contract on shared_object
    (left(upper(body ->> 'contract_id'), 100), serial) where module = 'tokens';
create index shared_object_group on shared_object
    (left(upper(body ->> 'group_id'), 100), serial)
    where module = 'tokens' and body ->> 'group_id' is not null;
create index shared_object_issuer on shared_object
    (left(upper(body ->> 'issuer'), 100), serial) where module = 'tokens';
