-- Message records: reading them, and the tables of their days.

-- name: list_messages
-- Newest first, from a place on; null filters select everything. It is planned with its values, so
-- that each filter finds its index.
select *
from message
where ($2::timestamptz is null or (at, serial) < ($2, $3::bigint))
    and ($4::text is null or platform_id = $4)
    and ($5::text is null or sender = $5 or receiver = $5)
    and ($6::text is null or module = $6)
    and ($7::text is null or direction = $7)
    and ($8::integer is null or http / 100 = $8)
    and ($9::text is null or outcome = $9)
    and ($10::boolean is null
        or $10 = (outcome <> 'answered' or coalesce(http >= 400, false) or coalesce(ocpi >= 2000, false)))
    and ($11::text is null or correlation_id = $11)
    and ($12::timestamptz is null or at >= $12)
    and ($13::timestamptz is null or at < $13)
order by at desc, serial desc
limit $1;

-- name: plan_with_values
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: legs
-- In the order in which they began.
select *
from message
where correlation_id = $1
order by at, serial
limit $2;

-- name: days
select day from message_days() day;

-- name: make_days
select make_message_days($1);

-- name: drop_oldest_day
select drop_oldest_message_day($1);
