-- Mild faults of what platforms send.

-- name: add
-- Every process adds in the order of keys, so that nobody waits for each other. A platform that is
-- removed meanwhile waits, and takes its rows along.
insert into quality as q (
    platform_id, module, rule, count, first_at, last_at, object_id, field, shape)
select t.*
from unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
    $7::text[], $8::text[], $9::text[])
    as t (platform_id, module, rule, count, first_at, last_at, object_id, field, shape)
join platform p using (platform_id)
order by t.platform_id collate "C", t.module collate "C", t.rule collate "C"
for key share of p
on conflict (platform_id, module, rule) do update
set count = q.count + excluded.count,
    first_at = least(q.first_at, excluded.first_at),
    last_at = greatest(q.last_at, excluded.last_at),
    object_id = case when excluded.last_at >= q.last_at then excluded.object_id else q.object_id end,
    field = case when excluded.last_at >= q.last_at then excluded.field else q.field end,
    shape = case when excluded.last_at >= q.last_at then excluded.shape else q.shape end;

-- name: held_tariffs
-- Whoever they are for: broadcast or addressed to somebody.
select distinct o.country_code, o.party_id, o.object_id
from shared_object o
join unnest($1::text[], $2::text[], $3::text[]) as k (country_code, party_id, object_id)
    using (country_code, party_id, object_id)
where o.module = 'tariffs' and not o.deleted;

-- name: list
select q.*, p.name
from quality q
join platform p using (platform_id)
where $1::text is null or q.platform_id = $1
order by q.platform_id, q.module, q.rule;

-- name: platform_exists
select exists (select from platform where platform_id = $1);
