-- The hub's URLs for asynchronous answers.

-- name: keep
-- Kept for $12 after the request, or after the time until which its subject lasts; $13 at most.
insert into answer_url (
    answer_id, url, module, action, subject, requester_country_code, requester_party_id,
    receiver_country_code, receiver_party_id, correlation_id, expires_at)
select answer_id, url, module, action, subject, requester_country_code, requester_party_id,
    receiver_country_code, receiver_party_id, correlation_id,
    least(greatest(until, now()) + $12::interval, now() + $13::interval)
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::timestamptz[])
    as a (
    answer_id, url, module, action, subject, requester_country_code, requester_party_id,
    receiver_country_code, receiver_party_id, correlation_id, until);

-- name: extend
update answer_url a
set expires_at = greatest(a.expires_at, now() + e.longer)
from unnest($1::text[], $2::interval[]) as e (answer_id, longer)
where a.answer_id = e.answer_id;

-- name: end_now
delete from answer_url where answer_id = any ($1::text[]);

-- name: find
select * from answer_url where answer_id = $1 and expires_at > now();

-- name: waiting
-- Those of these requesters, $3 at most.
select count(*)
from (
    select
    from answer_url
    where (requester_country_code, requester_party_id)
        in (select * from unnest($1::text[], $2::text[]))
    limit $3) as found;

-- name: remove_expired
delete from answer_url
where answer_id in (
    select answer_id from answer_url
    where expires_at <= now()
    order by expires_at
    limit $1
    for update skip locked)
returning answer_id;
