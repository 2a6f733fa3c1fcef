-- CDRs that wait for the end of a period, and the runs they go with.

-- name: move
-- Those of a relation that still wait, to another time; that is past when batches are over. A part at
-- a time, in the order in which custody locks them.
with waiting as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    where d.module = 'cdrs'
        and (d.country_code, d.party_id) = ($1, $2)
        and (d.receiver_country_code, d.receiver_party_id) = ($3, $4)
        and d.batch_due_at > now()
        and d.batch_due_at <> $5
        and d.state in ('pending', 'held')
    order by d.module, d.country_code, d.party_id, d.object_id
    limit 5000
    for update of d)
update directed_object d
set batch_due_at = $5, changed_at = now(),
    next_attempt_at = case when d.next_attempt_at is not null then $5::timestamptz end
from waiting w
where (d.module, d.country_code, d.party_id, d.object_id)
    = (w.module, w.country_code, w.party_id, w.object_id);

-- name: now
select clock_timestamp();

-- name: runs
-- Newest first, after the one of a relation ($6 to $9) that is due at $10.
select country_code, party_id, receiver_country_code, receiver_party_id, batch_due_at,
    batch_due_at > now() as gathering,
    count(*) as cdrs,
    count(*) filter (where state = 'delivered') as delivered,
    count(*) filter (where state = 'refused') as refused,
    count(*) filter (where state in ('pending', 'in_flight')) as waiting,
    count(*) filter (where state = 'held') as held,
    count(*) filter (where state in ('uncertain', 'dead')) as stuck,
    max(greatest(delivered_at, changed_at)) as changed_at
from directed_object
where module = 'cdrs'
    and batch_due_at is not null
    and ($1::text is null or (country_code, party_id) = ($1, $2))
    and ($3::text is null or (receiver_country_code, receiver_party_id) = ($3, $4))
    and ($10::timestamptz is null
        or batch_due_at < $10
        or batch_due_at = $10
            and (country_code, party_id, receiver_country_code, receiver_party_id)
                > ($6, $7, $8, $9))
group by country_code, party_id, receiver_country_code, receiver_party_id, batch_due_at
order by batch_due_at desc, country_code, party_id, receiver_country_code, receiver_party_id
limit $5;
