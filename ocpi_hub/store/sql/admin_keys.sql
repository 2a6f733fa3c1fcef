-- Keys of the admin API.

-- name: create
insert into admin_key (key_id, name, key_sha256, scopes)
values ($1, $2, $3, $4)
on conflict (key_id) do nothing
returning key_id, name, scopes, created_at, revoked_at, last_used_at;

-- name: list
select key_id, name, scopes, created_at, revoked_at, last_used_at
from admin_key
where $1::text is null or key_id > $1
order by key_id
limit $2;

-- name: find
select key_id, name, scopes, created_at, revoked_at, last_used_at
from admin_key
where key_sha256 = $1 and revoked_at is null;

-- name: named
-- Revoked ones, too.
select key_id, name, scopes, created_at, revoked_at, last_used_at
from admin_key
where key_id = $1;

-- name: note_use
update admin_key set last_used_at = now()
where key_id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute');

-- name: revoke
-- The first time counts.
update admin_key set revoked_at = coalesce(revoked_at, now())
where key_id = $1
returning key_id, name, scopes, created_at, revoked_at, last_used_at;
