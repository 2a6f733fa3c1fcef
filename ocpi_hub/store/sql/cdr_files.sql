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

-- name: find_all
select d.*
from directed_object d
join unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as k (module, country_code, party_id, object_id)
    using (module, country_code, party_id, object_id);
