-- Files on their way in.

-- name: unfinished
select * from file_import
where (module, country_code, party_id) = ($1, $2, $3) and state in ('reading', 'applying');

-- name: list
-- Newest first.
select *
from file_import
where ($1::text is null or module = $1)
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::bigint is null or import_id < $4)
order by import_id desc
limit $5;

-- name: forget
delete from file_import
where (module, country_code, party_id) = ($1, $2, $3) and finished_at < now() - $4::interval;

-- name: begin
-- Compared with what the database dates itself: a clock that is ahead must not make everything older.
insert into file_import (module, country_code, party_id, is_full, as_of)
values ($1, $2, $3, $4, least($5::timestamptz, clock_timestamp()))
returning *;

-- name: stage
-- The first of several lines with the same object counts; the others are missing from the result.
insert into file_import_row (import_id, line, object_id, object_type, last_updated, body)
select $1, line, object_id, object_type, last_updated, body
from unnest($2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
    with ordinality as r (line, object_id, object_type, last_updated, body, place)
order by place
on conflict do nothing
returning line;

-- name: first_lines
select k.line, r.line as first_line
from unnest($2::int[], $3::text[], $4::text[]) as k (line, object_id, object_type)
join file_import_row r using (object_id, object_type)
where r.import_id = $1
order by k.line;

-- name: rows_after
-- At most $3 objects and $4 bytes, yet one object at least.
with found as (
    select line, object_id, object_type, last_updated, body
    from file_import_row
    where import_id = $1 and line > $2
    order by line
    limit $3),
weighed as (
    select *, row_number() over up_to_here as number,
        sum(octet_length(body)) over up_to_here as bytes
    from found
    window up_to_here as (order by line rows unbounded preceding))
select line, object_id, object_type, last_updated, body
from weighed
where number = 1 or bytes <= $4
order by line;

-- name: drop_lines
delete from file_import_row where import_id = $1 and line = any ($2::int[]);

-- name: absent
-- Tokens of the owner that the file lacks; as count_missing in whitelist.sql, before anything is
-- taken over.
select count(*)
from shared_object o
where o.module = 'tokens'
    and (o.country_code, o.party_id) = ($2, $3)
    and o.audience = '*'
    and not o.deleted
    and o.created_at < $4
    and greatest(o.changed_at, o.listed_at) < $4
    and not exists (
        select from file_import_row r
        where (r.import_id, r.object_id, r.object_type) = ($1, o.object_id, o.object_type))
    and not exists (
        select from shared_object a
        where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
            = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
            and a.audience <> '*'
            and not a.deleted);

-- name: approve
update file_import set state = 'applying', seen = $2, errors = $3
where import_id = $1 and state = 'reading'
returning *;

-- name: count
update file_import
set added = added + $2, changed = changed + $3, known = known + $4, older = older + $5,
    errors = errors + $6
where import_id = $1
returning *;

-- name: finish
update file_import set state = 'done', finished_at = clock_timestamp()
where import_id = $1
returning *;

-- name: fail
update file_import
set state = 'failed', finished_at = clock_timestamp(), seen = $2, errors = $3, note = $4
where import_id = $1
returning *;

-- name: forget_rows
delete from file_import_row where import_id = $1;

-- name: discard
delete from file_import where import_id = $1;

-- name: known_as_of
-- A party without a row belongs to nobody's decisions.
update party set tokens_known_at = greatest(tokens_known_at, $3)
where (country_code, party_id) = ($1, $2);

-- name: note_run
-- A token list is a run of its platform's. While another one runs, what this one lacks waits for an
-- operator.
insert into whitelist_run (
    platform_id, source, extent, state, step, began_at, started_at, finished_at, seen, added,
    changed, errors, owners, absent, note)
select $1, 'file', case when f.is_full then 'full' else 'partial' end,
    case when $3 and active then 'held' when $3 then 'running' when $4 then 'held' else 'done' end,
    case when $3 or $4 then 'withdraw' else 'read' end,
    f.as_of, f.started_at, case when not ($3 or $4) then clock_timestamp() end, f.seen, f.added,
    f.changed, f.errors, array[f.country_code || '*' || f.party_id], $5,
    case when $3 and active
        then 'another run was not over: confirm this one to withdraw what it lacks' else $6 end
from file_import f,
    (select exists (
        select from whitelist_run where platform_id = $1 and state = 'running') as active) as other
where f.import_id = $2
returning run_id, state, note;
