-- Custody of directed objects. Keys are arrays that unnest in parallel; callers sort them, so that
-- two transactions take row locks in the same order.

-- name: insert_new
-- New objects; those already known are left alone and missing from the result.
insert into directed_object (
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body,
    fingerprint, last_updated, correlation_id, state, attempt_id, lease_until, attempts,
    next_attempt_at, reason, batch_due_at)
select
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body::json,
    fingerprint, last_updated, correlation_id, state, attempt_id,
    case when state = 'in_flight' then now() + $13::interval end,
    (state = 'in_flight')::int,
    case when due then coalesce(batch_due_at, now()) end,
    reason, batch_due_at
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::timestamptz[], $10::text[], $11::text[], $12::uuid[], $14::boolean[],
    $15::text[], $16::timestamptz[])
    as new (
    module, country_code, party_id, object_id, receiver_country_code, receiver_party_id, body,
    fingerprint, last_updated, correlation_id, state, attempt_id, due, reason, batch_due_at)
on conflict do nothing
returning attempt_id;

-- name: lock_rows
select d.*
from directed_object d
join unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as k (module, country_code, party_id, object_id)
    using (module, country_code, party_id, object_id)
order by d.module, d.country_code, d.party_id, d.object_id
for update of d;

-- name: bring_again
-- The same object again after a refusal, or new content in its place.
update directed_object
set receiver_country_code = $5, receiver_party_id = $6, body = $7::json, fingerprint = $8,
    last_updated = $9, correlation_id = $10, state = $11, attempt_id = $12,
    lease_until = case when $11 = 'in_flight' then now() + $13::interval end,
    attempts = (($11 = 'in_flight')::int) + case when $15 then 0 else attempts end,
    version = version + $15::boolean::int,
    unknown_outcomes = case when $15 then 0 else unknown_outcomes end,
    next_attempt_at = case when $14 then coalesce($17, now()) end, batch_due_at = $17,
    refused_after_ack = false, received_at = now(), changed_at = now(), reason = $16,
    visible_at = case when $15 then visible_from() else visible_at end
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4)
returning version;

-- name: keep_other_content
insert into directed_other_content (
    module, country_code, party_id, object_id, version, kind, body, fingerprint, correlation_id)
values ($1, $2, $3, $4, $5, $6, $7::json, $8, $9)
on conflict do nothing;

-- name: store_settled
update directed_object d
set state = s.state, sent_version = s.sent_version, lease_until = s.lease_until,
    unknown_outcomes = s.unknown_outcomes, next_attempt_at = s.next_attempt_at,
    last_http = s.last_http, last_ocpi = s.last_ocpi, last_message = s.last_message,
    receiver_location = s.receiver_location, reason = s.reason,
    refused_after_ack = s.refused_after_ack, attempts = s.attempts,
    doubted_until = s.doubted_until, changed_at = now(),
    delivered_at = case when s.state = 'delivered' then coalesce(d.delivered_at, now()) end
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[],
    $8::int[], $9::timestamptz[], $10::int[], $11::int[], $12::text[], $13::text[], $14::text[],
    $15::boolean[], $16::int[], $17::timestamptz[])
    as s (
    module, country_code, party_id, object_id, state, sent_version, lease_until,
    unknown_outcomes, next_attempt_at, last_http, last_ocpi, last_message, receiver_location,
    reason, refused_after_ack, attempts, doubted_until)
where (d.module, d.country_code, d.party_id, d.object_id)
    = (s.module, s.country_code, s.party_id, s.object_id);

-- name: store_attempts
-- A late verdict replaces 'unknown'; a known outcome is never replaced.
insert into delivery_attempt as known (
    attempt_id, module, country_code, party_id, object_id, version, outcome, http, ocpi, message)
select * from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::int[],
    $9::int[], $10::text[])
on conflict (attempt_id) do update
set outcome = excluded.outcome, http = excluded.http, ocpi = excluded.ocpi,
    message = excluded.message, ended_at = now()
where known.outcome = 'unknown';

-- name: doubted
-- Attempts on record whose outcome nobody knows.
select attempt_id from delivery_attempt
where attempt_id = any ($1::uuid[]) and outcome = 'unknown';

-- name: due_receivers
select r.country_code, r.party_id
from unnest($1::text[], $2::text[]) as r (country_code, party_id)
where not exists (
        select from receiver_backoff b
        where (b.country_code, b.party_id) = (r.country_code, r.party_id)
            and greatest(b.next_attempt_at, b.probe_until) > now())
    and exists (
        select from directed_object d
        where (d.receiver_country_code, d.receiver_party_id) = (r.country_code, r.party_id)
            and d.state in ('pending', 'in_flight')
            and coalesce(d.lease_until, d.next_attempt_at) <= now());

-- name: claim
-- Due objects of one receiver, oldest due first. While the receiver is in backoff, one only, and
-- that once: who gets the probe keeps it for the time of the lease. An attempt whose lease ran out
-- is recorded with an unknown outcome in the same statement.
with probe as (
    update receiver_backoff b
    set probe_until = now() + $4::interval
    where (b.country_code, b.party_id) = ($1, $2)
        and greatest(b.next_attempt_at, b.probe_until) <= now()
        and exists (
            select from directed_object d
            where d.receiver_country_code = $1
                and d.receiver_party_id = $2
                and d.state in ('pending', 'in_flight')
                and coalesce(d.lease_until, d.next_attempt_at) <= now())
    returning 1),
due as (
    select d.module, d.country_code, d.party_id, d.object_id, d.state, d.attempt_id, d.version
    from directed_object d
    where d.receiver_country_code = $1
        and d.receiver_party_id = $2
        and d.state in ('pending', 'in_flight')
        and coalesce(d.lease_until, d.next_attempt_at) <= now()
    order by coalesce(d.lease_until, d.next_attempt_at)
    limit case
        when exists (select from probe) then 1
        when exists (select from receiver_backoff b where (b.country_code, b.party_id) = ($1, $2))
        then 0 else $3 end
    for update skip locked),
silent as (
    insert into delivery_attempt (
        attempt_id, module, country_code, party_id, object_id, version, outcome, message)
    select attempt_id, module, country_code, party_id, object_id, version, 'unknown',
        'the process that made this attempt fell silent'
    from due
    where state = 'in_flight'
    on conflict do nothing)
update directed_object d
set state = 'in_flight', attempt_id = gen_random_uuid(), lease_until = now() + $4::interval,
    attempts = d.attempts + 1, next_attempt_at = null, changed_at = now(),
    unknown_outcomes = d.unknown_outcomes + (due.state = 'in_flight')::int,
    doubted_until = case when d.module = 'sessions' and due.state = 'in_flight'
        then now() + $4::interval else d.doubted_until end
from due
where (d.module, d.country_code, d.party_id, d.object_id)
    = (due.module, due.country_code, due.party_id, due.object_id)
returning d.*;

-- name: make_announced_due
-- What these receivers were to pull, before they announced where to push it.
with waiting as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    join unnest($1::text[], $2::text[], $3::text[]) as a (module, country_code, party_id)
        on (d.receiver_country_code, d.receiver_party_id, d.module)
            = (a.country_code, a.party_id, a.module)
    where d.state = 'pending'
        and d.next_attempt_at is null
    limit 5000
    for update of d skip locked)
update directed_object d
set next_attempt_at = greatest(now(), d.batch_due_at)
from waiting w
where (d.module, d.country_code, d.party_id, d.object_id)
    = (w.module, w.country_code, w.party_id, w.object_id);

-- name: find
select * from directed_object
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4);

-- name: pulled
-- The receiver has them, whatever else was planned for them.
with fetched as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    where d.module = $1
        and (d.receiver_country_code, d.receiver_party_id) = ($2, $3)
        and d.serial = any ($4::bigint[])
        and d.state = 'pending'
    order by d.module, d.country_code, d.party_id, d.object_id
    for update of d)
update directed_object d
set state = 'delivered', sent_version = d.version, next_attempt_at = null,
    delivered_at = now(), changed_at = now(), reason = null,
    last_message = 'fetched by the receiver'
from fetched f
where (d.module, d.country_code, d.party_id, d.object_id)
    = (f.module, f.country_code, f.party_id, f.object_id);

-- name: page
-- What a receiver may fetch: everything addressed to it that no hold keeps back. For the window an
-- object is as new as its way to the receiver, see visible_from. At most $8 objects and $9 bytes, yet
-- one object at least; `found` exceeds their number when there are more.
with found as (
    select serial, version, body, bytes
    from directed_object
    where module = $1
        and (receiver_country_code, receiver_party_id) = ($2, $3)
        and serial > $4
        and state <> 'held'
        and ($5::timestamptz is null or greatest(last_updated, visible_at) >= $5)
        and ($6::timestamptz is null or greatest(last_updated, visible_at) < $6)
    order by serial
    offset $7
    limit $8 + 1),
weighed as (
    select serial, version, body, count(*) over () as found, row_number() over up_to_here as number,
        sum(bytes) over up_to_here as bytes
    from found
    window up_to_here as (order by serial rows unbounded preceding))
select serial, version, body, found
from weighed
where number <= $8 and (number = 1 or $9::bigint is null or bytes <= $9)
order by serial;

-- name: count
select count(*)
from directed_object
where module = $1
    and (receiver_country_code, receiver_party_id) = ($2, $3)
    and state <> 'held'
    and ($4::timestamptz is null or greatest(last_updated, visible_at) >= $4)
    and ($5::timestamptz is null or greatest(last_updated, visible_at) < $5);
