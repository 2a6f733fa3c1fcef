-- What operators ask about lanes.

-- name: lanes
select l.country_code, l.party_id, l.module, l.cursor, l.resting_since, p.host, p.pid,
    coalesce(g.gaps, 0) as gaps, g.oldest_gap_at, coalesce(b.backfills, 0) as backfills
from lane l
left join process p on p.process_id = l.process_id and l.lease_until > now()
left join (
    select receiver_country_code, receiver_party_id, module, count(*) as gaps,
        min(since) as oldest_gap_at
    from lane_gap
    group by receiver_country_code, receiver_party_id, module) as g
    on (g.receiver_country_code, g.receiver_party_id, g.module)
    = (l.country_code, l.party_id, l.module)
left join (
    select receiver_country_code, receiver_party_id, module, count(*) as backfills
    from lane_backfill
    group by receiver_country_code, receiver_party_id, module) as b
    on (b.receiver_country_code, b.receiver_party_id, b.module)
    = (l.country_code, l.party_id, l.module)
order by l.country_code, l.party_id, l.module;

-- name: past_cursors
-- The broadcast changes that some lane has before it, in one walk over the feed: $2 are cursors in
-- ascending order, and a change is past the first `behind` of them.
select width_bucket(position - 1, $2::bigint[]) as behind, country_code, party_id,
    count(*) as changes, min(changed_at) as oldest_at
from shared_object
where module = $1 and position > ($2::bigint[])[1] and audience = '*'
group by 1, 2, 3;

-- name: gaps
-- In the order of the key, from a place on.
select country_code, party_id, object_id, object_type, audience, attempts, since,
    next_attempt_at, http, ocpi, message
from lane_gap
where (receiver_country_code, receiver_party_id, module) = ($1, $2, $3)
    and ($4::text is null
        or (country_code, party_id, object_id, object_type, audience) > ($4, $5, $6, $7, $8))
order by country_code, party_id, object_id, object_type, audience
limit $9;

-- name: hasten
-- What is on the way already is known to the process that sends, which does not send it twice. Never
-- waits for a lock: what somebody changes right now needs no haste.
with meant as (
    select ctid
    from lane_gap
    where (receiver_country_code, receiver_party_id, module) = ($1, $2, $3)
        and ($4::text is null
            or (country_code, party_id, object_id, object_type, audience) = ($4, $5, $6, $7, $8))
    for update skip locked)
update lane_gap g
set next_attempt_at = now()
from meant
where g.ctid = meant.ctid;

-- name: lane_exists
select exists (
    select from lane where (country_code, party_id, module) = ($1, $2, $3));
