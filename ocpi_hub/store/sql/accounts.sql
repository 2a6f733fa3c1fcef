-- Accounts of the console, their sessions, and failed logins.

-- name: create
insert into account (account_id, name, role, platform_id, password_hash, must_change)
values ($1, $2, $3, $4, $5, $6)
returning *;

-- name: list
select * from account
where ($1::text is null or account_id > $1)
order by account_id
limit $2;

-- name: find
select * from account where account_id = $1;

-- name: find_by_name
select * from account where lower(name) = lower($1);

-- name: lock_admins
-- Whoever disables accounts does it one after the other, so that one admin stays.
select account_id from account where role = 'admin' and disabled_at is null for update;

-- name: disable
update account set disabled_at = coalesce(disabled_at, now()) where account_id = $1 returning *;

-- name: enable
update account set disabled_at = null where account_id = $1 returning *;

-- name: set_password
update account set password_hash = $2, must_change = $3, password_changed_at = now()
where account_id = $1
returning *;

-- name: rehash
-- The same password, with today's parameters.
update account set password_hash = $2 where account_id = $1 and password_hash = $3;

-- name: note_login
update account set last_login_at = now() where account_id = $1;

-- name: open_session
-- Not for an account that was disabled, or got another password, while this one was checked.
insert into login_session (token_sha256, account_id)
select $1, account_id from account
where account_id = $2 and disabled_at is null and password_changed_at = $3
returning account_id;

-- name: session
select a.*, s.flash, s.used_at < now() - interval '1 minute' as stale
from login_session s
join account a using (account_id)
where s.token_sha256 = $1
    and s.used_at > now() - $2::interval
    and s.created_at > now() - $3::interval
    and a.disabled_at is null;

-- name: touch_session
update login_session set used_at = now() where token_sha256 = $1;

-- name: set_flash
update login_session set flash = $2 where token_sha256 = $1;

-- name: take_flash
update login_session set flash = null where token_sha256 = $1;

-- name: close_session
delete from login_session where token_sha256 = $1;

-- name: close_sessions
-- All of an account, but one perhaps.
delete from login_session
where account_id = $1 and ($2::bytea is null or token_sha256 <> $2);

-- name: sweep_sessions
delete from login_session
where used_at < now() - $1::interval or created_at < now() - $2::interval;

-- name: forget_browsers
delete from known_browser where account_id = $1;

-- name: know_browser
insert into known_browser (token_sha256, account_id) values ($1, $2)
on conflict (token_sha256) do update
set account_id = excluded.account_id, used_at = now();

-- name: knows_browser
select exists (
    select from known_browser b
    join account a using (account_id)
    where b.token_sha256 = $1 and lower(a.name) = lower($2)
        and b.used_at > now() - interval '90 days');

-- name: sweep_browsers
delete from known_browser where used_at < now() - interval '90 days';

-- name: attempt
-- Counts an attempt as failed before its password is looked at, so that many at once gain nothing;
-- nothing when it may not even be made. Failures are forgotten 15 minutes after the last one.
insert into login_failure as f (subject, failures, failed_at)
values ($1, 1, now())
on conflict (subject) do update
set failures = case when f.failed_at < now() - interval '15 minutes' then 1 else f.failures + 1 end,
    failed_at = now(),
    blocked_until = case
        when f.failed_at >= now() - interval '15 minutes' and f.failures + 1 >= $2
        then now() + least(power(2, least(f.failures + 1 - $2, 10)), $3) * interval '1 second'
    end
where f.blocked_until is null or f.blocked_until <= now()
returning failures;

-- name: blocked_s
select ceil(extract(epoch from max(blocked_until) - now()))::integer
from login_failure
where subject = any ($1::bytea[]) and blocked_until > now();

-- name: forgive
delete from login_failure where subject = any ($1::bytea[]);

-- name: take_back
-- One attempt was none: others from there still count.
update login_failure set failures = greatest(failures - 1, 0), blocked_until = null
where subject = $1;

-- name: sweep_failures
delete from login_failure
where failed_at < now() - interval '1 day' and (blocked_until is null or blocked_until < now());
