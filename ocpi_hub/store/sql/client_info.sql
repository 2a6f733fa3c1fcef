-- What each platform is told about the parties it works with.

-- name: lock_platforms
-- Before anything else: whoever removes a platform begins with its row.
select platform_id, connected_at
from platform
where platform_id = any ($1::text[])
order by platform_id
for key share;

-- name: insert_audiences
insert into client_info_audience (platform_id)
select * from unnest($1::text[]) as a (platform_id)
order by 1
on conflict (platform_id) do nothing;

-- name: lock_audiences
select platform_id, directory_version, url, since
from client_info_audience
where platform_id = any ($1::text[])
order by platform_id
for no key update;

-- name: set_audiences
update client_info_audience a
set directory_version = $1, url = n.url, since = n.since
from unnest($2::text[], $3::text[], $4::timestamptz[]) as n (platform_id, url, since)
where a.platform_id = n.platform_id;

-- name: tell_everything_again
update client_info
set told = false
where audience = any ($1::text[]) and told
returning audience;

-- name: sync_rows
-- Only a changed status changes a row; last_updated grows even if the clock goes back. Who has been
-- CONNECTED stays so until it has been OFFLINE for a while ($7). Who is not wanted any more is
-- SUSPENDED: of those about whom this is, or of all ($8). Returns whose rows changed, and how long
-- the first of those has yet to wait who are held.
with moment as materialized (
    select clock_timestamp() as at),
stated as materialized (
    select w.*, k.status as before,
        w.status = 'OFFLINE' and k.status = 'CONNECTED'
            and w.offline_since > m.at - $7::interval as held
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        as w (audience, country_code, party_id, role, status, offline_since)
    cross join moment m
    left join client_info k
        on (k.audience, k.country_code, k.party_id, k.role)
            = (w.audience, w.country_code, w.party_id, w.role)),
stored as (
    insert into client_info as c (audience, country_code, party_id, role, status)
    select audience, country_code, party_id, role, status
    from stated
    where held is not true and before is distinct from status
    order by audience, country_code, party_id, role
    on conflict (audience, country_code, party_id, role) do update
    set status = excluded.status, told = false,
        last_updated = greatest(excluded.last_updated, c.last_updated + interval '1 millisecond')
    returning c.audience),
known as (
    select audience, country_code, party_id, role
    from client_info
    where audience = any ($8::text[]) and status <> 'SUSPENDED'
    union all
    select audience, country_code, party_id, role
    from client_info
    join unnest($9::text[], $10::text[], $11::text[]) as about (audience, country_code, party_id)
        using (audience, country_code, party_id)
    where status <> 'SUSPENDED'),
withdrawn as (
    update client_info c
    set status = 'SUSPENDED', told = false,
        last_updated = greatest(
            date_trunc('milliseconds', clock_timestamp()),
            c.last_updated + interval '1 millisecond')
    from (
        select * from known
        except
        select audience, country_code, party_id, role from stated) as gone
    where (c.audience, c.country_code, c.party_id, c.role)
        = (gone.audience, gone.country_code, gone.party_id, gone.role)
    returning c.audience)
select array(select audience from stored union select audience from withdrawn) as changed,
    (select extract(epoch from min(s.offline_since) + $7::interval - m.at)::float8
        from stated s cross join moment m
        where s.held
        group by m.at) as held_s;

-- name: with_untold
select a.platform_id
from unnest($1::text[]) as a (platform_id)
where exists (select from client_info c where c.audience = a.platform_id and not c.told);

-- name: now
select clock_timestamp();

-- name: follows
select exists (
    select from client_info_audience where platform_id = $1 and directory_version >= $2);

-- name: owed
select platform_id
from client_info_audience a
where url is not null
    and exists (select from client_info c where c.audience = a.platform_id and not c.told);

-- name: untold_about
select exists (
    select from party p
    join client_info c
        on (c.country_code, c.party_id) = (p.country_code, p.party_id) and not c.told
    join client_info_audience a on a.platform_id = c.audience and a.url is not null
    where p.platform_id = $1);

-- name: told_after
-- At its URL a party has one object, whatever its roles: only with one role it is known which.
select country_code, party_id, role, status, last_updated, serial
from client_info c
where audience = $1
    and serial > $2
    and told
    and not exists (
        select from client_info o
        where (o.audience, o.country_code, o.party_id) = (c.audience, c.country_code, c.party_id)
            and o.role <> c.role)
order by serial
limit 1;

-- name: tell_again
update client_info
set told = false
where audience = $1 and serial = $2 and last_updated = $3 and told
returning serial;

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
