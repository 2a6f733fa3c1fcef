-- Who was heard from when, who is away, and what has to be fetched after an absence.

-- name: note_contacts
-- In order, so that processes do not block each other. Of a platform that is OFFLINE the last
-- contact stays until `mark_online` has read from it where the catch-up begins.
insert into platform_contact as c (platform_id, last_contact_at)
select p.platform_id, now() - make_interval(secs => seen.ago_s)
from unnest($1::text[], $2::float8[]) as seen (platform_id, ago_s)
join platform p using (platform_id)
where p.online
order by p.platform_id
on conflict (platform_id) do update
set last_contact_at = greatest(c.last_contact_at, excluded.last_contact_at), failed_checks = 0;

-- name: claim_silent
-- Platforms nobody heard from for a while; each is checked by one process at a time.
insert into platform_contact as c (platform_id, checked_at)
select p.platform_id, now()
from platform p
left join platform_contact k using (platform_id)
where p.state = 'connected'
    and coalesce(k.last_contact_at, p.connected_at, p.created_at) < now() - $1::interval
    and coalesce(k.checked_at, '-infinity') < now() - $2::interval
order by p.platform_id
on conflict (platform_id) do update
set checked_at = now()
where coalesce(c.checked_at, '-infinity') < now() - $2::interval
returning platform_id;

-- name: note_failed_check
update platform_contact set failed_checks = failed_checks + 1
where platform_id = $1
returning failed_checks;

-- name: mark_offline
update platform set online = false where platform_id = $1 and online and state = 'connected';

-- name: mark_online
-- Returns the platform only when it was away. What its owners could not push is fetched from the
-- last contact on; the receivers on it are no longer in backoff.
with back as (
    update platform set online = true where platform_id = $1 and not online returning platform_id)
select platform_id from back;

-- name: request_catch_up
-- From the beginning ($4) where the hub knows nothing of a module yet.
insert into inbound_catch_up as job (platform_id, module, date_from, known_at)
select e.platform_id, e.module,
    case when k.module is null and e.module = any ($4::text[]) then '-infinity'
        else coalesce(c.last_contact_at, p.connected_at, p.created_at) - $3::interval end,
    c.last_contact_at
from platform p
join endpoint e using (platform_id, ocpi_version)
left join platform_contact c using (platform_id)
left join owner_knowledge k using (platform_id, module)
where p.state = 'connected'
    and ($1::text is null or p.platform_id = $1)
    and e.module = any ($2::text[])
    and e.interface_role = 'SENDER'
    and not (k.module is null and e.module = any ($4::text[]) and p.catch_up = 'none')
on conflict (platform_id, module) do update
set date_from = least(job.date_from, excluded.date_from),
    known_at = least(job.known_at, excluded.known_at), requested_at = clock_timestamp(),
    next_attempt_at = now(), attempts = 0;

-- name: request_first_lists
-- Of modules of which the hub knows nothing yet, unless nothing is to be caught up.
insert into inbound_catch_up as job (platform_id, module, date_from, next_attempt_at)
select e.platform_id, e.module, '-infinity', now() + $3::interval
from platform p
join endpoint e using (platform_id, ocpi_version)
left join owner_knowledge k using (platform_id, module)
where p.platform_id = $1
    and p.catch_up <> 'none'
    and e.module = any ($2::text[])
    and e.interface_role = 'SENDER'
    and k.module is null
on conflict (platform_id, module) do update
set date_from = excluded.date_from, requested_at = clock_timestamp(),
    next_attempt_at = excluded.next_attempt_at, attempts = 0;

-- name: forget_catch_ups
delete from inbound_catch_up j
where j.platform_id = $1
    and not exists (
        select from platform p
        join endpoint e using (platform_id, ocpi_version)
        where (p.platform_id, e.module, e.interface_role) = (j.platform_id, j.module, 'SENDER'));

-- name: make_due
-- What another transaction holds keeps its time: see receiver_backoff.sql, clear_failures.
with waiting as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    join party p
        on (d.receiver_country_code, d.receiver_party_id) = (p.country_code, p.party_id)
    where p.platform_id = $1
        and d.state = 'pending'
        and d.next_attempt_at > now()
        and coalesce(d.batch_due_at <= now(), true)
    limit 5000
    for update of d skip locked)
update directed_object d
set next_attempt_at = now()
from waiting w
where (d.module, d.country_code, d.party_id, d.object_id)
    = (w.module, w.country_code, w.party_id, w.object_id);

-- name: request_catch_up_since
-- Everybody's: an outage of ours that began so many seconds ago.
insert into inbound_catch_up as job (platform_id, module, date_from, known_at)
select e.platform_id, e.module, now() - make_interval(secs => $1::float8) - $3::interval,
    now() - make_interval(secs => $1::float8)
from platform p
join endpoint e using (platform_id, ocpi_version)
where p.state = 'connected'
    and e.module = any ($2::text[])
    and e.interface_role = 'SENDER'
on conflict (platform_id, module) do update
set date_from = least(job.date_from, excluded.date_from),
    known_at = least(job.known_at, excluded.known_at), requested_at = clock_timestamp(),
    next_attempt_at = now(), attempts = 0;

-- name: earlier_processes
-- Of several that start at once, the first one finds nobody.
select o.process_id, o.host, o.pid
from process o
join process mine on mine.process_id = $1
where o.heartbeat_at > now() - $2::interval
    and (o.started_at, o.process_id) < (mine.started_at, mine.process_id);

-- name: free_lanes
-- Whoever takes them over does so in doubt: a receiver may still be reading a push, and one that runs
-- all the same learns that it has lost them when it renews their leases.
update lane set lease_until = '-infinity' where process_id = any($1::uuid[]);

-- name: claim_catch_up
-- Tokens first: until they are read, what was revoked meanwhile may be let through.
update inbound_catch_up job
set lease_id = gen_random_uuid(), lease_until = now() + $1::interval, attempts = attempts + 1,
    began_at = coalesce(began_at, clock_timestamp())
where (platform_id, module) = (
    select j.platform_id, j.module
    from inbound_catch_up j
    join platform p using (platform_id)
    where p.state = 'connected' and p.online
        and j.next_attempt_at <= now()
        and coalesce(j.lease_until, '-infinity') < now()
    order by j.next_attempt_at, j.module <> 'tokens'
    limit 1
    for update of j skip locked)
returning platform_id, module, nullif(date_from, '-infinity') as date_from, lease_id, attempts, country_code, party_id, next_url,
    pages, seen, taken, broken;

-- name: keep_catch_up
update inbound_catch_up
set lease_until = now() + $4::interval, country_code = $5, party_id = $6, next_url = $7,
    noted = case when noted = pages then $8 else noted end, pages = $8, seen = $9, taken = $10,
    broken = $11
where (platform_id, module, lease_id) = ($1, $2, $3);

-- name: requeue_catch_up
update inbound_catch_up
set lease_id = null, lease_until = null, attempts = 0, next_attempt_at = clock_timestamp()
where (platform_id, module, lease_id) = ($1, $2, $3);

-- name: end_catch_up
-- A request that came while this one was read stays, and is read from its beginning. What was read
-- to its end ($4) is known as of the time at which the reading began.
with told as (
    insert into owner_knowledge as k (platform_id, module, pulled_at)
    select platform_id, module, began_at
    from inbound_catch_up
    where $4 and (platform_id, module, lease_id) = ($1, $2, $3)
    on conflict (platform_id, module) do update
    set pulled_at = greatest(k.pulled_at, excluded.pulled_at)),
ended as (
    delete from inbound_catch_up
    where (platform_id, module, lease_id) = ($1, $2, $3) and requested_at <= began_at)
update inbound_catch_up
set lease_id = null, lease_until = null, began_at = null, country_code = null, party_id = null,
    next_url = null, pages = 0, noted = 0, seen = 0, taken = 0, broken = 0
where (platform_id, module, lease_id) = ($1, $2, $3) and requested_at > began_at;

-- name: note_lists
-- What full lists say of broadcast objects just now: $6 that they show them, else that they lack
-- them. What is being written just now is there anyway.
update shared_object o
set listed_at = case when $6 then clock_timestamp() else o.listed_at end,
    missed_at = case when $6 then o.missed_at else clock_timestamp() end
where o.ctid = any (array(
    select n.ctid
    from shared_object n
    join unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
        as k (module, country_code, party_id, object_id, object_type)
        using (module, country_code, party_id, object_id, object_type)
    where n.audience = '*'
    for update of n skip locked));

-- name: began
-- When a reading began, and whether another one had come shortly before. Nothing if another one was
-- asked for meanwhile, perhaps of more than this one, or if not all of its pages were noted.
select j.began_at as at, coalesce(k.pulled_at > j.began_at - $4::interval, false) as repeated
from inbound_catch_up j
left join owner_knowledge k using (platform_id, module)
where (j.platform_id, j.module, j.lease_id) = ($1, $2, $3)
    and j.requested_at <= j.began_at
    and j.noted = j.pages;

-- name: absent
-- What came by lists and was neither listed nor changed since the reading began; `gone`: an
-- earlier reading had missed it too, and none has shown it since. A reading that compares twice,
-- because it was interrupted, counts once. What was also addressed to somebody was pushed, and stays.
with missed as (
    select o.module, o.country_code, o.party_id, o.object_id, o.object_type,
        coalesce(o.missed_at > greatest(o.changed_at, o.listed_at) and o.missed_at < $2, false)
            as gone
    from shared_object o
    where o.module = $1
        and (o.country_code, o.party_id) in (select * from unnest($3::text[], $4::text[]))
        and o.audience = '*'
        and o.origin = 'pull'
        and not o.deleted
        and not (o.module = 'locations' and o.object_type <> '')
        and greatest(o.changed_at, o.listed_at) < $2
        and not exists (
            select from shared_object a
            where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                and a.audience <> '*'
                and not a.deleted)
    for update of o skip locked)
update shared_object o
set missed_at = case when m.gone then o.missed_at else clock_timestamp() end
from missed m
where (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = (m.module, m.country_code, m.party_id, m.object_id, m.object_type, '*')
returning m.*;

-- name: read_again
insert into inbound_catch_up as job (platform_id, module, date_from, next_attempt_at)
select p.platform_id, $2, '-infinity', now() + $3::interval
from platform p
where p.platform_id = $1
on conflict (platform_id, module) do update
set date_from = excluded.date_from, requested_at = clock_timestamp();

-- name: release_catch_up
-- A request that came while this one failed does not wait for the pause.
update inbound_catch_up
set lease_id = null, lease_until = null, last_error = $5,
    next_attempt_at = case when requested_at > began_at then next_attempt_at
        else now() + $4::interval end
where (platform_id, module, lease_id) = ($1, $2, $3);

-- name: restart_catch_up
update inbound_catch_up
set began_at = null, country_code = null, party_id = null, next_url = null,
    pages = 0, noted = 0, seen = 0, taken = 0, broken = 0
where (platform_id, module) = ($1, $2);
