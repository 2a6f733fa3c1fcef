-- Runs of the whitelist exchange: reading platforms' token lists on a schedule.

-- name: set_schedule
insert into whitelist_schedule as s (platform_id, pull, next_at)
select platform_id, $2, $3 from platform where platform_id = $1
on conflict (platform_id) do update set pull = excluded.pull, next_at = excluded.next_at
returning platform_id;

-- name: drop_schedule
delete from whitelist_schedule where platform_id = $1;

-- name: schedules
select platform_id, pull, next_at
from whitelist_schedule
where $1::text is null or platform_id = $1
order by platform_id;

-- name: due_schedules
select s.platform_id, s.pull, s.next_at, now() as at
from whitelist_schedule s
where s.next_at <= now()
order by s.next_at
limit 100;

-- name: move_schedule
-- One process starts what was due at $2.
update whitelist_schedule set next_at = $3
where platform_id = $1 and next_at = $2
returning platform_id;

-- name: last_runs
-- What is held was read, but is not believed yet.
select max(began_at) filter (where extent = 'full') as full_at, max(began_at) as any_at,
    (array_agg(to_jsonb(owners)::text order by began_at desc)
        filter (where extent = 'full'))[1] as owners
from whitelist_run
where platform_id = $1 and state = 'done' and source = 'list';

-- name: start
insert into whitelist_run (platform_id, extent, date_from)
select platform_id, $2, $3 from platform where platform_id = $1
on conflict (platform_id) where state = 'running' do nothing
returning *;

-- name: forget_runs
delete from whitelist_run
where platform_id = $1 and finished_at < now() - $2::interval;

-- name: active
select * from whitelist_run where platform_id = $1 and state = 'running';

-- name: find
select * from whitelist_run where run_id = $1;

-- name: list
-- Newest first, before a run.
select *
from whitelist_run
where ($1::text is null or platform_id = $1)
    and ($2::text is null or state = $2)
    and ($3::bigint is null or run_id < $3)
order by run_id desc
limit $4;

-- name: claim
update whitelist_run r
set lease_id = gen_random_uuid(), lease_until = now() + $1::interval, attempts = attempts + 1,
    began_at = coalesce(began_at, clock_timestamp())
where run_id = (
    select w.run_id
    from whitelist_run w
    join platform p using (platform_id)
    where w.state = 'running' and w.step = 'read'
        and p.state = 'connected' and p.online
        and w.next_attempt_at <= now()
        and coalesce(w.lease_until, '-infinity') < now()
    order by w.next_attempt_at
    limit 1
    for update of w skip locked)
returning *;

-- name: keep
-- What was read page by page counts as a good turn.
update whitelist_run
set lease_until = now() + $2::interval, attempts = case when $6 > pages then 0 else attempts end,
    note = case when $6 > pages then null else note end,
    country_code = $3, party_id = $4, next_url = $5, pages = $6, seen = $7, added = $8,
    changed = $9, errors = $10, unnamed = $11, total = $12
where lease_id = $1 and state = 'running'
returning run_id;

-- name: requeue
update whitelist_run
set lease_id = null, lease_until = null, attempts = 0, next_attempt_at = clock_timestamp()
where lease_id = $1 and state = 'running';

-- name: release
-- After $4 attempts in a row without a page the run is over.
update whitelist_run
set lease_id = null, lease_until = null, note = $3, next_attempt_at = now() + $2::interval,
    state = case when attempts >= $4 then 'failed' else 'running' end,
    finished_at = case when attempts >= $4 then clock_timestamp() end
where lease_id = $1 and state = 'running'
returning run_id;

-- name: restart
-- The reading begins anew; what was found so far stays counted as far as it was news.
update whitelist_run
set began_at = null, country_code = null, party_id = null, next_url = null, pages = 0, seen = 0,
    errors = 0, unnamed = 0, total = null
where run_id = $1 and state = 'running';

-- name: began
update whitelist_run set lease_until = now() + $2::interval
where lease_id = $1 and state = 'running'
returning began_at;

-- name: count_missing
-- Live broadcast tokens of these owners that were there before the reading began, and those of them
-- that neither changed nor were listed since. What was also addressed to somebody goes by its
-- owner's word alone. `shown`: all those that were listed or changed since.
select count(*) filter (where o.created_at < $1) as known,
    count(*) filter (where greatest(o.changed_at, o.listed_at) >= $1) as shown,
    count(*) filter (
    where o.created_at < $1 and greatest(o.changed_at, o.listed_at) < $1
        and not exists (
            select from shared_object a
            where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                = (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
                and a.audience <> '*'
                and not a.deleted)) as absent
from shared_object o
where o.module = 'tokens'
    and (o.country_code, o.party_id) in (select * from unnest($2::text[], $3::text[]))
    and o.audience = '*'
    and not o.deleted;

-- name: count_page
-- The same of at most $6 tokens of one owner, in order, after a place; `last_id`, `last_type`: where
-- the next page goes on, if this one is full. So no statement takes long, however long a list is.
with page as (
    select o.object_id, o.object_type, o.created_at,
        greatest(o.changed_at, o.listed_at) as touched_at
    from shared_object o
    where (o.module, o.country_code, o.party_id) = ('tokens', $2, $3)
        and (o.object_id, o.object_type) > ($4::text, $5::text)
        and o.audience = '*'
        and not o.deleted
    order by o.object_id, o.object_type
    limit $6)
select count(*) filter (where created_at < $1) as known,
    count(*) filter (where touched_at >= $1) as shown,
    count(*) filter (
        where created_at < $1 and touched_at < $1
            and not exists (
                select from shared_object a
                where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                    = ('tokens', $2, $3, page.object_id, page.object_type)
                    and a.audience <> '*'
                    and not a.deleted)) as absent,
    count(*) = $6 as more,
    max(object_id) as last_id,
    (array_agg(object_type order by object_id desc, object_type desc))[1] as last_type
from page;

-- name: absent_page
-- The tokens that `count_page` counts as absent, and the last one of the page (`is_last`) whatever it
-- is. `gone`: an earlier full list had missed it too, and none has shown it since.
with page as (
    select o.object_id, o.object_type, o.created_at, o.missed_at,
        greatest(o.changed_at, o.listed_at) as touched_at,
        row_number() over (order by o.object_id, o.object_type) = $6 as is_last
    from shared_object o
    where (o.module, o.country_code, o.party_id) = ('tokens', $2, $3)
        and (o.object_id, o.object_type) > ($4::text, $5::text)
        and o.audience = '*'
        and not o.deleted
    order by o.object_id, o.object_type
    limit $6),
judged as (
    select object_id, object_type, is_last,
        coalesce(missed_at > touched_at and missed_at < $1, false) as gone,
        created_at < $1 and touched_at < $1
            and not exists (
                select from shared_object a
                where (a.module, a.country_code, a.party_id, a.object_id, a.object_type)
                    = ('tokens', $2, $3, page.object_id, page.object_type)
                    and a.audience <> '*'
                    and not a.deleted) as absent
    from page)
select * from judged where absent or is_last order by object_id, object_type;

-- name: conclude
update whitelist_run
set owners = $2, absent = $3, note = $4, step = case when $5 or $6 then 'withdraw' else 'read' end,
    state = case when $6 then 'held' else 'running' end, doubted = $7, pages = $8, seen = $9,
    added = $10, changed = $11, errors = $12, unnamed = $13, total = $14
where lease_id = $1 and state = 'running';

-- name: finish_reading
-- The list was read to its end. What is to be withdrawn is the next step; what is held waits.
update whitelist_run
set lease_id = null, lease_until = null, attempts = 0, next_attempt_at = now(),
    country_code = null, party_id = null, next_url = null, pages = $2, seen = $3, added = $4,
    changed = $5, errors = $6, unnamed = $7, total = $8,
    note = case when extent = 'partial' then null else note end,
    state = case when state = 'running' and step = 'read' then 'done' else state end,
    finished_at = case when state = 'running' and step = 'read' then clock_timestamp() end
where lease_id = $1 and state in ('running', 'held')
returning *;

-- name: note_knowledge
-- What is known is as old as the beginning of the reading; by a file, of its owner alone.
with run as (select platform_id, source, owners, began_at from whitelist_run where run_id = $1),
by_file as (
    update party p
    set tokens_known_at = greatest(p.tokens_known_at, r.began_at)
    from run r
    where r.source = 'file' and p.country_code || '*' || p.party_id = any (r.owners))
insert into owner_knowledge as k (platform_id, module, pulled_at)
select platform_id, 'tokens', began_at
from run
where source = 'list'
on conflict (platform_id, module) do update
set pulled_at = greatest(k.pulled_at, excluded.pulled_at);

-- name: supersede
-- A newer full list says more than one that is held; a file, than a file of the same owner.
update whitelist_run r
set state = 'done', finished_at = clock_timestamp(), note = format('run %s has read the list anew', $2::bigint)
from whitelist_run n
where n.run_id = $2
    and r.platform_id = $1
    and r.state = 'held'
    and r.run_id < $2
    and r.source = n.source
    and (r.source = 'list' or r.owners = n.owners);

-- name: fail
update whitelist_run
set state = 'failed', finished_at = clock_timestamp(), lease_id = null, lease_until = null,
    note = $2
where lease_id = $1 and state = 'running';

-- name: claim_withdrawal
update whitelist_run r
set lease_id = gen_random_uuid(), lease_until = now() + $1::interval
where run_id = (
    select w.run_id
    from whitelist_run w
    where w.state = 'running' and w.step = 'withdraw'
        and coalesce(w.lease_until, '-infinity') < now()
    order by w.next_attempt_at
    limit 1
    for update of w skip locked)
returning run_id, began_at, doubted, lease_id, array(
    -- A party that has moved to another platform goes by the list of that one.
    select o
    from unnest(r.owners) as o
    join party p on p.country_code || '*' || p.party_id = o
    where p.platform_id = r.platform_id
    order by o) as owners;

-- name: start_again
-- A second full list soon shows what the first one missed by mistake. Not a third one.
insert into whitelist_run (platform_id, extent, again, next_attempt_at)
select platform_id, 'full', true, now() + $2::interval
from whitelist_run
where run_id = $1 and doubted and not again and withdrawn < absent
on conflict (platform_id) where state = 'running' do nothing;

-- name: withdrew
update whitelist_run
set withdrawn = withdrawn + $2, lease_until = now() + $3::interval
where lease_id = $1 and state = 'running'
returning run_id;

-- name: end_withdrawal
update whitelist_run
set state = 'done', finished_at = clock_timestamp(), lease_id = null, lease_until = null
where lease_id = $1 and state = 'running'
returning *;

-- name: confirm
update whitelist_run
set state = 'running', next_attempt_at = now(), doubted = false, note = 'confirmed by an operator'
where run_id = $1 and state = 'held'
returning *;

-- name: discard
-- What was read counts; what the list lacks stays valid.
update whitelist_run
set state = case when state = 'held' then 'done' else 'failed' end,
    finished_at = clock_timestamp(), lease_id = null, lease_until = null,
    note = case when state = 'held' then 'discarded by an operator: nothing was withdrawn'
        else 'stopped by an operator' end
where run_id = $1 and state in ('held', 'running')
returning *;

-- name: ages
-- As authorization.sql counts it for a token that came by a list.
select p.country_code, p.party_id, extract(epoch from clock_timestamp() - greatest(
    k.pulled_at, p.tokens_known_at, case when k.pushes then
        case when j.module is null then c.last_contact_at else j.known_at end
    end))::float8 as age_s
from party p
left join platform_contact c using (platform_id)
left join owner_knowledge k on (k.platform_id, k.module) = (p.platform_id, 'tokens')
left join inbound_catch_up j on (j.platform_id, j.module) = (p.platform_id, 'tokens');

-- name: forget_alarms
delete from whitelist_alarm a
where not exists (
    select from unnest($1::text[], $2::text[]) as j (cpo, emsp)
    where (j.cpo, j.emsp) = (a.cpo, a.emsp));

-- name: note_alarms
-- In order, so that processes do not block each other. What is new is worth a word unless it is fresh.
with before as (
    select a.cpo, a.emsp, a.state from whitelist_alarm a),
noted as (
    insert into whitelist_alarm as a (cpo, emsp, state)
    select j.cpo, j.emsp, j.state
    from unnest($1::text[], $2::text[], $3::text[]) as j (cpo, emsp, state)
    order by j.cpo collate "C", j.emsp collate "C"
    on conflict (cpo, emsp) do update
    set state = excluded.state, since = now()
    where a.state <> excluded.state
    returning a.cpo, a.emsp, a.state)
select n.cpo, n.emsp
from noted n
left join before b using (cpo, emsp)
where n.state <> coalesce(b.state, 'fresh');
