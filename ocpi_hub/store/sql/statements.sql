-- Statements. $1 to $4 are the relation: the CPO, then the eMSP.

-- name: begin
-- Who closes a month that somebody began to close goes on with it.
insert into statement (
    country_code, party_id, receiver_country_code, receiver_party_id, month, time_zone, closed_by,
    worked_at)
values ($1, $2, $3, $4, $5, $6, $7, now())
on conflict (country_code, party_id, receiver_country_code, receiver_party_id, month) do update
set worked_at = now(), error = null
where statement.state = 'closing';

-- name: find
select statement_id, country_code, party_id, receiver_country_code, receiver_party_id, month,
    time_zone, state, closed_at, closed_by, totals, error,
    -- Without a sign of life for so long, its process is taken for dead.
    coalesce(worked_at > now() - interval '1 minute', false) as at_work
from statement
where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
    and month = $5;

-- name: later
-- A closed or closing month after this one.
select max(month) from statement
where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
    and month > $5;

-- name: list
select statement_id, country_code, party_id, receiver_country_code, receiver_party_id, month,
    time_zone, state, closed_at, closed_by, totals, error,
    -- Without a sign of life for so long, its process is taken for dead.
    coalesce(worked_at > now() - interval '1 minute', false) as at_work
from statement
where ($1::date is null or month = $1)
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::text is null or (receiver_country_code, receiver_party_id) = ($4, $5))
    and ($6::bigint is null or statement_id < $6)
order by statement_id desc
limit $7;

-- name: unsettled_relations
-- Relations with CDRs that ended before $1 and are on no statement, and when the first of them did: from
-- one relation to the next one, not through all CDRs. Without $1 all of them.
with recursive relation as (
    (select country_code, party_id, receiver_country_code, receiver_party_id
    from cdr_ledger
    where statement_id is null
    order by 1, 2, 3, 4
    limit 1)
    union all
    select later.*
    from relation r
    cross join lateral (
        select l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id
        from cdr_ledger l
        where l.statement_id is null
            and (l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id)
                > (r.country_code, r.party_id, r.receiver_country_code, r.receiver_party_id)
        order by 1, 2, 3, 4
        limit 1) as later)
select r.*, first.since
from relation r
cross join lateral (
    select min(l.ended_at) as since
    from cdr_ledger l
    where l.statement_id is null
        and (l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id)
            = (r.country_code, r.party_id, r.receiver_country_code, r.receiver_party_id)) as first
where $1::timestamptz is null or first.since < $1
order by 1, 2, 3, 4;

-- name: months
-- Those that have statements, the latest ones.
select distinct month from statement order by month desc limit $1;

-- name: lock_closing
-- One at a time puts entries on a statement, and nobody once it is closed.
update statement set worked_at = clock_timestamp(), error = null
where statement_id = $1 and state = 'closing'
returning time_zone;

-- name: let_go
-- Whoever was closing it does so no more; nothing to say if somebody else is at it.
update statement set worked_at = null, error = $2
where statement_id = (
    select statement_id from statement
    where statement_id = $1 and state = 'closing'
    for update skip locked);

-- name: placed
select count(*) from cdr_ledger where statement_id = $1;

-- name: settle_some
-- What nothing keeps off it and ended from $8 on. A part at a time by its end, so that no part looks at
-- what those before it settled; locked in the order of custody. Another month may be closed at the same
-- time: whose CDR it is by then is asked once it is locked. Tells how many, and where the part ended.
with due as materialized (
    select country_code, party_id, cdr_id, ended_at
    from cdr_unsettled
    where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
        and ended_at >= $8 and ended_at < $5 and left_out is null
    order by ended_at
    limit $7),
locked as (
    select l.country_code, l.party_id, l.cdr_id
    from cdr_ledger l
    join due using (country_code, party_id, cdr_id)
    where l.statement_id is null
    order by l.country_code, l.party_id, l.cdr_id
    for update of l),
settled as (
    update cdr_ledger l
    set statement_id = $6
    from locked
    where (l.country_code, l.party_id, l.cdr_id)
            = (locked.country_code, locked.party_id, locked.cdr_id)
        and l.statement_id is null
    returning l.entry)
select (select count(*) from settled) as settled, (select max(ended_at) from due) as last;

-- name: part_end
-- The last entry of a part of a closed statement: $3 CDRs at most after $2.
select max(entry) from (
    select entry from cdr_ledger where statement_id = $1 and entry > $2 order by entry limit $3
) as part;

-- name: groups_closed
-- West of Greenwich the first of all days would have begun before it.
select
    greatest((ended_at at time zone $2)::date, date '0001-01-01') as day,
    upper(currency) as currency, vat, flags, count(*) as cdrs,
    count(*) filter (where is_credit) as credits, sum(energy_kwh) as energy_kwh,
    sum(time_h) as time_h, coalesce(sum(parking_h), 0) as parking_h,
    sum(cost_excl_vat) as excl_vat,
    coalesce(sum(cost_excl_vat) filter (where cost_incl_vat is not null), 0) as stated_excl,
    coalesce(sum(cost_incl_vat), 0) as incl_vat
from (
    select l.*, cdr_vat(l.price_verdict, l.price_vat, l.cost_excl_vat, l.cost_incl_vat) as vat
    from cdr_ledger l
    where l.statement_id = $1 and l.entry > $3 and l.entry <= $4) as l
group by 1, 2, 3, 4;

-- name: next_unsettled
-- When the first CDR ended that ended from $5 on, before $6, and is on no statement; and before when $7
-- of them did, or all.
with part as (
    select ended_at from cdr_ledger
    where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
        and ended_at >= $5 and ended_at < $6 and statement_id is null
    order by ended_at
    limit $7::int + 1)
select min(ended_at) as first,
    case when count(*) <= $7::int then $6
        else greatest(max(ended_at), min(ended_at) + interval '1 microsecond') end as next
from part;

-- name: groups_open
-- What ended from $7 on, before $5, with what keeps it off.
select
    left_out as why, greatest((ended_at at time zone $6)::date, date '0001-01-01') as day,
    upper(currency) as currency, vat, flags, count(*) as cdrs,
    count(*) filter (where is_credit) as credits, sum(energy_kwh) as energy_kwh,
    sum(time_h) as time_h, coalesce(sum(parking_h), 0) as parking_h,
    sum(cost_excl_vat) as excl_vat,
    coalesce(sum(cost_excl_vat) filter (where cost_incl_vat is not null), 0) as stated_excl,
    coalesce(sum(cost_incl_vat), 0) as incl_vat
from (
    select u.*, cdr_vat(u.price_verdict, u.price_vat, u.cost_excl_vat, u.cost_incl_vat) as vat
    from cdr_unsettled u
    where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
        and ended_at < $5 and ended_at >= $7) as l
group by 1, 2, 3, 4, 5;

-- name: is_due
-- Whether anything that ended before $5 would come on a statement.
select exists (
    select from cdr_unsettled
    where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
        and ended_at < $5 and left_out is null);

-- name: close
update statement set state = 'closed', closed_at = now(), closed_by = $2, totals = $3::json,
    groups = $4::json, worked_at = null
where statement_id = $1;

-- name: groups_settled
select groups from statement where statement_id = $1;

-- name: lines_closed
select * from cdr_ledger where statement_id = $1 and entry > $2 order by entry limit $3;

-- name: lines_open
select *
from cdr_unsettled
where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
    and ended_at < $5 and left_out is null and entry > $6
order by entry
limit $7;

-- name: recheck_some
-- The figures of the texts themselves beside those of the ledger.
with part as (
    select
        l.entry, l.spelled_id, l.currency, l.energy_kwh, l.cost_excl_vat, l.cost_incl_vat,
        d.body ->> 'currency' as text_currency,
        (d.body ->> 'total_energy')::numeric as text_energy_kwh,
        (d.body -> 'total_cost' ->> 'excl_vat')::numeric as text_excl_vat,
        (d.body -> 'total_cost' ->> 'incl_vat')::numeric as text_incl_vat
    from cdr_ledger l
    left join directed_object d
        on d.module = 'cdrs' and (d.country_code, d.party_id, d.object_id)
            = (l.country_code, l.party_id, l.cdr_id)
    where l.statement_id = $1 and l.entry > $2
    order by l.entry
    limit $3)
select
    upper(currency) as currency, max(entry) as last_entry, count(*) as cdrs, sum(text_energy_kwh) as energy_kwh,
    sum(text_excl_vat) as excl_vat,
    coalesce(sum(text_incl_vat - text_excl_vat), 0) as vat,
    coalesce(array_agg(spelled_id order by entry) filter (where
        (upper(text_currency), text_energy_kwh, text_excl_vat, text_incl_vat)
        is distinct from (upper(currency), energy_kwh, cost_excl_vat, cost_incl_vat)), '{}')
        as differing
from part
group by 1;
