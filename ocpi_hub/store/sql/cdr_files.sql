-- CDRs for files.

-- name: page
-- As page in custody.sql: what no hold keeps back, one CPO's, in the order in which it came; a CDR is
-- as new as its way to the receiver. At most $8 objects and $9 bytes, yet one object at least.
with found as (
    select serial, body, bytes
    from directed_object
    where module = 'cdrs'
        and (country_code, party_id) = ($1, $2)
        and (receiver_country_code, receiver_party_id) = ($3, $4)
        and serial > $5
        and state <> 'held'
        and ($6::timestamptz is null or greatest(last_updated, visible_at) >= $6)
        and ($7::timestamptz is null or greatest(last_updated, visible_at) < $7)
    order by serial
    limit $8),
weighed as (
    select serial, body, row_number() over up_to_here as number, sum(bytes) over up_to_here as bytes
    from found
    window up_to_here as (order by serial rows unbounded preceding))
select serial, body::text as body
from weighed
where number = 1 or bytes <= $9
order by serial;

-- name: settled_before
-- Whatever began before is over by then: what an unfinished transaction changed is younger.
select clock_timestamp() - $1::interval;

-- name: hand_over
-- What a file holds and nobody touched since before it was begun. A part at a time, in the order in
-- which custody locks objects.
with written as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    where d.module = 'cdrs'
        and (d.country_code, d.party_id) = ($1, $2)
        and (d.receiver_country_code, d.receiver_party_id) = ($3, $4)
        and d.serial <= $5
        and d.state = 'pending'
        and d.changed_at < $8
        and ($6::timestamptz is null or greatest(d.last_updated, d.visible_at) >= $6)
        and ($7::timestamptz is null or greatest(d.last_updated, d.visible_at) < $7)
    order by d.module, d.country_code, d.party_id, d.object_id
    limit 5000
    for update of d)
update directed_object d
set state = 'delivered', sent_version = d.version, next_attempt_at = null, delivered_at = now(),
    changed_at = now(), reason = null, last_message = 'handed over in a file'
from written w
where (d.module, d.country_code, d.party_id, d.object_id)
    = (w.module, w.country_code, w.party_id, w.object_id);

-- name: find_all
select d.*
from directed_object d
join unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as k (module, country_code, party_id, object_id)
    using (module, country_code, party_id, object_id);
