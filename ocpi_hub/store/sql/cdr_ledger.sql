-- The CDR ledger.

-- name: store
-- Codes are taken from the findings: flags are shown, holds make a CDR wait.
insert into cdr_ledger as known (
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, checked_at, price_verdict,
    price_excl_vat, price_incl_vat, price_vat, metering, findings, flags, holds)
select
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, case when complete then now() end,
    price_verdict, price_excl_vat, price_incl_vat, price_vat::json, metering, findings::json,
    array(select f ->> 'code' from json_array_elements(findings::json) f
          where not (f ->> 'hold')::boolean),
    array(select f ->> 'code' from json_array_elements(findings::json) f
          where (f ->> 'hold')::boolean)
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::timestamptz[], $15::timestamptz[], $16::numeric[], $17::numeric[], $18::numeric[],
    $19::text[], $20::numeric[], $21::numeric[], $22::boolean[], $23::text[], $24::boolean[],
    $25::text[], $26::numeric[], $27::numeric[], $28::text[], $29::text[], $30::text[])
    as new (
    country_code, party_id, cdr_id, spelled_id, receiver_country_code, receiver_party_id,
    version, session_id, authorization_reference, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, parking_h, currency,
    cost_excl_vat, cost_incl_vat, is_credit, credited_id, complete, price_verdict,
    price_excl_vat, price_incl_vat, price_vat, metering, findings)
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
    holds = excluded.holds
where known.version <= excluded.version;
