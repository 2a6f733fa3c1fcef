-- The base schema. Party ids, object ids and country codes are stored folded to upper case; the
-- spelling of the owner lives in the bodies. Times are UTC. `json`, not `jsonb`: the text that came
-- in is the text that leaves.

-- Processes ---------------------------------------------------------------------------------------

create table process (
    process_id        uuid primary key,
    host              text not null,
    pid               integer not null,
    started_at        timestamptz not null default now(),
    heartbeat_at      timestamptz not null default now(),
    directory_version bigint not null default 0,
    public_url        text
);

-- Directory ---------------------------------------------------------------------------------------

create table directory_version (
    only_row boolean primary key default true check (only_row),
    version  bigint not null
);
insert into directory_version (version) values (1);

create table platform (
    platform_id      text primary key,
    name             text not null check (name <> ''),
    state            text not null check (state in ('invited', 'connecting', 'connected', 'suspended', 'disconnected')),
    resume_state     text check (resume_state in ('invited', 'connecting', 'connected', 'disconnected')),
    online           boolean not null default true,
    ocpi_version     text,
    versions_url     text,
    our_token_sealed bytea,
    quirks           text[] not null default '{}',
    page_limit       integer check (page_limit > 0),
    catch_up         text not null default 'push' check (catch_up in ('push', 'pull', 'none')),
    created_at       timestamptz not null default now(),
    connected_at     timestamptz,
    offer_digest     bytea,
    constraint connected_is_complete check (
        state <> 'connected'
        or (ocpi_version is not null and versions_url is not null and our_token_sealed is not null)),
    constraint suspended_can_resume check ((state = 'suspended') = (resume_state is not null))
);

-- Tokens the hub issued. kind 'registration' opens credentials and versions only.
create table credentials_token (
    token_sha256  bytea primary key check (octet_length(token_sha256) = 32),
    platform_id   text not null references platform on delete cascade,
    kind          text not null check (kind in ('registration', 'access')),
    issued_at     timestamptz not null default now(),
    first_used_at timestamptz,
    expires_at    timestamptz
);
create index credentials_token_platform on credentials_token (platform_id);

create table endpoint (
    platform_id    text not null references platform on delete cascade,
    ocpi_version   text not null,
    module         text not null,
    interface_role text not null check (interface_role in ('SENDER', 'RECEIVER')),
    url            text not null,
    primary key (platform_id, ocpi_version, module, interface_role)
);

-- A party belongs to one platform until an operator moves it: the primary key refuses a takeover.
-- Parties of a platform that was removed belong to nobody, and their objects are still here.
create table party (
    country_code text not null check (country_code = upper(country_code) and length(country_code) = 2),
    party_id     text not null check (party_id = upper(party_id) and length(party_id) = 3),
    platform_id  text references platform on delete set null,
    primary key (country_code, party_id)
);
create index party_platform on party (platform_id);

-- Parties that a platform may claim although the hub knows them already: an operator's word.
create table party_permission (
    platform_id  text not null references platform on delete cascade,
    country_code text not null,
    party_id     text not null,
    primary key (platform_id, country_code, party_id)
);

create table party_role (
    country_code     text not null,
    party_id         text not null,
    role             text not null,
    name             text not null,
    business_details json,
    active           boolean not null default true,
    primary key (country_code, party_id, role),
    foreign key (country_code, party_id) references party on delete cascade
);

create table relation (
    cpo_country_code    text not null,
    cpo_party_id        text not null,
    emsp_country_code   text not null,
    emsp_party_id       text not null,
    mode                text not null check (mode in ('none', 'realtime', 'whitelist')),
    fallback            text not null default 'hub' check (fallback in ('hub', 'cpo')),
    authorize_budget_ms integer check (authorize_budget_ms > 0),
    whitelist_max_age_s integer check (whitelist_max_age_s >= 0),
    fallback_max_age_s  integer check (fallback_max_age_s >= 0),
    changed_at          timestamptz not null default now(),
    primary key (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id)
);

-- Every change of the directory takes the next version. The row lock makes versions visible in the
-- order they are taken; the notification wakes the processes, polling is the guarantee.
create function bump_directory_version() returns trigger language plpgsql as $$
begin
    update directory_version set version = version + 1;
    perform pg_notify('ocpi_hub_directory', '');
    return null;
end
$$;
create trigger platform_changes_directory
    after insert or update or delete on platform for each statement execute function bump_directory_version();
create trigger credentials_token_changes_directory
    after insert or update or delete on credentials_token for each statement execute function bump_directory_version();
create trigger endpoint_changes_directory
    after insert or update or delete on endpoint for each statement execute function bump_directory_version();
create trigger party_changes_directory
    after insert or update or delete on party for each statement execute function bump_directory_version();
create trigger party_role_changes_directory
    after insert or update or delete on party_role for each statement execute function bump_directory_version();
create trigger relation_changes_directory
    after insert or update or delete on relation for each statement execute function bump_directory_version();

-- When the hub next tries to renew a platform's credentials; there is a lease while one tries.
create table credentials_renewal (
    platform_id     text primary key references platform on delete cascade,
    next_attempt_at timestamptz not null,
    lease_until     timestamptz,
    last_error      text
);

-- Liveness ----------------------------------------------------------------------------------------

-- Kept apart from `platform`: contacts change all the time and are no change of the directory.
create table platform_contact (
    platform_id     text primary key references platform on delete cascade,
    last_contact_at timestamptz,
    failed_checks   integer not null default 0,
    checked_at      timestamptz
);

-- Fetching what a platform's owners could not push: while the hub or the platform was away.
create table inbound_catch_up (
    platform_id     text not null references platform on delete cascade,
    module          text not null,
    date_from       timestamptz not null,
    requested_at    timestamptz not null default clock_timestamp(),
    -- When the present reading began: a request that came later is worked off after it.
    began_at        timestamptz,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    lease_id        uuid,
    lease_until     timestamptz,
    -- Where the next turn goes on.
    country_code    text,
    party_id        text,
    next_url        text,
    pages           integer not null default 0,
    seen            integer not null default 0,
    taken           integer not null default 0,
    broken          integer not null default 0,
    last_error      text,
    primary key (platform_id, module)
);

-- Shared objects: the state feed ------------------------------------------------------------------

-- Positions are taken under the module's advisory lock, so they become visible in order.
create sequence shared_object_position;

create table shared_object (
    module         text not null,
    country_code   text not null,
    party_id       text not null,
    object_id      text not null,
    object_type    text not null default '',
    audience       text not null default '*',
    serial         bigint generated always as identity,
    position       bigint not null,
    body           json not null,
    bytes          integer not null generated always as (octet_length(body::text)) stored,
    last_updated   timestamptz not null,
    origin         text not null check (origin in ('broadcast', 'direct', 'pull')),
    correlation_id text not null,
    deleted        boolean not null default false,
    created_at     timestamptz not null default now(),
    changed_at     timestamptz not null default now(),
    primary key (module, country_code, party_id, object_id, object_type, audience)
) with (fillfactor = 85);
create unique index shared_object_feed on shared_object (module, position);
create unique index shared_object_list on shared_object (module, serial);
create index shared_object_search on shared_object (module, object_id, object_type);

-- Directed objects: custody -----------------------------------------------------------------------

-- When an object that becomes visible to its receiver now counts as changed for whoever asks with
-- date_from. A little ahead: until the commit nobody sees it, and clocks differ. Who asks in between
-- sees it twice rather than never.
create function visible_from() returns timestamptz language sql stable as
$$ select now() + interval '1 minute' $$;

create table directed_object (
    module                text not null check (module in ('cdrs', 'sessions')),
    country_code          text not null,
    party_id              text not null,
    object_id             text not null,
    serial                bigint generated always as identity,
    receiver_country_code text not null,
    receiver_party_id     text not null,
    body                  json not null,
    bytes                 integer not null generated always as (octet_length(body::text)) stored,
    fingerprint           bytea not null,
    last_updated          timestamptz not null,
    correlation_id        text not null,
    state                 text not null check (state in
                              ('pending', 'in_flight', 'delivered', 'refused', 'uncertain', 'held', 'dead')),
    version               integer not null default 1 check (version > 0),
    sent_version          integer not null default 0 check (sent_version between 0 and version),
    attempt_id            uuid,
    lease_until           timestamptz,
    attempts              integer not null default 0,
    unknown_outcomes      integer not null default 0,
    next_attempt_at       timestamptz,
    received_at           timestamptz not null default now(),
    visible_at            timestamptz not null default visible_from(),
    changed_at            timestamptz not null default now(),
    delivered_at          timestamptz,
    last_http             integer,
    last_ocpi             integer,
    last_message          text,
    receiver_location     text,
    reason                text,
    refused_after_ack     boolean not null default false,
    primary key (module, country_code, party_id, object_id),
    constraint delivered_is_sent check (state <> 'delivered' or sent_version = version),
    constraint in_flight_is_leased check (
        (state = 'in_flight') = (lease_until is not null) and (state <> 'in_flight' or attempt_id is not null))
) with (fillfactor = 70);
create unique index directed_object_list on directed_object (module, serial);
create unique index directed_object_inbox on directed_object
    (module, receiver_country_code, receiver_party_id, serial);
-- What the worker asks: whose objects are due. A null next_attempt_at waits to be pulled.
create index directed_object_due on directed_object
    (receiver_country_code, receiver_party_id, coalesce(lease_until, next_attempt_at))
    where state in ('pending', 'in_flight');
create index directed_object_to_pull on directed_object
    (receiver_country_code, receiver_party_id, module)
    where state = 'pending' and next_attempt_at is null;

-- One row per attempt that has ended, or whose process fell silent (outcome 'unknown'). A late
-- verdict still finds its row here.
create table delivery_attempt (
    attempt_id   uuid primary key,
    module       text not null,
    country_code text not null,
    party_id     text not null,
    object_id    text not null,
    version      integer not null,
    ended_at     timestamptz not null default now(),
    outcome      text not null check (outcome in ('delivered', 'refused', 'failed', 'unknown')),
    http         integer,
    ocpi         integer,
    message      text
);
create index delivery_attempt_object on delivery_attempt (module, country_code, party_id, object_id);

-- Contents that were replaced after a refusal, or that conflict with what is in custody.
create table directed_other_content (
    id             bigint generated always as identity primary key,
    module         text not null,
    country_code   text not null,
    party_id       text not null,
    object_id      text not null,
    version        integer,
    kind           text not null check (kind in ('replaced', 'conflict')),
    body           json not null,
    fingerprint    bytea not null,
    correlation_id text not null,
    at             timestamptz not null default now(),
    unique (module, country_code, party_id, object_id, kind, fingerprint)
);

-- Backoff is per receiver: one that is down is tried with one object, not with all. Whoever makes
-- that attempt has the probe until then.
create table receiver_backoff (
    country_code    text not null,
    party_id        text not null,
    failures        integer not null check (failures > 0),
    next_attempt_at timestamptz not null,
    probe_until     timestamptz,
    reason          text not null,
    since           timestamptz not null default now(),
    primary key (country_code, party_id)
);

-- Authorization evidence --------------------------------------------------------------------------

create table authorization_decision (
    id                bigint generated always as identity primary key,
    at                timestamptz not null,
    uid               text not null,
    token_type        text not null,
    cpo_country_code  text not null,
    cpo_party_id      text not null,
    emsp_country_code text,
    emsp_party_id     text,
    location          json,
    decided_by        text not null check (decided_by in ('emsp', 'hub_whitelist', 'hub_fallback', 'nobody')),
    reason            text not null,
    allowed           text,
    reference         text,
    http_status       integer not null,
    status_code       integer not null,
    total_ms          double precision not null,
    legs              json not null,
    correlation_id    text not null
);
-- An eMSP's reference has any length.
create index authorization_decision_reference on authorization_decision using hash (reference) where reference is not null;
create index authorization_decision_uid on authorization_decision (upper(uid), at);
create index authorization_decision_at on authorization_decision (at, id);
