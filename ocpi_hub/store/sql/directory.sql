-- The directory: what all processes know about partners, and which process runs which version.

-- name: version
select version from directory_version;

-- name: platforms
select platform_id, name, state, online, ocpi_version, versions_url, our_token_sealed, quirks,
    page_limit, catch_up, custom_modules, offline_since
from platform
order by platform_id;

-- name: roles
select p.platform_id, r.country_code, r.party_id, r.role, r.name, r.active
from party_role r
join party p using (country_code, party_id)
order by r.country_code, r.party_id, r.role;

-- name: endpoints
-- Of the version in force only.
select e.platform_id, e.module, e.interface_role, e.url
from endpoint e
join platform p on (p.platform_id, p.ocpi_version) = (e.platform_id, e.ocpi_version);

-- name: credentials
select token_sha256, platform_id, kind, first_used_at, expires_at
from credentials_token
where expires_at is null or expires_at > now();

-- name: relations
select cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id, mode, fallback,
    authorize_budget_ms, whitelist_max_age_s, fallback_max_age_s, cdrs, cdr_schedule, cdr_rules
from relation
order by cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id;

-- name: find_credentials
-- And invitations that have expired, as long as they are told apart.
select token_sha256, platform_id, kind, first_used_at, expires_at
from credentials_token
where token_sha256 = $1
    and (
        expires_at is null
        or expires_at > now()
        or kind = 'registration' and expires_at > now() - $2::interval);

-- name: lock_unused_token
-- Locks before it changes: an update of no row would count as a change of the directory. The
-- platform comes first, in the same order as everywhere.
select t.platform_id, t.issued_at
from platform p
join credentials_token t using (platform_id)
where t.token_sha256 = $1
    and t.kind = 'access'
    and t.first_used_at is null
    and t.expires_at is null
for no key update;

-- name: set_first_used
update credentials_token set first_used_at = now() where token_sha256 = $1;

-- name: let_older_expire
-- A token in a handshake that is not complete is not older, and expires by itself.
update credentials_token
set expires_at = least(expires_at, now() + $3::interval)
where platform_id = $1
    and kind = 'access'
    and issued_at < $2;

-- name: heartbeat
with gone as (
    delete from process where process_id <> $1 and heartbeat_at < now() - $5::interval)
insert into process (process_id, host, pid, directory_version, public_url)
values ($1, $2, $3, $4, $6)
on conflict (process_id) do update
set heartbeat_at = now(), directory_version = excluded.directory_version;

-- name: leave
delete from process where process_id = $1;

-- name: announced_url
-- Where a hub that runs now is reached.
select public_url
from process
where public_url is not null
    and heartbeat_at > now() - $1::interval
order by heartbeat_at desc
limit 1;

-- name: live_processes
select count(*) from process where heartbeat_at > now() - $1::interval;

-- name: laggards
select process_id, host, pid
from process
where directory_version < $1
    and heartbeat_at > now() - $2::interval
order by host, pid;
