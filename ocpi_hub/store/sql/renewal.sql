-- Renewal of credentials: whose turn it is. Kept apart from `platform`: this is no change of the
-- directory.

-- name: have_the_turn
-- One process at a time decides who is next; without waiting.
select pg_try_advisory_xact_lock(hashtextextended('ocpi_hub credentials renewal', 0));

-- name: claim
-- The platform whose credentials are oldest among those that need new ones and may be asked; nobody
-- while another one is being asked. The try is counted before it is made.
with next as (
    select p.platform_id
    from platform p
    left join credentials_renewal r using (platform_id)
    where p.state = 'connected'
        and p.online
        and (
            ($1::interval > interval '0' and p.connected_at < now() - $1::interval)
            or ($2::bytea is not null and p.offer_digest is distinct from $2))
        and coalesce(r.next_attempt_at, '-infinity') <= now()
        and not exists (select from credentials_renewal where lease_until > now())
    order by p.connected_at, p.platform_id
    limit 1)
insert into credentials_renewal (platform_id, next_attempt_at, lease_until)
select platform_id, now() + $3::interval, now() + $4::interval
from next
on conflict (platform_id) do update
set next_attempt_at = excluded.next_attempt_at, lease_until = excluded.lease_until
returning platform_id;

-- name: settle
update credentials_renewal
set lease_until = null, next_attempt_at = now() + $2::interval, last_error = $3
where platform_id = $1;
