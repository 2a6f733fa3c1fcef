-- Reports from the ledger. A question is about one relation and a stretch of time, so that none takes
-- long, whatever the ledger holds. Credit CDRs and what they took back wholly are no energy; nor is
-- what the eMSP did not accept.

-- name: relations
-- With CDRs that ended from $1 on, before $5 or whenever, and began before $2. From one relation to the
-- next one, not through all CDRs.
with recursive relation as (
    (select country_code, party_id, receiver_country_code, receiver_party_id
    from cdr_ledger
    where (country_code, party_id) >= (coalesce($3::text, ''), coalesce($4::text, ''))
    order by 1, 2, 3, 4
    limit 1)
    union all
    select later.*
    from relation r
    cross join lateral (
        select l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id
        from cdr_ledger l
        where (l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id)
            > (r.country_code, r.party_id, r.receiver_country_code, r.receiver_party_id)
        order by 1, 2, 3, 4
        limit 1) as later
    where $3::text is null or (r.country_code, r.party_id) = ($3, $4))
select country_code, party_id, receiver_country_code, receiver_party_id
from relation r
where ($3::text is null or (country_code, party_id) = ($3, $4))
    and exists (
        select from cdr_ledger l
        where (l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id)
                = (r.country_code, r.party_id, r.receiver_country_code, r.receiver_party_id)
            and l.ended_at >= $1
            and l.ended_at < coalesce($5::timestamptz, 'infinity')
            and l.started_at < $2
        order by l.ended_at
        offset 0)
order by 1, 2, 3, 4;

-- name: points
-- Energy by EVSE of CDRs that lie wholly in the year and ended between $7 and $8.
select upper(s.location_id) as location_id, upper(s.evse_uid) as evse_uid,
    (array_agg(s.evse_id order by s.ended_at desc))[1] as evse_id,
    count(*) as cdrs, sum(s.energy_kwh) as energy_kwh
from cdr_standing s
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', s.country_code, s.party_id, s.cdr_id)
where (s.country_code, s.party_id, s.receiver_country_code, s.receiver_party_id)
        = ($1, $2, $3, $4)
    and s.started_at >= $5 and s.ended_at <= $6
    and s.ended_at >= $7 and s.ended_at < $8
    and d.state = 'delivered' and not s.is_credit and not s.is_corrected
group by 1, 2;

-- name: across
-- CDRs that lie partly in the year, with their texts, a part of them at a time.
select s.entry, upper(s.location_id) as location_id, upper(s.evse_uid) as evse_uid, s.evse_id,
    d.body::text as body
from cdr_standing s
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', s.country_code, s.party_id, s.cdr_id)
where (s.country_code, s.party_id, s.receiver_country_code, s.receiver_party_id)
        = ($1, $2, $3, $4)
    and s.ended_at > $7 and s.started_at < $8
    and (s.started_at < $5 or s.ended_at > $6)
    and d.state = 'delivered' and not s.is_credit and not s.is_corrected
    and s.entry > $9
order by s.entry
limit $10;

-- name: undelivered
-- What a CPO's figures of a year may lack.
select count(*)
from cdr_ledger l
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', l.country_code, l.party_id, l.cdr_id)
where (l.country_code, l.party_id) = ($1, $2)
    and l.ended_at > $3 and l.started_at < $4
    and d.state not in ('delivered', 'refused') and not l.is_credit;

-- name: without_end
-- CDRs of sessions that began in a time and ended before they did: nobody knows in which year.
select count(*)
from cdr_ledger l
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', l.country_code, l.party_id, l.cdr_id)
where (l.country_code, l.party_id) = ($1, $2)
    and l.started_at >= $3 and l.started_at < $4 and l.ended_at < $3
    and d.state <> 'refused' and not l.is_credit;

-- name: without_entry
-- CDRs that the ledger does not have, or not yet.
select d.country_code, d.party_id, count(*) as cdrs
from directed_object d
where d.module = 'cdrs'
    and ($1::text is null or (d.country_code, d.party_id) = ($1, $2))
    and d.state <> 'refused'
    and not exists (
        select from cdr_ledger l
        where (l.country_code, l.party_id, l.cdr_id) = (d.country_code, d.party_id, d.object_id))
group by 1, 2
order by 1, 2;

-- name: span
-- When the first session began of which there is a CDR, and when the last one ended.
select min(started_at) filter (where started_at > '1970-01-01 00:00:00+00') as first,
    max(ended_at) as last
from cdr_ledger where (country_code, party_id) = ($1, $2);

-- name: known_points
-- EVSEs of a CPO's Locations, a part of these at a time; what was sent to everybody comes first.
select
    l.serial, l.audience <> '*' as addressed, upper(l.object_id) as location_id, upper(e ->> 'uid') as evse_uid,
    coalesce((l.body ->> 'publish')::boolean, false) as published,
    coalesce(l.body -> 'operator' ->> 'name', l.body -> 'owner' ->> 'name') as operator,
    l.body ->> 'address' as address, l.body ->> 'postal_code' as postal_code,
    l.body ->> 'city' as city, l.body ->> 'country' as country,
    l.body -> 'coordinates' ->> 'latitude' as latitude,
    l.body -> 'coordinates' ->> 'longitude' as longitude,
    e -> 'connectors' as connectors
from (
    select * from shared_object
    where module = 'locations' and (country_code, party_id) = ($1, $2) and not deleted
        and (audience <> '*', serial) > ($3, $4)
    order by audience <> '*', serial
    limit $5) as l
left join lateral json_array_elements(
    case json_typeof(l.body -> 'evses') when 'array' then l.body -> 'evses' else '[]' end) as e
    on true
order by l.audience <> '*', l.serial;

-- name: days
-- A relation's CDRs by the day on which they ended: all, less the few that do not count. So neither
-- where each of them stands is looked up, nor what Credit CDRs took back of it.
with days as (
    select day::date as day, sums.*
    from generate_series(
        date_trunc('day', $5::timestamptz at time zone $7),
        $6::timestamptz at time zone $7 - interval '1 microsecond', interval '1 day') as day
    cross join lateral (
        select count(*) as cdrs, sum(energy_kwh) as energy_kwh, sum(time_h) as time_h
        from cdr_ledger
        where (country_code, party_id, receiver_country_code, receiver_party_id)
                = ($1, $2, $3, $4)
            and ended_at >= greatest($5, day at time zone $7)
            and ended_at < least($6, (day + interval '1 day') at time zone $7)
            and not is_credit) as sums),
candidates as (
    select object_id as cdr_id
    from directed_object
    where module = 'cdrs'
        and state in ('uncertain', 'held', 'dead', 'refused')
        and (country_code, party_id) = ($1, $2)
    union
    select object_id
    from directed_object
    where module = 'cdrs'
        and (receiver_country_code, receiver_party_id) = ($3, $4)
        and state in ('pending', 'in_flight')
        and (country_code, party_id) = ($1, $2)
    union
    select credited_id
    from cdr_ledger
    where (country_code, party_id) = ($1, $2)
        and credited_id is not null),
excluded as (
    select (s.ended_at at time zone $7)::date as day, count(*) as cdrs,
        sum(s.energy_kwh) as energy_kwh, sum(s.time_h) as time_h
    from candidates c
    join cdr_standing s on (s.country_code, s.party_id, s.cdr_id) = ($1, $2, c.cdr_id)
    left join directed_object d
        on (d.module, d.country_code, d.party_id, d.object_id)
            = ('cdrs', s.country_code, s.party_id, s.cdr_id)
    where (s.receiver_country_code, s.receiver_party_id) = ($3, $4)
        and s.ended_at >= $5 and s.ended_at < $6
        and not s.is_credit
        and (d.state is distinct from 'delivered' or s.is_corrected)
    group by 1)
select day, d.cdrs - coalesce(x.cdrs, 0) as cdrs,
    d.energy_kwh - coalesce(x.energy_kwh, 0) as energy_kwh,
    d.time_h - coalesce(x.time_h, 0) as time_h
from days d
left join excluded x using (day)
where d.cdrs > coalesce(x.cdrs, 0)
order by day;

-- name: entries
-- The next ones of the ledger behind $1.
select entry from cdr_ledger where entry > $1 order by entry limit $2;

-- name: entries_near
-- Those of the next $5 ones behind $1 that ended in a time.
select entry
from (select entry, ended_at from cdr_ledger where entry > $1 order by entry limit $5) as near
where ended_at >= coalesce($3::timestamptz, '-infinity')
    and ended_at < coalesce($4::timestamptz, 'infinity')
order by entry
limit $2;

-- name: entries_of_time
-- The next ones behind $1 that ended in a time. All of the time are sorted: walked through in their order,
-- those of a late week would come after all there are before it.
select entry
from cdr_ledger
where ended_at >= coalesce($3::timestamptz, '-infinity')
    and ended_at < coalesce($4::timestamptz, 'infinity')
    and entry > $1
order by entry + 0
limit $2;

-- name: ledger
-- The ledger itself, with where each CDR stands.
select
    s.entry, s.country_code || '*' || s.party_id as cpo,
    s.receiver_country_code || '*' || s.receiver_party_id as emsp, s.spelled_id as id,
    cdr_stage(d.state, s.is_settled, s.is_corrected) as stage, s.received_at, d.delivered_at,
    s.session_id, s.authorization_reference, s.location_id, s.evse_uid, s.evse_id, s.connector_id,
    s.started_at, s.ended_at, s.energy_kwh, s.time_h, s.parking_h, s.currency,
    s.cost_excl_vat, s.cost_incl_vat, s.is_credit, s.credited_id, s.price_verdict,
    s.price_excl_vat, s.price_incl_vat, s.metering, s.flags, s.holds, s.statement_id
from cdr_standing s
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', s.country_code, s.party_id, s.cdr_id)
where s.entry = any($1::bigint[])
order by s.entry;
