-- Settings as they were in force.

-- name: remember_first
insert into remembered_setting (name, value) values ($1, $2) on conflict do nothing;

-- name: lock
-- Who comes next waits here and finds the new value.
select value from remembered_setting where name = $1 for update;

-- name: remember
update remembered_setting set value = $2 where name = $1;
