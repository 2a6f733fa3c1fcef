-- Locations as the console shows them.

-- name: position
-- Where the feed of Locations stands: nothing about them changes without moving it.
select position from shared_object where module = 'locations' order by position desc limit 1;

-- name: points
-- Where they are and how their EVSEs are, in the order of arrival, from a place on. Who sees what:
-- $3 everything; or what the owners $4, $5 have; or what is addressed to ($6) or broadcast by the
-- owners ($7, $8), published ones alone where $9 says so, unless something addressed to one of $10
-- stands in front. Of several that one sees, the broadcast one, else the first audience's. The texts
-- are read of no more Locations than are told.
with seen as materialized (
    select o.serial, o.country_code, o.party_id, o.object_id, o.body
    from shared_object o
    left join unnest($6::text[], $7::text[], $8::text[], $9::boolean[])
        as s (audience, country_code, party_id, published_only)
        on (s.audience, s.country_code, s.party_id) = (o.audience, o.country_code, o.party_id)
    cross join lateral (
        select $3 or (o.country_code, o.party_id) in (select * from unnest($4::text[], $5::text[]))
    ) as mine (own)
    where o.module = 'locations'
        and o.object_type = ''
        and o.serial > $1
        and not o.deleted
        and (
            mine.own and (o.audience = '*' or not exists (
                select from shared_object a
                where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                    = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                    and a.audience < o.audience
                    and not a.deleted))
            or not mine.own
                and s.audience is not null
                and not (o.audience = '*' and exists (
                    select from shared_object a
                    where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                        = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                        and a.audience = any ($10::text[])
                        and (not a.deleted or a.position > o.position)))
                and not (s.published_only and o.audience = '*'
                    and o.body ->> 'publish' is not distinct from 'false'))
    order by o.serial
    limit $2
)
select o.serial, o.country_code, o.party_id, coalesce(b.id, o.object_id) as id, b.name,
    b.coordinates ->> 'latitude' as latitude, b.coordinates ->> 'longitude' as longitude,
    e.available, e.in_use, e.out_of_order, e.other
from seen o
cross join lateral json_to_record(o.body) as b (id text, name text, coordinates json, evses json)
cross join lateral (
    select
        count(*) filter (where status = 'AVAILABLE') as available,
        count(*) filter (where status in ('CHARGING', 'RESERVED', 'BLOCKED')) as in_use,
        count(*) filter (where status in ('OUTOFORDER', 'INOPERATIVE')) as out_of_order,
        count(*) filter (where status is null or status not in ('AVAILABLE', 'CHARGING',
            'RESERVED', 'BLOCKED', 'OUTOFORDER', 'INOPERATIVE', 'REMOVED')) as other
    from (
        select upper(each ->> 'status') as status
        from json_array_elements(
            case when json_typeof(b.evses) = 'array' then b.evses else '[]' end) each) as evse
) as e
order by o.serial;

-- name: read_in_order
-- For this transaction: a page begins with the index of the list, also before anybody has counted
-- how many objects there are.
select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true);

-- name: objects
-- Objects of a module with their texts: $11 and $12, the owner; $13 an id, folded; $14 EVSEs of this
-- status; $15 part of a name or an address. The rest as in `points`, but that what a viewer sees
-- everything of comes for every audience when an id is asked for.
select o.*
from shared_object o
cross join lateral json_to_record(o.body)
    as b (name text, address text, city text, postal_code text, evses json, publish text)
left join unnest($6::text[], $7::text[], $8::text[], $9::boolean[])
    as s (audience, country_code, party_id, published_only)
    on (s.audience, s.country_code, s.party_id) = (o.audience, o.country_code, o.party_id)
cross join lateral (
    select $3 or (o.country_code, o.party_id) in (select * from unnest($4::text[], $5::text[]))
) as mine (own)
where o.module = $16
    and o.object_type = ''
    and o.serial > $1
    and not o.deleted
    and ($11::text is null or (o.country_code, o.party_id) = ($11, $12))
    and ($13::text is null or o.object_id = $13)
    and ($14::text is null or exists (
        select from json_array_elements(
            case when json_typeof(b.evses) = 'array' then b.evses else '[]' end) each
        where upper(each ->> 'status') = $14))
    and ($15::text is null or position(
        upper($15) in upper(concat_ws(' ', o.object_id, b.name, b.address, b.postal_code, b.city))) > 0)
    and (
        mine.own and (o.audience = '*' or $13::text is not null or not exists (
            select from shared_object a
            where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                and a.audience < o.audience
                and not a.deleted))
        or not mine.own
            and s.audience is not null
            and not (s.published_only and o.audience = '*' and b.publish is not distinct from 'false')
            and not (o.audience = '*' and exists (
                select from shared_object a
                where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                    = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                    and a.audience = any ($10::text[])
                    and (not a.deleted or a.position > o.position))))
order by o.serial
limit $2;

-- name: owed
-- Lanes of Locations, and the gap that each has of this one or of a part of it. The place of each
-- lane's own gaps is looked up: there may be many.
select l.country_code, l.party_id, l.cursor, g.object_type, g.attempts, g.since, g.next_attempt_at,
    g.http, g.ocpi, g.message
from lane l
cross join lateral (
    select * from lane_gap g
    where (g.receiver_country_code, g.receiver_party_id, g.module)
        = (l.country_code, l.party_id, l.module)
        and (g.country_code, g.party_id, g.object_id) = ($1, $2, $3)
    limit 100) g
where l.module = 'locations'
order by l.country_code, l.party_id, g.object_type
limit 1000;

-- name: behind
-- Lanes that have not come to this place in the feed.
select country_code, party_id from lane
where module = 'locations' and cursor < $1
order by country_code, party_id;

-- name: newest_position
-- Where a Location or the last of its EVSEs stands.
select max(position) from shared_object
where module = 'locations' and (country_code, party_id, object_id) = ($1, $2, $3);

-- name: count_cdrs
-- Of a Location, 10,000 at most; $4 to $5: for these receivers only.
select count(*), max(ended_at) as last_at
from (
    select ended_at from cdr_ledger
    where (country_code, party_id) = ($1, $2)
        and left(upper(location_id), 100) = left($3, 100)
        and upper(location_id) = $3
        and ($4::text[] is null
            or (receiver_country_code, receiver_party_id) in (select * from unnest($4, $5::text[])))
    limit 10000) as found;
