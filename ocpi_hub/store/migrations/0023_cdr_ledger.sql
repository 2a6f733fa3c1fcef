-- The CDR ledger: one row for each CDR in custody, with the figures that checks, statements and
-- reports work on. The text of the CDR and how its delivery stands are in directed_object.

create table cdr_ledger (
    country_code            text not null,
    party_id                text not null,
    -- Folded, as in directed_object.
    cdr_id                  text not null,
    entry                   bigint generated always as identity,
    -- As its owner writes it.
    spelled_id              text not null,
    receiver_country_code   text not null,
    receiver_party_id       text not null,
    -- Which content of the CDR the figures are of.
    version                 integer not null,
    received_at             timestamptz not null default now(),

    session_id              text,
    authorization_reference text,
    location_id             text not null,
    evse_uid                text not null,
    evse_id                 text not null,
    connector_id            text not null,
    started_at              timestamptz not null,
    ended_at                timestamptz not null,
    -- kWh, hours, and money in `currency`, as the CDR says.
    energy_kwh              numeric not null,
    time_h                  numeric not null,
    parking_h               numeric,
    currency                text not null,
    cost_excl_vat           numeric not null,
    cost_incl_vat           numeric,
    is_credit               boolean not null,
    -- Folded id of the CDR that a Credit CDR takes back.
    credited_id             text,

    -- What the checks found. Null checked_at: not looked at yet, or to be looked at again.
    checked_at              timestamptz,
    price_verdict           text check (price_verdict in
                                ('equal', 'rounding', 'differs', 'ambiguous', 'not_checkable')),
    price_excl_vat          numeric,
    price_incl_vat          numeric,
    -- [{"rate": percent or null, "excl_vat": ..., "vat": ...}], amounts as texts, of the recomputed price.
    price_vat               json,
    metering                text check (metering in ('valid', 'invalid', 'not_verifiable')),
    -- Codes of findings that are merely shown, and of those that made it wait.
    flags                   text[] not null default '{}',
    holds                   text[] not null default '{}',
    -- [{"code", "text", "hold"}]
    findings                json not null default '[]',

    primary key (country_code, party_id, cdr_id)
) with (fillfactor = 80);
create unique index cdr_ledger_entry on cdr_ledger (entry);
create index cdr_ledger_relation on cdr_ledger
    (country_code, party_id, receiver_country_code, receiver_party_id, ended_at);
create index cdr_ledger_session on cdr_ledger (country_code, party_id, left(upper(session_id), 100))
    where session_id is not null;
create index cdr_ledger_credited on cdr_ledger (country_code, party_id, left(credited_id, 100))
    where credited_id is not null;
create index cdr_ledger_unchecked on cdr_ledger (entry) where checked_at is null;
