-- Bringing receivers up to date: lanes, gaps, backfills.

-- Processes that send from the feed: they share the lanes.
create table feed_worker (
    process_id uuid primary key references process on delete cascade
);

-- A lane is a receiver and a module. Everything at or below its cursor is settled: delivered, or
-- represented by a gap. A new lane begins at 0, so that it gets everything once.
create table lane (
    country_code text not null,
    party_id     text not null,
    module       text not null,
    cursor       bigint not null default 0,
    process_id   uuid,
    lease_until  timestamptz,
    settled_at   timestamptz not null default now(),
    primary key (country_code, party_id, module),
    constraint leased_by_somebody check ((process_id is null) = (lease_until is null))
);
create index lane_process on lane (process_id) where process_id is not null;

-- An object that a receiver did not take. It is due again at next_attempt_at; null: not until it
-- changes, because the receiver refused the object itself. A direct push makes one in advance,
-- which its own verdict removes.
create table lane_gap (
    receiver_country_code text not null,
    receiver_party_id     text not null,
    module                text not null,
    country_code          text not null,
    party_id              text not null,
    object_id             text not null,
    object_type           text not null,
    audience              text not null,
    position              bigint not null,
    attempts              integer not null default 0,
    next_attempt_at       timestamptz,
    since                 timestamptz not null default now(),
    http                  integer,
    ocpi                  integer,
    message               text,
    primary key (
        receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
        object_type, audience)
);
create index lane_gap_due on lane_gap (next_attempt_at) where next_attempt_at is not null;

-- Objects of one owner that have become visible to a receiver whose cursor is past them.
create table lane_backfill (
    receiver_country_code text not null,
    receiver_party_id     text not null,
    module                text not null,
    owner_country_code    text not null,
    owner_party_id        text not null,
    after_serial          bigint not null default 0,
    requested_at          timestamptz not null default now(),
    primary key (
        receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id)
);
