-- Self-tests of platforms that people started in the console.

-- name: lock
select from platform where platform_id = $1 for no key update;

-- name: end_dead
-- Their processes died.
update check_run set ended_at = now(), error = 'its process ended'
where platform_id = $1 and ended_at is null and noted_at < now() - $2::interval;

-- name: running
select exists (select from check_run where platform_id = $1 and ended_at is null);

-- name: since_partners_last
select extract(epoch from now() - max(started_at))::float8 from check_run
where platform_id = $1 and by_partner;

-- name: begin
insert into check_run (run_id, platform_id, started_by, by_partner, writes)
values ($1, $2, $3, $4, $5);

-- name: drop_old
delete from check_run
where platform_id = $1 and ended_at is not null and run_id not in (
    select run_id from check_run where platform_id = $1 order by started_at desc limit $2);

-- name: progress
update check_run set done = $2, total = $3, noted_at = now() where run_id = $1;

-- name: end
update check_run
set ended_at = now(), noted_at = now(), error = $2, report = $3::text::jsonb
where run_id = $1 and ended_at is null;

-- name: list
select run_id, platform_id, started_at, noted_at, ended_at, started_by, by_partner, writes, done,
    total, error, report -> 'counts' as counts, (report ->> 'conforms')::boolean as conforms
from check_run
where platform_id = $1
order by started_at desc
limit $2;

-- name: find
select run_id, platform_id, started_at, noted_at, ended_at, started_by, by_partner, writes, done,
    total, error, report -> 'counts' as counts, (report ->> 'conforms')::boolean as conforms
from check_run
where platform_id = $1 and run_id = $2;

-- name: report
select report::text from check_run where platform_id = $1 and run_id = $2;

-- name: traffic
-- Whether something of each kind is there of these parties, or went to them.
with k as (select * from unnest($1::text[], $2::text[]) as k (country_code, party_id))
select
    exists (select from k join shared_object o using (country_code, party_id)
        where o.module = 'locations' and not o.deleted) as locations,
    exists (select from k join shared_object o using (country_code, party_id)
        where o.module = 'tokens' and not o.deleted) as tokens,
    exists (select from k join directed_object o using (country_code, party_id)
        where o.module = 'cdrs' and o.state = 'delivered')
    or exists (select from k join directed_object o
        on o.receiver_country_code = k.country_code and o.receiver_party_id = k.party_id
        where o.module = 'cdrs' and o.state = 'delivered') as cdrs;
