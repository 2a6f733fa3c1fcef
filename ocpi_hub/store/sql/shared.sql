-- Shared objects: current state and change feed.

-- name: lock_module
-- Held from taking positions to commit, so positions become visible in order.
select pg_advisory_xact_lock(hashtextextended('ocpi_hub feed ' || $1::text, 0));

-- name: rows_of_keys
select o.*
from shared_object o
join unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    as k (module, country_code, party_id, object_id, object_type, audience)
    using (module, country_code, party_id, object_id, object_type, audience);

-- name: store_changes
insert into shared_object as o (
    module, country_code, party_id, object_id, object_type, audience, position, body,
    last_updated, origin, correlation_id, path, deleted, whole_updated)
select module, country_code, party_id, object_id, object_type, audience,
    nextval('shared_object_position'), body::json, last_updated, origin, correlation_id,
    path::json, deleted, whole_updated
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::bool[], $13::timestamptz[])
    as c (
    module, country_code, party_id, object_id, object_type, audience, body, last_updated, origin,
    correlation_id, path, deleted, whole_updated)
on conflict (module, country_code, party_id, object_id, object_type, audience) do update
set position = excluded.position, body = excluded.body, last_updated = excluded.last_updated,
    origin = excluded.origin, correlation_id = excluded.correlation_id, path = excluded.path,
    deleted = excluded.deleted, whole_updated = excluded.whole_updated, changed_at = now();

-- name: affirm
-- Tokens that were pushed as they are, while their owner's full list is read, or held.
update shared_object o
set listed_at = clock_timestamp()
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    as a (module, country_code, party_id, object_id, object_type, audience)
where (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = (a.module, a.country_code, a.party_id, a.object_id, a.object_type, a.audience)
    and exists (
        select from whitelist_run r
        join party p using (platform_id)
        where (p.country_code, p.party_id) = (o.country_code, o.party_id)
            and r.extent = 'full'
            and r.state in ('running', 'held'));

-- name: positions
-- Of rows and, of an EVSE's row, of its Location.
select k.number, o.position, (
    select l.position
    from shared_object l
    where (l.module, l.country_code, l.party_id, l.object_id, l.object_type, l.audience)
        = (k.module, k.country_code, k.party_id, k.object_id, '', k.audience)
        and l.module = 'locations') as location
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    with ordinality
    as k (module, country_code, party_id, object_id, object_type, audience, number)
left join shared_object o
    using (module, country_code, party_id, object_id, object_type, audience);

-- name: delete_addressed
-- What was addressed to single parties under the ids of these broadcast objects.
update shared_object o
set position = nextval('shared_object_position'), origin = d.origin,
    correlation_id = d.correlation_id, deleted = true, changed_at = now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    as d (module, country_code, party_id, object_id, object_type, origin, correlation_id)
where (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
    = (d.module, d.country_code, d.party_id, d.object_id, d.object_type)
    and o.audience <> '*'
    and not o.deleted
returning o.*;

-- name: note_pushes
insert into owner_knowledge as k (platform_id, module, pushes)
select distinct p.platform_id, o.module, true
from unnest($1::text[], $2::text[], $3::text[]) as o (module, country_code, party_id)
join party p using (country_code, party_id)
where p.platform_id is not null
order by 1, 2
on conflict (platform_id, module) do update set pushes = true where not k.pushes;

-- name: rewrite_locations
-- One of its EVSEs has changed: the feed tells that by the EVSE's own row, so the Location's place in
-- it stays, and so does the message that brought it whole.
update shared_object o
set body = c.body::json, last_updated = c.last_updated, changed_at = now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as c (country_code, party_id, object_id, audience, body, last_updated)
where (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = ('locations', c.country_code, c.party_id, c.object_id, '', c.audience);

-- name: withdraw_evses
-- The Location came whole: its text says what the rows of its EVSEs said.
delete from shared_object o
using unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as w (country_code, party_id, object_id, audience)
where (o.module, o.country_code, o.party_id, o.object_id, o.audience)
    = ('locations', w.country_code, w.party_id, w.object_id, w.audience)
    and o.object_type <> '';

-- name: withdraw_evse_gaps
-- In the order in which gaps are written, so that nobody waits for each other.
with withdrawn as (
    select g.*
    from lane_gap g
    join unnest($1::text[], $2::text[], $3::text[], $4::text[])
        as w (country_code, party_id, object_id, audience)
        using (country_code, party_id, object_id, audience)
    where g.module = 'locations' and g.object_type <> ''
    order by g.receiver_country_code collate "C", g.receiver_party_id collate "C",
        g.country_code collate "C", g.party_id collate "C", g.object_id collate "C",
        g.object_type collate "C", g.audience collate "C"
    for update of g)
delete from lane_gap g
using withdrawn w
where (g.receiver_country_code, g.receiver_party_id, g.module, g.country_code, g.party_id,
    g.object_id, g.object_type, g.audience)
    = (w.receiver_country_code, w.receiver_party_id, w.module, w.country_code, w.party_id,
    w.object_id, w.object_type, w.audience)
returning g.country_code, g.party_id, g.object_id, g.audience, g.taken_up;

-- name: take_up_locations
update lane_gap g
set taken_up = true
from unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as t (country_code, party_id, object_id, audience)
where (g.module, g.country_code, g.party_id, g.object_id, g.object_type, g.audience)
    = ('locations', t.country_code, t.party_id, t.object_id, '', t.audience)
    and (g.receiver_country_code, g.receiver_party_id)
    = (split_part(t.audience, '*', 1), split_part(t.audience, '*', 2));

-- name: owe_addressed
-- An object addressed to one party is owed to it until its verdict is known; the request that
-- brought it has some time to get that. What the feed may be sending of it just now, or of the same
-- Location, could arrive after the relay: then the feed sends the newest state after that.
insert into lane_gap as g (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience, position, next_attempt_at, taken_up)
select split_part(o.audience, '*', 1), split_part(o.audience, '*', 2), o.module, o.country_code,
    o.party_id, o.object_id, o.object_type, o.audience, o.position, now() + $7::interval,
    exists (
        select from lane_gap p
        where (p.receiver_country_code, p.receiver_party_id, p.module, p.country_code, p.party_id,
            p.object_id, p.audience)
            = (split_part(o.audience, '*', 1), split_part(o.audience, '*', 2), o.module,
            o.country_code, o.party_id, o.object_id, o.audience)
            and (o.module = 'locations' or p.object_type = o.object_type)
            and p.taken_up)
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    as k (module, country_code, party_id, object_id, object_type, audience)
join shared_object o
    using (module, country_code, party_id, object_id, object_type, audience)
order by o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience
on conflict (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) do update
set position = excluded.position, next_attempt_at = excluded.next_attempt_at,
    taken_up = g.taken_up or excluded.taken_up;

-- name: owe_unpublished
-- These Locations are published no more: who sees published ones alone, by its roles $4, is owed this
-- last state, as far as it may hold an older one.
insert into lane_gap as g (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience, position, next_attempt_at)
select l.country_code, l.party_id, o.module, o.country_code, o.party_id, o.object_id,
    o.object_type, o.audience, o.position, now()
from unnest($1::text[], $2::text[], $3::text[]) as k (country_code, party_id, object_id)
join shared_object o
    on (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = ('locations', k.country_code, k.party_id, k.object_id, '', '*')
join lane l on l.module = o.module
where (l.cursor > 0 or l.first_tail is not null)
    and not exists (
        select from party_role r
        where (r.country_code, r.party_id) = (l.country_code, l.party_id)
            and r.active
            and r.role = any ($4::text[]))
order by l.country_code collate "C", l.party_id collate "C", o.country_code collate "C",
    o.party_id collate "C", o.object_id collate "C"
on conflict (
    receiver_country_code, receiver_party_id, module, country_code, party_id, object_id,
    object_type, audience) do update
set position = excluded.position, next_attempt_at = excluded.next_attempt_at;

-- name: find
select * from shared_object
where (module, country_code, party_id, object_id, object_type, audience)
    = ($1, $2, $3, $4, $5, $6)
    and not deleted;

-- name: visible
-- The objects with an id among those that the list shows to a reader.
select o.*
from shared_object o
where o.module = $1
    and o.object_id = $2
    and o.object_type = ''
    and not o.deleted
    and o.audience in ('*', $3)
    and (o.country_code, o.party_id) in (select * from unnest($4::text[], $5::text[]))
    and not ($6 and o.audience = '*' and (o.body ->> 'publish') is not distinct from 'false')
    and not (o.audience = '*' and exists (
        select from shared_object a
        where (a.module, a.country_code, a.party_id, a.object_id, a.object_type, a.audience)
            = (o.module, o.country_code, o.party_id, o.object_id, o.object_type, $3)
            and (not a.deleted or a.position > o.position)))
order by o.serial;

-- name: page
-- What a reader may see: broadcast objects of the owners it is related to, and what was addressed
-- to it, which stands in front of a broadcast one; deleted, of an older one only. At most $9 objects and $10 bytes, yet one object
-- at least; `found` exceeds their number when there are more. EVSEs are in the texts of their
-- Locations; $11: of Locations only what is to be published.
with found as (
    select o.serial, o.body, o.bytes
    from shared_object o
    where o.module = $1
        and o.serial > $5
        and not o.deleted
        and o.audience in ('*', $2)
        and (o.country_code, o.party_id) in (select * from unnest($3::text[], $4::text[]))
        and ($6::timestamptz is null or o.last_updated >= $6)
        and ($7::timestamptz is null or o.last_updated < $7)
        and not (o.module = 'locations' and o.object_type <> '')
        and not ($11 and o.audience = '*' and (o.body ->> 'publish') is not distinct from 'false')
        and not (o.audience = '*' and exists (
            select from shared_object a
            where (a.module, a.country_code, a.party_id, a.object_id, a.object_type, a.audience)
                = (o.module, o.country_code, o.party_id, o.object_id, o.object_type, $2)
                and (not a.deleted or a.position > o.position)))
    order by o.serial
    offset $8
    limit $9 + 1),
weighed as (
    select serial, body, count(*) over () as found, row_number() over up_to_here as number,
        sum(bytes) over up_to_here as bytes
    from found
    window up_to_here as (order by serial rows unbounded preceding))
select serial, body, found
from weighed
where number <= $9 and (number = 1 or $10::bigint is null or bytes <= $10)
order by serial;

-- name: count
-- What `page` shows in all. What was addressed to the reader is little: of everything that is there
-- it takes away what that hides, instead of looking for it beside each object.
select (
    select count(*)
    from shared_object o
    where o.module = $1
        and o.audience in ('*', $2)
        and not o.deleted
        and (o.country_code, o.party_id) in (select * from unnest($3::text[], $4::text[]))
        and ($5::timestamptz is null or o.last_updated >= $5)
        and ($6::timestamptz is null or o.last_updated < $6)
        and not (o.module = 'locations' and o.object_type <> '')
        and not ($7 and o.audience = '*' and (o.body ->> 'publish') is not distinct from 'false')
) - (
    select count(*)
    from shared_object a
    join shared_object o
        on (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
        = (a.module, a.country_code, a.party_id, a.object_id, a.object_type, '*')
    where a.module = $1
        and a.audience = $2
        and a.audience <> '*'
        and (not a.deleted or a.position > o.position)
        and not o.deleted
        and (o.country_code, o.party_id) in (select * from unnest($3::text[], $4::text[]))
        and ($5::timestamptz is null or o.last_updated >= $5)
        and ($6::timestamptz is null or o.last_updated < $6)
        and not (o.module = 'locations' and o.object_type <> '')
        and not ($7 and o.audience = '*' and (o.body ->> 'publish') is not distinct from 'false')
);
