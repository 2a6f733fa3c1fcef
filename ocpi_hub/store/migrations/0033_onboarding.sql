-- What people see while a partner comes on board, whichever process it happens in.

-- Steps of handshakes, the newest few of each platform; without secrets.
create table handshake_step (
    id          bigint generated always as identity primary key,
    attempt     uuid not null,
    platform_id text references platform on delete cascade,
    at          timestamptz not null default now(),
    step        text not null,
    request     text not null,
    sent        text,
    http_status integer,
    answer      text,
    failure     text,
    said        text,
    ms          integer
);
create index handshake_step_attempt on handshake_step (attempt, id);
create index handshake_step_platform on handshake_step (platform_id, id);

-- Self-tests of platforms, the newest few of each. One that has not ended, and noted nothing for a
-- while, died with its process.
create table check_run (
    run_id      uuid primary key,
    platform_id text not null references platform on delete cascade,
    started_at  timestamptz not null default now(),
    noted_at    timestamptz not null default now(),
    ended_at    timestamptz,
    started_by  text not null,
    by_partner  boolean not null,
    writes      boolean not null,
    done        integer not null default 0,
    total       integer not null default 0,
    error       text,
    report      jsonb
);
create index check_run_platform on check_run (platform_id, started_at);
