-- Token lists that are read on a schedule.

-- When the hub reads a platform's token list; next_at includes the platform's own delay.
create table whitelist_schedule (
    platform_id text primary key references platform on delete cascade,
    pull        text not null,
    next_at     timestamptz not null
);

-- One reading of a platform's token list. `step`: the list is read, then what it lacks is withdrawn.
create table whitelist_run (
    run_id          bigint generated always as identity primary key,
    platform_id     text not null references platform on delete cascade,
    extent          text not null check (extent in ('full', 'partial')),
    state           text not null default 'running'
                        check (state in ('running', 'held', 'done', 'failed')),
    step            text not null default 'read' check (step in ('read', 'withdraw')),
    date_from       timestamptz,
    started_at      timestamptz not null default clock_timestamp(),
    -- When the present reading began: it may have to begin anew.
    began_at        timestamptz,
    finished_at     timestamptz,
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
    added           integer not null default 0,
    changed         integer not null default 0,
    errors          integer not null default 0,
    unnamed         integer not null default 0,
    -- Whose lists were read to their end, and what they lacked.
    owners          text[] not null default '{}',
    absent          integer not null default 0,
    withdrawn       integer not null default 0,
    note            text,
    constraint partial_has_a_beginning check ((extent = 'partial') = (date_from is not null)),
    constraint over_is_finished check ((state in ('done', 'failed')) = (finished_at is not null))
);
create unique index whitelist_run_active on whitelist_run (platform_id) where state = 'running';
create index whitelist_run_platform on whitelist_run (platform_id, run_id);

-- What was last said about the age of what is known: of one relation, or (cpo '*') of those by default.
create table whitelist_alarm (
    cpo   text not null,
    emsp  text not null,
    state text not null check (state in ('fresh', 'near', 'stale', 'unknown')),
    since timestamptz not null default now(),
    primary key (cpo, emsp)
);
