-- Who may use the admin API, and what operators ask for often.

-- A key is known by its digest only; whoever lost it gets a new one.
create table admin_key (
    key_id       text primary key,
    name         text not null check (name <> ''),
    key_sha256   bytea not null unique check (octet_length(key_sha256) = 32),
    scopes       text[] not null check (cardinality(scopes) > 0),
    created_at   timestamptz not null default now(),
    revoked_at   timestamptz,
    -- To the minute or so.
    last_used_at timestamptz
);

-- What waits for a person, by state and as lists show it. Rows seldom come here.
create index directed_object_unsettled on directed_object (module, state, serial)
    where state in ('uncertain', 'held', 'dead', 'refused');

-- Since when nothing is sent to the lane's receiver because it does not answer.
alter table lane add column resting_since timestamptz;
