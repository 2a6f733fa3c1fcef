-- Files on their way in.

-- name: try_lock
-- One import of an owner's objects at a time, as long as its connection lives.
select pg_try_advisory_lock(
    hashtextextended('ocpi_hub import ' || $1::text || ' ' || $2::text || '*' || $3::text, 0));

-- name: unfinished
select * from file_import
where (module, country_code, party_id) = ($1, $2, $3) and state in ('reading', 'applying');

-- name: begin
insert into file_import (module, country_code, party_id, is_full, as_of)
values ($1, $2, $3, $4, $5)
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
select line, object_id, object_type, last_updated, body
from file_import_row
where import_id = $1 and line > $2
order by line
limit $3;

-- name: drop_lines
delete from file_import_row where import_id = $1 and line = any ($2::int[]);

-- name: absent
-- Tokens of the owner that everybody may see and that the file lacks, as far as nobody touched them
-- since the list was true.
select count(*)
from shared_object o
where o.module = $2
    and (o.country_code, o.party_id) = ($3, $4)
    and o.audience = '*'
    and not o.deleted
    and o.changed_at < $5
    and not exists (
        select from file_import_row r
        where (r.import_id, r.object_id, r.object_type) = ($1, o.object_id, o.object_type));

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
