-- What each platform is told about the parties it works with.

-- A platform as somebody who is told. Rows are brought up to date under this row's lock, never from
-- an older directory than before. url: where it can be told now, null while it cannot; since: its
-- registration at that time. While one process tells it, that process has the lease.
create table client_info_audience (
    platform_id       text primary key references platform on delete cascade,
    directory_version bigint not null default 0,
    url               text,
    since             timestamptz,
    lease_id          uuid,
    lease_until       timestamptz,
    constraint leased_by_somebody check ((lease_id is null) = (lease_until is null))
);

-- The status of a party in one role, as that platform is to know it. Milliseconds are what partners
-- see of last_updated.
create table client_info (
    audience     text not null references platform on delete cascade,
    country_code text not null,
    party_id     text not null,
    role         text not null,
    serial       bigint generated always as identity,
    status       text not null check (status in ('CONNECTED', 'OFFLINE', 'PLANNED', 'SUSPENDED')),
    last_updated timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    told         boolean not null default false,
    primary key (audience, country_code, party_id, role)
);
create unique index client_info_list on client_info (audience, serial);
create index client_info_untold on client_info (audience, serial) where not told;
