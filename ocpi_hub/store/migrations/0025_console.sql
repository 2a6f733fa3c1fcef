-- Who may log in to the console, what was changed by whom, and how busy the hub was.

-- A partner's account sees its own platform only.
create table account (
    account_id          text primary key,
    name                text not null check (name <> ''),
    role                text not null check (role in ('admin', 'operator', 'viewer', 'partner')),
    platform_id         text references platform on delete cascade,
    -- Argon2id, with its parameters.
    password_hash       text not null,
    -- Somebody else chose the password: it is good for choosing another one.
    must_change         boolean not null default false,
    created_at          timestamptz not null default now(),
    password_changed_at timestamptz not null default now(),
    last_login_at       timestamptz,
    disabled_at         timestamptz,
    check ((role = 'partner') = (platform_id is not null))
);
create unique index account_name on account (lower(name));

-- A session is known by the digest of its cookie only.
create table login_session (
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    account_id   text not null references account on delete cascade,
    created_at   timestamptz not null default now(),
    -- To the minute or so.
    used_at      timestamptz not null default now(),
    -- What the next page tells.
    flash        json
);
create index login_session_account on login_session (account_id);

-- Browsers that an account logged in from: failures elsewhere do not keep them out.
create table known_browser (
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    account_id   text not null references account on delete cascade,
    used_at      timestamptz not null default now()
);
create index known_browser_account on known_browser (account_id);

-- Failed logins by account, known browser or address; digests, as people type passwords as names.
create table login_failure (
    subject       bytea primary key,
    failures      integer not null,
    failed_at     timestamptz not null,
    blocked_until timestamptz
);
create index login_failure_at on login_failure (failed_at);

-- What was changed by whom. An entry is written before the change begins and completed after it: one
-- that stays `begun` tells of a process that died in between, or is not done yet.
create table audit_entry (
    id             bigint generated always as identity primary key,
    at             timestamptz not null default now(),
    actor_kind     text not null,
    actor          text not null,
    actor_name     text not null,
    what           text not null,
    object         text not null,
    before         json,
    after          json,
    outcome        text not null default 'begun'
        check (outcome in ('begun', 'done', 'refused', 'failed')),
    error          text,
    ended_at       timestamptz,
    correlation_id text not null
);
create index audit_entry_object on audit_entry (object, id);
create index audit_entry_what on audit_entry (what, id);
create index audit_entry_actor on audit_entry (actor, id);

-- What messages and decisions add up to, a row for each minute (UTC) in which there were any.
create table traffic_minute (
    minute   timestamptz primary key,
    received bigint not null,
    sent     bigint not null,
    failed   bigint not null,
    p50_ms   double precision,
    p95_ms   double precision,
    p99_ms   double precision,
    -- Decisions by who decided.
    decided  json not null
);
