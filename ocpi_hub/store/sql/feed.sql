-- The feed and its lanes.

-- name: tail
select coalesce(max(position), 0) from shared_object where module = $1;

-- name: after
-- What was addressed to one party is represented by gaps, not by the feed.
select position, serial, module, country_code, party_id, object_id, object_type, audience, deleted
from shared_object
where module = $1 and position > $2 and ($4::bigint is null or position <= $4) and audience = '*'
order by position
limit $3;

-- name: of_owner
-- The text of a Location says what the rows of its EVSEs say. What was deleted counts from after $7.
select position, serial, module, country_code, party_id, object_id, object_type, audience, deleted
from shared_object
where module = $1 and (country_code, party_id) = ($2, $3) and serial > $4
    and audience in ('*', $6)
    and (not deleted or position > $7)
    and not (module = 'locations' and object_type <> '')
order by serial
limit $5;

-- name: current
-- Who has a copy of its own sees that in lists (shared.sql, page), and is not sent the broadcast one;
-- for an EVSE the Location decides.
select k.number, o.*, case when o.audience <> '*' and o.module = 'locations' and o.object_type = ''
    then (
        select max(e.position)
        from shared_object e
        where (e.module, e.country_code, e.party_id, e.object_id, e.audience)
            = (o.module, o.country_code, o.party_id, o.object_id, o.audience)) end as told,
    case when o.audience = '*' then array(
    select a.audience
    from shared_object a
    where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
        = (o.module, o.country_code, o.party_id, o.object_id,
        case when o.module = 'locations' then '' else o.object_type end)
        and a.audience <> '*'
        and (not a.deleted or a.position > o.position)) end as own,
    o.deleted and o.audience <> '*' and exists (
        select from shared_object b
        where (b.module, b.country_code, b.party_id, b.object_id, b.object_type, b.audience)
            = (o.module, o.country_code, o.party_id, o.object_id, o.object_type, '*')
            and not b.deleted
            and b.position > o.position) as outlived
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    with ordinality
    as k (module, country_code, party_id, object_id, object_type, audience, number)
join shared_object o
    using (module, country_code, party_id, object_id, object_type, audience);

-- name: make_lanes
insert into lane (country_code, party_id, module)
select * from unnest($1::text[], $2::text[], $3::text[])
on conflict do nothing;

-- name: lease
-- What is taken before its lease has run out is in doubt: pushes may be on their way.
with free as (
    select l.country_code, l.party_id, l.module,
        l.process_id is not null and (l.lease_until > now() or l.lease_until = '-infinity')
        as in_doubt
    from lane l
    join unnest($1::text[], $2::text[], $3::text[]) as w (country_code, party_id, module)
        using (country_code, party_id, module)
    where l.process_id is null
        or l.lease_until < now()
        or not exists (select from process p where p.process_id = l.process_id)
    order by l.settled_at
    limit $6
    for update of l skip locked)
update lane l
set process_id = $4, lease_until = now() + $5::interval,
    first_tail = coalesce(l.first_tail, case when l.cursor > 0 then 0 else (
        select coalesce(max(o.position), 0) from shared_object o where o.module = l.module) end)
from free
where (l.country_code, l.party_id, l.module) = (free.country_code, free.party_id, free.module)
returning l.country_code, l.party_id, l.module, l.cursor, l.first_tail, free.in_doubt;

-- name: gaps_of_lanes
select g.*
from lane_gap g
join unnest($1::text[], $2::text[], $3::text[]) as l (country_code, party_id, module)
    on (g.receiver_country_code, g.receiver_party_id, g.module)
    = (l.country_code, l.party_id, l.module);

-- name: renew
update lane l
set cursor = greatest(l.cursor, r.cursor), lease_until = now() + $6::interval,
    settled_at = case when r.cursor > l.cursor then now() else l.settled_at end,
    resting_since = case when r.resting then coalesce(l.resting_since, now()) end
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $7::boolean[])
    as r (country_code, party_id, module, cursor, resting)
where (l.country_code, l.party_id, l.module) = (r.country_code, r.party_id, r.module)
    and l.process_id = $5
returning l.country_code, l.party_id, l.module;

-- name: release
update lane l
set cursor = greatest(l.cursor, r.cursor), process_id = null, lease_until = null,
    resting_since = null
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    as r (country_code, party_id, module, cursor)
where (l.country_code, l.party_id, l.module) = (r.country_code, r.party_id, r.module)
    and l.process_id = $5;

-- name: join_workers
insert into feed_worker (process_id)
select process_id from process where process_id = $1
on conflict do nothing;

-- name: workers
select count(*)
from feed_worker w
join process p using (process_id)
where p.heartbeat_at > now() - $1::interval;

-- name: open_gaps
-- An EVSE's row may be gone by now, because its Location came whole. What was answered, and is the
-- newest, is not on the way any more.
insert into lane_gap as g (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience, position, attempts, next_attempt_at, http, ocpi, message)
select n.receiver_country_code, n.receiver_party_id, n.module, n.country_code, n.party_id,
    n.object_id, n.object_type, n.audience, position, 1, now() + again, http, ocpi, message
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::bigint[], $10::interval[], $11::int[], $12::int[], $13::text[])
    as n (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience, position, again, http, ocpi, message)
where exists (
    select from shared_object o
    where (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
        = (n.module, n.country_code, n.party_id, n.object_id, n.object_type, n.audience))
on conflict (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) do update
set position = greatest(g.position, excluded.position), attempts = g.attempts + 1,
    next_attempt_at = excluded.next_attempt_at, http = excluded.http, ocpi = excluded.ocpi,
    message = excluded.message,
    taken_up = g.taken_up and (excluded.http is null or g.position > excluded.position);

-- name: close_gap
delete from lane_gap
where (receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) = ($1, $2, $3, $4, $5, $6, $7, $8)
    and position <= $9;

-- name: close_addressed
-- What the feed sends itself meanwhile may arrive after the relay: that gap stays.
delete from lane_gap g
using shared_object o
where (g.receiver_country_code, g.receiver_party_id, g.module, g.country_code, g.party_id,
    g.object_id, g.object_type, g.audience) = ($1, $2, $3, $4, $5, $6, $7, $8)
    and (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = (g.module, g.country_code, g.party_id, g.object_id, g.object_type, g.audience)
    and o.position <= $9
    and not g.taken_up;

-- name: owe_newer
-- The receiver judged an older push after a newer one was stored, of the same object or of a Location
-- and its EVSE, or a newer one while the feed was sending: nobody knows which it took last. Nor does
-- anybody while a broadcast under the same id may be on its way. $9: the position that was sent;
-- $10: by a relay.
insert into lane_gap as g (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience, position, next_attempt_at, taken_up)
select $1, $2, o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience,
    o.position, now(), true
from shared_object o
where (o.module, o.country_code, o.party_id, o.object_id, o.audience) = ($3, $4, $5, $6, $8)
    and (o.object_type = $7 or o.module = 'locations' and '' in ($7, o.object_type))
    and (o.position > $9
        or o.object_type = $7 and exists (
            select from lane_gap t
            where (t.receiver_country_code, t.receiver_party_id, t.module, t.country_code,
                t.party_id, t.object_id, t.object_type, t.audience)
                = ($1, $2, o.module, o.country_code, o.party_id, o.object_id, o.object_type,
                o.audience)
                and t.taken_up)
        or $10 and o.object_type = $7 and exists (
            select from shared_object b
            where (b.module, b.country_code, b.party_id, b.object_id, b.audience)
                = (o.module, o.country_code, o.party_id, o.object_id, '*')
                and (b.object_type = o.object_type or b.module = 'locations')
                and (b.position > (
                        select l.cursor from lane l
                        where (l.country_code, l.party_id, l.module) = ($1, $2, $3))
                    or exists (
                        select from lane_backfill f
                        where (f.receiver_country_code, f.receiver_party_id, f.module,
                            f.owner_country_code, f.owner_party_id) = ($1, $2, $3, $4, $5))
                    or exists (
                        select from lane_gap w
                        where (w.receiver_country_code, w.receiver_party_id, w.module,
                            w.country_code, w.party_id, w.object_id, w.object_type, w.audience)
                            = ($1, $2, b.module, b.country_code, b.party_id, b.object_id,
                            b.object_type, '*')))))
on conflict (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) do update
set position = excluded.position, next_attempt_at = excluded.next_attempt_at, taken_up = true;

-- name: hasten_gap
update lane_gap set next_attempt_at = now()
where (receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) = ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: due_gaps
-- Of these lanes only. A gap on the way is not due again before its lease is over.
update lane_gap g
set next_attempt_at = now() + $3::interval, taken_up = true
from (
    select g.receiver_country_code, g.receiver_party_id, g.module, g.country_code, g.party_id,
        g.object_id, g.object_type, g.audience
    from lane_gap g
    join lane l
        on (l.country_code, l.party_id, l.module)
        = (g.receiver_country_code, g.receiver_party_id, g.module)
    join unnest($4::text[], $5::text[], $6::text[]) as ready (country_code, party_id, module)
        on (ready.country_code, ready.party_id, ready.module)
        = (l.country_code, l.party_id, l.module)
    where g.next_attempt_at <= now() and l.process_id = $1
    order by g.next_attempt_at
    limit $2
    for update of g skip locked) as due
where (g.receiver_country_code, g.receiver_party_id, g.module, g.country_code, g.party_id,
    g.object_id, g.object_type, g.audience)
    = (due.receiver_country_code, due.receiver_party_id, due.module, due.country_code,
    due.party_id, due.object_id, due.object_type, due.audience)
returning g.*;

-- name: backfills
select b.*, b.requested_at < now() - $2::interval as old
from lane_backfill b
join lane l
    on (l.country_code, l.party_id, l.module)
    = (b.receiver_country_code, b.receiver_party_id, b.module)
where l.process_id = $1;

-- name: advance_backfill
update lane_backfill set after_serial = $7
where (receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id)
    = ($1, $2, $3, $4, $5)
    and requested_at = $6;

-- name: end_backfill
-- One that was requested again meanwhile begins anew.
delete from lane_backfill
where (receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id)
    = ($1, $2, $3, $4, $5)
    and requested_at = $6;

-- name: request_backfill
insert into lane_backfill as b (
    receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id, deleted)
select *, $6 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
on conflict (
    receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id)
do update set after_serial = 0, requested_at = clock_timestamp(),
    deleted = b.deleted or excluded.deleted;
