-- Open Routing: who has what a request names. Ids are folded to upper case.

-- name: with_location
select distinct country_code, party_id
from shared_object o
where o.module = 'locations'
    and o.object_id = $1
    and o.object_type = ''
    and not o.deleted
    and o.audience in ('*', $2)
    and (o.country_code, o.party_id) in (select * from unnest($3::text[], $4::text[]));

-- name: with_session
select distinct country_code, party_id
from directed_object o
where o.module = 'sessions'
    and o.object_id = $1
    and (o.receiver_country_code, o.receiver_party_id) = ($2, $3)
    and (o.country_code, o.party_id) in (select * from unnest($4::text[], $5::text[]));

-- name: with_reservation
select distinct receiver_country_code as country_code, receiver_party_id as party_id
from answer_url
where module = 'commands'
    and action = 'RESERVE_NOW'
    and subject = $1
    and subject <> ''
    and (requester_country_code, requester_party_id) = ($2, $3)
    and expires_at > now();

-- name: with_profile
select distinct requester_country_code as country_code, requester_party_id as party_id
from answer_url
where module = 'chargingprofiles'
    and action = 'PUT'
    and subject = $1
    and subject <> ''
    and (receiver_country_code, receiver_party_id) = ($2, $3)
    and expires_at > now();
