-- The CDR ledger.

-- name: store
-- Codes are taken from the findings: flags are shown, holds make a CDR wait. What may come later is
-- waited for twice: an hour and a day.
insert into cdr_ledger as known (
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, checked_at, price_verdict,
    price_excl_vat, price_incl_vat, price_vat, metering, findings, flags, holds, received_at,
    check_at)
select
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, case when complete then now() end,
    price_verdict, price_excl_vat, price_incl_vat, price_vat::json, metering, findings::json,
    array(select f ->> 'code' from json_array_elements(findings::json) f
          where not (f ->> 'hold')::boolean),
    array(select f ->> 'code' from json_array_elements(findings::json) f
          where (f ->> 'hold')::boolean),
    coalesce(received_at, now()),
    case when not complete then now() when later then now() + interval '1 hour' end
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::timestamptz[], $15::timestamptz[], $16::numeric[], $17::numeric[], $18::numeric[],
    $19::text[], $20::numeric[], $21::numeric[], $22::boolean[], $23::text[], $24::boolean[],
    $25::text[], $26::numeric[], $27::numeric[], $28::text[], $29::text[], $30::text[],
    $31::timestamptz[], $32::boolean[])
    as new (
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, complete, price_verdict,
    price_excl_vat, price_incl_vat, price_vat, metering, findings, received_at, later)
on conflict (country_code, party_id, cdr_id) do update
set spelled_id = excluded.spelled_id,
    receiver_country_code = excluded.receiver_country_code,
    receiver_party_id = excluded.receiver_party_id,
    version = excluded.version,
    session_id = excluded.session_id,
    authorization_reference = excluded.authorization_reference,
    location_id = excluded.location_id,
    evse_uid = excluded.evse_uid,
    evse_id = excluded.evse_id,
    connector_id = excluded.connector_id,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    energy_kwh = excluded.energy_kwh,
    time_h = excluded.time_h,
    parking_h = excluded.parking_h,
    currency = excluded.currency,
    cost_excl_vat = excluded.cost_excl_vat,
    cost_incl_vat = excluded.cost_incl_vat,
    is_credit = excluded.is_credit,
    credited_id = excluded.credited_id,
    checked_at = excluded.checked_at,
    price_verdict = excluded.price_verdict,
    price_excl_vat = excluded.price_excl_vat,
    price_incl_vat = excluded.price_incl_vat,
    price_vat = excluded.price_vat,
    metering = excluded.metering,
    findings = excluded.findings,
    flags = excluded.flags,
    holds = excluded.holds,
    received_at = case when known.version < excluded.version then excluded.received_at
        else known.received_at end,
    check_at = case
        when known.version < excluded.version then excluded.check_at
        -- Somebody asked for it while it was being looked at.
        when known.check_at <= clock_timestamp() then known.check_at
        when excluded.checked_at is null or excluded.check_at is null then excluded.check_at
        when now() - known.received_at < interval '12 hours'
            then now() + greatest(interval '1 hour', 23 * (now() - known.received_at))
    end
where known.version <= excluded.version;

-- name: claim
-- What is due, taken for the time of a lease: who dies meanwhile is followed by somebody else.
with due as (
    select l.country_code, l.party_id, l.cdr_id, l.check_at
    from cdr_ledger l
    where l.check_at <= now()
    order by l.check_at
    limit $1
    for update skip locked),
weighed as (
    select due.country_code, due.party_id, due.cdr_id, row_number() over up_to_here as number,
        sum(coalesce(d.bytes, 0)) over up_to_here as bytes
    from due
    left join directed_object d
        on (d.module, d.country_code, d.party_id, d.object_id)
            = ('cdrs', due.country_code, due.party_id, due.cdr_id)
    window up_to_here as (order by due.check_at, due.country_code, due.party_id, due.cdr_id)),
taken as (
    update cdr_ledger l
    set check_at = now() + $2::interval
    from weighed w
    where (l.country_code, l.party_id, l.cdr_id) = (w.country_code, w.party_id, w.cdr_id)
        and (w.number = 1 or w.bytes <= $3::bigint)
    returning l.country_code, l.party_id, l.cdr_id, l.received_at)
select t.country_code, t.party_id, t.cdr_id, t.received_at, d.receiver_country_code,
    d.receiver_party_id, d.version, d.body
from taken t
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', t.country_code, t.party_id, t.cdr_id);

-- name: standings
-- Where CDRs stand, locked as everywhere, and whether somebody let this content go.
select d.country_code, d.party_id, d.object_id, d.version, d.state, d.unknown_outcomes,
    coalesce(cardinality(l.holds), 0) > 0 as held_by_rules,
    exists (
        select from cdr_transition t
        where (t.country_code, t.party_id, t.cdr_id)
                = (d.country_code, d.party_id, d.object_id)
            and t.version = d.version
            and t.from_stage = 'held'
            and t.actor <> 'hub') as let_go
from directed_object d
join unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as k (module, country_code, party_id, object_id)
    using (module, country_code, party_id, object_id)
left join cdr_ledger l
    on (l.country_code, l.party_id, l.cdr_id) = (d.country_code, d.party_id, d.object_id)
order by d.module, d.country_code, d.party_id, d.object_id
for update of d;

-- name: hold
update directed_object d
set state = 'held', next_attempt_at = null, reason = h.reason, changed_at = now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as h (country_code, party_id, object_id, reason)
where (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', h.country_code, h.party_id, h.object_id)
    and d.state in ('pending', 'held');

-- name: let_go
-- As when an operator releases it: to its batch, or to be pulled where it cannot be pushed.
update directed_object d
set state = 'pending', reason = null, changed_at = now(), visible_at = visible_from(),
    next_attempt_at = case when exists (
        select from party p
        join endpoint e using (platform_id)
        where (p.country_code, p.party_id) = (d.receiver_country_code, d.receiver_party_id)
            and (e.module, e.interface_role) = (d.module, 'RECEIVER'))
        then greatest(now(), d.batch_due_at) end
from unnest($1::text[], $2::text[], $3::text[]) as k (country_code, party_id, object_id)
where (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', k.country_code, k.party_id, k.object_id)
    and d.state = 'held';

-- name: without_entry
-- CDRs from before the ledger, after a serial.
select d.serial, d.country_code, d.party_id, d.object_id, d.receiver_country_code,
    d.receiver_party_id, d.version, d.received_at, d.body
from directed_object d
where d.module = 'cdrs'
    and d.serial > $1
    and not exists (
        select from cdr_ledger l
        where (l.country_code, l.party_id, l.cdr_id) = (d.country_code, d.party_id, d.object_id))
order by d.serial
limit $2;

-- name: only_one_enters
select pg_try_advisory_xact_lock(hashtextextended('ocpi_hub cdr ledger', 0));

-- name: ask
-- Part of those that match is looked at again, by their place in the ledger and locked in the order of
-- custody: the last place, and how many they were.
with asked as (
    select l.entry, l.country_code, l.party_id, l.cdr_id
    from cdr_ledger l
    where l.entry > $1
        and ($2::text is null or (l.country_code, l.party_id) = ($2, $3))
        and ($4::text is null or (l.receiver_country_code, l.receiver_party_id) = ($4, $5))
        and ($6::timestamptz is null or l.ended_at >= $6)
        and ($7::timestamptz is null or l.ended_at < $7)
    order by l.entry
    limit $8),
locked as (
    select l.country_code, l.party_id, l.cdr_id
    from cdr_ledger l
    join asked using (country_code, party_id, cdr_id)
    order by l.country_code, l.party_id, l.cdr_id
    for update of l),
marked as (
    update cdr_ledger l
    set check_at = clock_timestamp()
    from locked
    where (l.country_code, l.party_id, l.cdr_id)
        = (locked.country_code, locked.party_id, locked.cdr_id))
select coalesce(max(entry), 0) as last, count(*) as found from asked;
