-- How long receivers of directed objects are left alone. See lock_backoff on the order of locks.

-- name: lock_backoff
-- Whoever writes several rows of receiver_backoff asks for this first: rows that do not exist yet
-- cannot be locked in order. Taken after the locks on objects, in one order everywhere.
select pg_advisory_xact_lock(place)
from (
    select distinct hashtextextended('ocpi_hub backoff ' || country_code || '*' || party_id, 0)
        as place
    from unnest($1::text[], $2::text[]) as r (country_code, party_id)
    order by place) as sorted;

-- name: backing_off
select b.country_code, b.party_id
from receiver_backoff b
join unnest($1::text[], $2::text[]) as r (country_code, party_id) using (country_code, party_id);

-- name: note_failures
-- One step per round: what fails while the receiver is already backing off tells nothing new.
insert into receiver_backoff as b (country_code, party_id, failures, next_attempt_at, reason)
select country_code, party_id, 1,
    now() + greatest($5::interval * (0.5 + random() / 2), make_interval(secs => retry_after_s)), reason
from unnest($1::text[], $2::text[], $3::text[], $4::float8[])
    as f (country_code, party_id, reason, retry_after_s)
on conflict (country_code, party_id) do update
set failures = b.failures + 1,
    probe_until = null,
    reason = excluded.reason,
    next_attempt_at = greatest(
        excluded.next_attempt_at,
        now() + least($6::interval, $5::interval * power(2, least(b.failures, 30)))
            * (0.5 + random() / 2))
where b.next_attempt_at <= now();

-- name: clear_failures
-- A sign of life. What waited because the receiver was really away becomes due again at once; what
-- another transaction holds keeps its time, so that nobody waits for objects while holding this.
with returned as (
    delete from receiver_backoff b
    using unnest($1::text[], $2::text[]) as r (country_code, party_id)
    where (b.country_code, b.party_id) = (r.country_code, r.party_id)
    returning b.country_code, b.party_id, b.failures),
waiting as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    join returned r
        on (d.receiver_country_code, d.receiver_party_id) = (r.country_code, r.party_id)
    where r.failures >= 3
        and d.state = 'pending'
        and d.next_attempt_at > now()
        and coalesce(d.batch_due_at <= now(), true)
    limit 5000
    for update of d skip locked)
update directed_object d
set next_attempt_at = now()
from waiting w
where (d.module, d.country_code, d.party_id, d.object_id)
    = (w.module, w.country_code, w.party_id, w.object_id);

-- name: parties
select country_code, party_id from party where platform_id = $1;

-- name: forget
delete from receiver_backoff b
using party p
where p.platform_id = $1 and (b.country_code, b.party_id) = (p.country_code, p.party_id);
