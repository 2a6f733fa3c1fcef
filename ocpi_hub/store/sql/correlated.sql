-- What the messages of a correlation id were about.

-- name: cdrs
select country_code, party_id, object_id, receiver_country_code, receiver_party_id, state, attempts
from directed_object
where module = 'cdrs' and correlation_id = $1
order by serial
limit $2;

-- name: decisions
-- A decision falls soon after the request that it is about.
select at, cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id, decided_by, reason,
    allowed
from authorization_decision
where at >= $2 and at < $3 and correlation_id = $1
order by at, id
limit $4;

-- name: gaps
-- What a receiver did not take of it; of a receiver with very many gaps, if it is among the first.
select g.country_code, g.party_id, g.object_id, g.object_type, g.audience, g.attempts, g.since,
    g.next_attempt_at, g.http, g.ocpi, g.message
from (
    select *
    from lane_gap
    where (receiver_country_code, receiver_party_id, module) = ($1, $2, $3)
    limit 10000) as g
join shared_object o
    on (o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience)
    = (g.module, g.country_code, g.party_id, g.object_id, g.object_type, g.audience)
where o.correlation_id = $4
order by g.since
limit $5;
