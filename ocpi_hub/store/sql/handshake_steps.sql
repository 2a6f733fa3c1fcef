-- What happened in handshakes, for people.

-- name: add
insert into handshake_step
    (attempt, platform_id, step, request, sent, http_status, answer, failure, said, ms)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
where $2::text is null or exists (select from platform where platform_id = $2);

-- name: drop_old_of_platform
delete from handshake_step
where platform_id = $1 and id <= (
    select id from handshake_step where platform_id = $1 order by id desc offset $2 limit 1);

-- name: drop_old_of_nobody
delete from handshake_step
where platform_id is null and id <= (
    select id from handshake_step where platform_id is null order by id desc offset $1 limit 1);

-- name: belongs
update handshake_step set platform_id = $2
where attempt = $1 and exists (select from platform where platform_id = $2);

-- name: of_platform
-- The newest, oldest first.
select * from (
    select * from handshake_step where platform_id = $1 order by id desc limit $2) newest
order by id;

-- name: of_attempt
select * from handshake_step where attempt = $1 order by id limit $2;

-- name: without_platform
-- The last step of each attempt that led to no platform, newest first.
select * from (
    select distinct on (attempt) * from handshake_step where platform_id is null
    order by attempt, id desc) last_steps
order by id desc
limit $1;
