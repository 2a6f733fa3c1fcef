-- Sessions in custody. They live in the table of the other directed objects, whose claims and
-- verdicts they share; what is here is what changes them, and what reads them.

-- name: insert_new
-- New sessions; those that another transaction brought meanwhile are missing from the result.
insert into directed_object (
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body,
    fingerprint, last_updated, correlation_id, state, version, sent_version, attempt_id,
    lease_until, attempts, unknown_outcomes, next_attempt_at, received_at, refused_after_ack,
    reason, applied, doubted_until)
select
    n.module, n.country_code, n.party_id, n.object_id, n.receiver_country_code,
    n.receiver_party_id, n.body::json, n.fingerprint, n.last_updated, n.correlation_id, n.state,
    n.version, n.sent_version, n.attempt_id, n.lease_until, n.attempts, n.unknown_outcomes,
    n.next_attempt_at, n.received_at, n.refused_after_ack, n.reason, n.applied,
    n.doubted_until
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::timestamptz[], $10::text[], $11::text[], $12::int[], $13::int[],
    $14::uuid[], $15::timestamptz[], $16::int[], $17::int[], $18::timestamptz[],
    $19::timestamptz[], $20::boolean[], $21::text[], $22::bytea[], $23::timestamptz[])
    as n (
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body,
    fingerprint, last_updated, correlation_id, state, version, sent_version, attempt_id,
    lease_until, attempts, unknown_outcomes, next_attempt_at, received_at, refused_after_ack,
    reason, applied, doubted_until)
on conflict do nothing
returning module, country_code, party_id, object_id;

-- name: store_changed
-- Rows as changes left them, or as a refusal took them back. What changed is news for its receiver.
update directed_object d
set receiver_country_code = n.receiver_country_code, receiver_party_id = n.receiver_party_id,
    body = n.body::json, fingerprint = n.fingerprint, last_updated = n.last_updated,
    correlation_id = n.correlation_id, state = n.state, version = n.version,
    sent_version = n.sent_version, attempt_id = n.attempt_id, lease_until = n.lease_until,
    attempts = n.attempts, unknown_outcomes = n.unknown_outcomes,
    next_attempt_at = n.next_attempt_at, received_at = n.received_at,
    refused_after_ack = n.refused_after_ack, reason = n.reason,
    applied = n.applied, doubted_until = n.doubted_until, changed_at = now(), visible_at = visible_from()
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::timestamptz[], $10::text[], $11::text[], $12::int[], $13::int[],
    $14::uuid[], $15::timestamptz[], $16::int[], $17::int[], $18::timestamptz[],
    $19::timestamptz[], $20::boolean[], $21::text[], $22::bytea[], $23::timestamptz[])
    as n (
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body,
    fingerprint, last_updated, correlation_id, state, version, sent_version, attempt_id,
    lease_until, attempts, unknown_outcomes, next_attempt_at, received_at, refused_after_ack,
    reason, applied, doubted_until)
where (d.module, d.country_code, d.party_id, d.object_id)
    = (n.module, n.country_code, n.party_id, n.object_id);

-- name: called
select * from directed_object
where module = 'sessions' and object_id = $1
order by country_code, party_id
limit 10;

-- name: fetched
-- The receiver read these versions. What is pushed to it anyway is left alone: a PUT does no harm.
with shown as (
    select d.module, d.country_code, d.party_id, d.object_id
    from unnest($3::bigint[], $4::int[]) as s (serial, version)
    join directed_object d
        on d.module = 'sessions' and d.serial = s.serial and d.version = s.version
    where (d.receiver_country_code, d.receiver_party_id) = ($1, $2)
        and d.state = 'pending'
        and d.next_attempt_at is null
    order by d.module, d.country_code, d.party_id, d.object_id
    for update of d)
update directed_object d
set state = 'delivered', sent_version = d.version, delivered_at = now(), changed_at = now(),
    reason = null, doubted_until = null, last_message = 'fetched by the receiver'
from shown s
where (d.module, d.country_code, d.party_id, d.object_id)
    = (s.module, s.country_code, s.party_id, s.object_id);
