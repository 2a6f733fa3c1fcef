-- What metrics ask the database. It must not take long: see limit_time.

-- name: limit_time
-- Milliseconds for each statement of this transaction.
select set_config('statement_timeout', $1, true);

-- name: custody
-- What is delivered is history, and not counted. Each half has an index of its own.
select module, state, count(*) as objects, min(received_at) as oldest_at
from directed_object
where state in ('pending', 'in_flight')
group by module, state
union all
select module, state, count(*), null
from directed_object
where state in ('uncertain', 'held', 'dead', 'refused')
group by module, state;

-- name: whitelist_runs
-- Of those that are not over.
select state, count(*) as number
from whitelist_run
where state in ('running', 'held')
group by state;

-- name: whitelist_relations
select state, count(*) as number from whitelist_alarm group by state;

-- name: processes
select count(*) from process where heartbeat_at > now() - $1::interval;

-- name: circuits
select platform_id from platform_circuit order by 1;
