-- Platforms that do not answer authorizations.

-- name: due
select platform_id, extract(epoch from probe_at - now())::float8 as due_in_s
from platform_circuit;

-- name: open
-- Others hear of it at once, or when they look.
with opened as (
    insert into platform_circuit (platform_id, probe_at)
    select platform_id, now() + $2::interval
    from platform
    where platform_id = $1
    on conflict (platform_id) do nothing
    returning platform_id)
select pg_notify('ocpi_hub_circuits', '') from opened;

-- name: claim
update platform_circuit
set probe_at = now() + $2::interval
where platform_id = $1 and probe_at <= now()
returning true;

-- name: failed
-- Each pause is twice as long as the one before, up to the longest.
update platform_circuit
set failed_probes = failed_probes + 1,
    probe_at = now() + least($2::interval * power(2, least(failed_probes + 1, 10)), $3::interval)
where platform_id = $1;

-- name: close
with closed as (
    delete from platform_circuit where platform_id = $1 returning platform_id)
select pg_notify('ocpi_hub_circuits', '') from closed;
