-- What messages and decisions add up to.

-- name: try_lock
select pg_try_advisory_xact_lock(hashtext('traffic minutes'));

-- name: last_minute
select max(minute) from traffic_minute;

-- name: add_up
-- The minutes from $1 until before $2; those that were added up before are replaced.
with requests as (
    select date_trunc('minute', at) as minute, module, direction, ms,
        outcome <> 'answered' or http >= 400 or ocpi >= 2000 as failed
    from message
    where at >= $1 and at < $2
), messages as (
    select minute,
        count(*) filter (where direction = 'in') as received,
        count(*) filter (where direction = 'out') as sent,
        count(*) filter (where failed) as failed,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ms)
            filter (where direction = 'in') as latency
    from requests
    group by 1
), by_module as (
    select minute, json_object_agg(module, number) as modules
    from (select minute, module, count(*) as number from requests group by 1, 2) as counted
    group by 1
), authorized as (
    select date_trunc('minute', at) as minute, decided_by, coalesce(allowed, 'none') as outcome
    from authorization_decision
    where at >= $1 and at < $2
), decisions as (
    select minute, json_object_agg(decided_by, number) as decided
    from (select minute, decided_by, count(*) as number from authorized group by 1, 2) as counted
    group by 1
), by_outcome as (
    select minute, json_object_agg(outcome, number) as outcomes
    from (select minute, outcome, count(*) as number from authorized group by 1, 2) as counted
    group by 1
)
insert into traffic_minute (
    minute, received, sent, failed, p50_ms, p95_ms, p99_ms, decided, modules, outcomes)
select minute, coalesce(received, 0), coalesce(sent, 0), coalesce(failed, 0),
    latency[1], latency[2], latency[3], coalesce(decided, '{}'), coalesce(modules, '{}'),
    coalesce(outcomes, '{}')
from messages
full join by_module using (minute)
full join decisions using (minute)
full join by_outcome using (minute)
on conflict (minute) do update
set received = excluded.received, sent = excluded.sent, failed = excluded.failed,
    p50_ms = excluded.p50_ms, p95_ms = excluded.p95_ms, p99_ms = excluded.p99_ms,
    decided = excluded.decided, modules = excluded.modules, outcomes = excluded.outcomes;

-- name: note_waiting
-- What waits now belongs to the minute in which it was looked at last.
insert into traffic_minute (minute, received, sent, failed, decided, waiting)
select date_trunc('minute', $1::timestamptz), 0, 0, 0, '{}',
    json_build_object(
        'cdrs', (select count(*) from directed_object
            where state in ('pending', 'in_flight') and module = 'cdrs'),
        'sessions', (select count(*) from directed_object
            where state in ('pending', 'in_flight') and module = 'sessions'),
        'pushes', (select count(*) from lane_gap))
on conflict (minute) do update set waiting = excluded.waiting;

-- name: within
-- Requests, decisions and what waited from $1 on, in steps of $2. Percentiles are weighted by requests;
-- what waited is the most of a step.
with minutes as (
    select date_bin($2, minute, '2000-01-01T00:00:00Z') as step, *
    from traffic_minute where minute >= $1
), counted as (
    select step, 'modules' as what, key as name, sum(value::bigint) as number
    from minutes, json_each_text(modules) group by 1, 2, 3
    union all
    select step, 'outcomes', key, sum(value::bigint)
    from minutes, json_each_text(outcomes) group by 1, 2, 3
    union all
    select step, 'waiting', key, max(value::bigint)
    from minutes, json_each_text(waiting) group by 1, 2, 3
), named as (
    select step, what, json_object_agg(name, number) as numbers from counted group by 1, 2
)
select step, sum(received) as received, sum(sent) as sent, sum(failed) as failed,
    sum(p50_ms * received) / nullif(sum(received) filter (where p50_ms is not null), 0) as p50_ms,
    sum(p95_ms * received) / nullif(sum(received) filter (where p95_ms is not null), 0) as p95_ms,
    sum(p99_ms * received) / nullif(sum(received) filter (where p99_ms is not null), 0) as p99_ms,
    (select numbers from named n where n.step = m.step and what = 'modules') as modules,
    (select numbers from named n where n.step = m.step and what = 'outcomes') as outcomes,
    (select numbers from named n where n.step = m.step and what = 'waiting') as waiting
from minutes m
group by step
order by step;

-- name: energy
-- kWh of CDRs by the day (UTC) on which they ended.
select (ended_at at time zone 'UTC')::date as day, count(*) as cdrs, sum(energy_kwh) as energy_kwh
from cdr_ledger
where ended_at >= $1 and ended_at < $2
group by 1
order by 1;

-- name: forget
delete from traffic_minute where minute < now() - $1::interval;

-- name: since
select * from traffic_minute where minute >= $1 order by minute;
