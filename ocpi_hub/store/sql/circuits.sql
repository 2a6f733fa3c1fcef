-- Platforms that do not answer authorizations.

-- name: due
select platform_id, extract(epoch from probe_at - now())::float8 as due_in_s
from platform_circuit;

-- name: open
insert into platform_circuit (platform_id, probe_at)
select platform_id, now() + $2::interval
from platform
where platform_id = $1
on conflict (platform_id) do nothing;

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
delete from platform_circuit where platform_id = $1;
