-- What was changed by whom.

-- name: begin
insert into audit_entry (actor_kind, actor, actor_name, what, object, before, correlation_id)
values ($1, $2, $3, $4, $5, $6, $7)
returning id;

-- name: end
update audit_entry
set outcome = $2, after = $3, error = $4, object = coalesce($5, object), ended_at = now()
where id = $1;

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
