-- What was changed by whom.

-- name: begin
insert into audit_entry (actor_kind, actor, actor_name, what, object, before, correlation_id)
values ($1, $2, $3, $4, $5, $6, $7)
returning id;

-- name: end
update audit_entry
set outcome = $2, after = $3, error = $4, object = coalesce($5, object), ended_at = now()
where id = $1;

-- name: sum_up
-- One entry a minute for attempts that were refused for the same reason, with the first $8 addresses
-- that they came from.
insert into audit_entry as e (
    actor_kind, actor, actor_name, what, object, error, after, correlation_id, outcome, ended_at, minute)
values (
    $1, $2, $3, $4, $5, $6, json_build_object('addresses', json_build_array($7::text)), $9,
    'refused', now(), date_trunc('minute', now()))
on conflict (what, object, error, minute) where minute is not null do update
set times = e.times + 1,
    ended_at = now(),
    after = case
        when e.after::jsonb -> 'addresses' ? $7
            or jsonb_array_length(e.after::jsonb -> 'addresses') >= $8
        then e.after
        else json_build_object('addresses', e.after::jsonb -> 'addresses' || to_jsonb($7::text))
    end;

-- name: list
-- Newest first, from a place on; null filters select everything.
select *
from audit_entry
where ($2::bigint is null or id < $2)
    and ($3::text is null or what = $3)
    and ($4::text is null or object = $4)
    and ($5::text is null or actor = $5 or actor_name = $5)
    and ($6::text is null or outcome = $6)
    and ($7::timestamptz is null or at >= $7)
    and ($8::timestamptz is null or at < $8)
order by id desc
limit $1;

-- name: find
select * from audit_entry where id = $1;
