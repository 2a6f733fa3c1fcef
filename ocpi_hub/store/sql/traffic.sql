-- What messages and decisions add up to.

-- name: try_lock
select pg_try_advisory_xact_lock(hashtext('traffic minutes'));

-- name: last_minute
select max(minute) from traffic_minute;

-- name: add_up
-- The minutes from $1 until before $2; those that were added up before are replaced.
with messages as (
    select date_trunc('minute', at) as minute,
        count(*) filter (where direction = 'in') as received,
        count(*) filter (where direction = 'out') as sent,
        count(*) filter (where outcome <> 'answered' or http >= 400 or ocpi >= 2000) as failed,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ms)
            filter (where direction = 'in') as latency
    from message
    where at >= $1 and at < $2
    group by 1
), decisions as (
    select minute, json_object_agg(decided_by, number) as decided
    from (
        select date_trunc('minute', at) as minute, decided_by, count(*) as number
        from authorization_decision
        where at >= $1 and at < $2
        group by 1, 2) as counted
    group by 1
)
insert into traffic_minute
select minute, coalesce(received, 0), coalesce(sent, 0), coalesce(failed, 0),
    latency[1], latency[2], latency[3], coalesce(decided, '{}')
from messages full join decisions using (minute)
on conflict (minute) do update
set received = excluded.received, sent = excluded.sent, failed = excluded.failed,
    p50_ms = excluded.p50_ms, p95_ms = excluded.p95_ms, p99_ms = excluded.p99_ms,
    decided = excluded.decided;

-- name: forget
delete from traffic_minute where minute < now() - $1::interval;

-- name: since
select * from traffic_minute where minute >= $1 order by minute;
