-- What each platform is told about the parties it works with.

-- name: insert_audience
insert into client_info_audience (platform_id)
select platform_id from platform where platform_id = $1 for key share
on conflict (platform_id) do nothing;

-- name: lock_audience
select a.directory_version, a.url, a.since, p.connected_at
from client_info_audience a
join platform p using (platform_id)
where a.platform_id = $1
for no key update of a;

-- name: set_audience
update client_info_audience
set directory_version = $2, url = $3, since = $4
where platform_id = $1;

-- name: tell_again
update client_info set told = false where audience = $1 and told;

-- name: sync_rows
-- Only a changed status changes a row; last_updated grows even if the clock goes back. Who is not
-- wanted any more is SUSPENDED. Returns the number of changes.
with wanted as (
    select *
    from unnest($2::text[], $3::text[], $4::text[], $5::text[])
        as w (country_code, party_id, role, status)),
stored as (
    insert into client_info as c (audience, country_code, party_id, role, status)
    select $1, w.country_code, w.party_id, w.role, w.status
    from wanted w
    left join client_info k
        on k.audience = $1
        and (k.country_code, k.party_id, k.role) = (w.country_code, w.party_id, w.role)
    where k.status is distinct from w.status
    order by w.country_code, w.party_id, w.role
    on conflict (audience, country_code, party_id, role) do update
    set status = excluded.status, told = false,
        last_updated = greatest(excluded.last_updated, c.last_updated + interval '1 millisecond')
    returning c.serial),
withdrawn as (
    update client_info c
    set status = 'SUSPENDED', told = false,
        last_updated = greatest(
            date_trunc('milliseconds', clock_timestamp()),
            c.last_updated + interval '1 millisecond')
    where c.audience = $1
        and c.status <> 'SUSPENDED'
        and not exists (
            select from wanted w
            where (w.country_code, w.party_id, w.role) = (c.country_code, c.party_id, c.role))
    returning c.serial)
select (select count(*) from stored) + (select count(*) from withdrawn);

-- name: any_untold
select exists (select from client_info where audience = $1 and not told);

-- name: claim
-- Only for the URL that is in force: a process with another one has an older directory.
update client_info_audience
set lease_id = $3, lease_until = now() + $4::interval
where platform_id = $1
    and url = $2
    and (lease_until is null or lease_until < now())
returning since;

-- name: untold
select country_code, party_id, role, status, last_updated, serial
from client_info
where audience = $1 and not told and serial > $2
order by serial
limit $3;

-- name: report
-- What was told is settled unless it has changed meanwhile, or everything is to be told again at
-- another URL or to another registration. Returns whether the lease is still held, and renews it.
with held as (
    update client_info_audience
    set lease_until = now() + $3::interval
    where platform_id = $1 and lease_id = $2
    returning platform_id, url, since),
settled as (
    update client_info c
    set told = true
    from held h
    where c.audience = h.platform_id
        and h.url = $4
        and h.since is not distinct from $5
        and c.serial = $6
        and c.last_updated = $7
        and $8::boolean)
select exists (select from held);

-- name: release
update client_info_audience
set lease_id = null, lease_until = null
where platform_id = $1 and lease_id = $2;

-- name: count
select count(*)
from client_info
where audience = $1
    and ($2::timestamptz is null or last_updated >= $2)
    and ($3::timestamptz is null or last_updated < $3);

-- name: page
-- One more than asked for, to know whether there are more.
select country_code, party_id, role, status, last_updated, serial
from client_info
where audience = $1
    and serial > $2
    and ($3::timestamptz is null or last_updated >= $3)
    and ($4::timestamptz is null or last_updated < $4)
order by serial
offset $5
limit $6 + 1;
