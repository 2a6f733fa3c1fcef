-- Message records: reading them, and the tables of their days.

-- name: list_messages
-- Newest first, from a place on, without what was in them; null filters select everything. It is
-- planned with its values, so that each filter finds its index.
select at, serial, kind, platform_id, sender, receiver, module, interface_role, method, path, http,
    ocpi, ms, correlation_id, request_id, request_bytes, response_bytes, outcome, error, cut
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
    and ($14::text is null or method = $14)
    and ($15::integer is null or ocpi / 1000 = $15)
    -- What these say of failures leads to their index.
    and (not (coalesce($8::integer, 0) >= 4 or coalesce($15::integer, 0) >= 2
            or coalesce($9::text, 'answered') <> 'answered')
        or outcome <> 'answered' or coalesce(http >= 400, false) or coalesce(ocpi >= 2000, false))
    and ($16::timestamptz is null or (at, serial) >= ($16, $17::bigint))
order by at desc, serial desc
limit $1;

-- name: reach
-- The record so many further on, of those that indexes find.
select at, serial
from message
where ($2::timestamptz is null or (at, serial) < ($2, $3::bigint))
    and ($4::text is null or platform_id = $4)
    and ($5::timestamptz is null or at >= $5)
    and ($6::timestamptz is null or at < $6)
order by at desc, serial desc
offset $1
limit 1;

-- name: legs
-- In the order in which they began, without what was in them.
select at, serial, kind, platform_id, sender, receiver, module, interface_role, method, path, http,
    ocpi, ms, correlation_id, request_id, request_bytes, response_bytes, outcome, error, cut
from message
where correlation_id = $1
order by at, serial
limit $2;

-- name: contents
-- What was in messages, as far as so many bytes reach; older records have it in their own row.
select at, serial, request_headers, response_headers, request_body, response_body
from (
    select *,
        sum(coalesce(octet_length(request_body), 0) + coalesce(octet_length(response_body), 0)
            + coalesce(octet_length(request_headers::text), 0)
            + coalesce(octet_length(response_headers::text), 0))
            over (order by at, serial) as bytes
    from (
        select m.at, m.serial, c.request_headers, c.response_headers,
            coalesce(c.request_body, m.request_body) as request_body,
            coalesce(c.response_body, m.response_body) as response_body
        from unnest($1::timestamptz[], $2::bigint[]) as wanted (at, serial)
        join message m on (m.at, m.serial) = (wanted.at, wanted.serial)
        left join message_content c on (c.at, c.serial) = (wanted.at, wanted.serial)) as found) as added
where bytes <= $3
order by at, serial;

-- name: next_serials
select nextval('message_serial') from generate_series(1, $1::integer);

-- name: days
select day from record_days($1) day;

-- name: make_days
select make_record_days($1, $2);

-- name: drop_oldest_day
select drop_oldest_record_day($1, $2);
