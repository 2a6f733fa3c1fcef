"""What years of roaming leave behind, made inside PostgreSQL: CDRs, tokens, message records.

Triggers rest meanwhile, so that rows come as fast as the disk takes them; what is there afterwards
looks as if the hub had written it: delivered CDRs that are checked and on no statement.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

DAYS = 5
"""Days that message records are spread over."""
HELD_EACH = 10_000
"""One of so many CDRs is held."""

_CDR_BODY = """json_build_object('country_code', $1::text, 'party_id', $2::text, 'id', 'C' || n,
    'currency', 'EUR', 'total_energy', 10 + n % 500 / 10.0,
    'total_cost', json_build_object('excl_vat', 4 + n % 300 / 10.0),
    'start_date_time', ended - interval '1 hour', 'end_date_time', ended,
    'remarks', repeat('x', 600))"""
_DIRECTED = f"""
insert into directed_object (module, country_code, party_id, object_id, receiver_country_code,
    receiver_party_id, body, fingerprint, last_updated, correlation_id, state, sent_version,
    received_at, delivered_at)
select 'cdrs', $1, $2, 'C' || n, $3, $4, {_CDR_BODY}, decode(md5(n::text), 'hex'), ended, 'c-' || n,
    case when n % {HELD_EACH} = 0 then 'held' else 'delivered' end,
    case when n % {HELD_EACH} = 0 then 0 else 1 end,
    ended, ended
from (select n, $5::timestamptz - ($6 - n) * $7::interval as ended
    from generate_series(1, $6::integer) n) as made
"""  # noqa: S608  # nothing in it comes from outside
_LEDGER = """
insert into cdr_ledger (country_code, party_id, cdr_id, spelled_id, receiver_country_code,
    receiver_party_id, version, received_at, session_id, location_id, evse_uid, evse_id,
    connector_id, started_at, ended_at, energy_kwh, time_h, currency, cost_excl_vat,
    cost_incl_vat, is_credit, checked_at, price_verdict, price_excl_vat, price_incl_vat, price_vat,
    metering, check_at)
select $1, $2, 'C' || n, 'C' || n, $3, $4, 1, ended, 'S' || n, 'LOC' || n % 5000, 'E1',
    'NL*CPO*E' || n % 5000, '1', ended - interval '1 hour', ended, 10 + n % 500 / 10.0, 1, 'EUR',
    4 + n % 300 / 10.0, (4 + n % 300 / 10.0) * 1.21, false, ended, 'equal', 4 + n % 300 / 10.0,
    (4 + n % 300 / 10.0) * 1.21, '[{"rate": "21", "excl_vat": "4", "vat": "0.84"}]',
    'not_verifiable', null
from (select n, $5::timestamptz - ($6 - n) * $7::interval as ended
    from generate_series(1, $6::integer) n) as made
"""
_STEPS = f"""
insert into cdr_transition (country_code, party_id, cdr_id, at, version, from_stage, to_stage,
    actor)
select $1, $2, 'C' || n, ended + step * interval '1 millisecond', 1,
    case when step = 1 then 'received' end,
    case when step = 0 then 'received' when n % {HELD_EACH} = 0 then 'held' else 'delivered' end,
    case when step = 0 then 'owner' else 'receiver ' || $3::text || '*' || $4::text end
from (select n, $5::timestamptz - ($6 - n) * $7::interval as ended
    from generate_series(1, $6::integer) n) as made
cross join generate_series(0, 1) step
order by n, step
"""  # noqa: S608  # nothing in it comes from outside
_TOKENS = """
insert into shared_object (module, country_code, party_id, object_id, object_type, position, body,
    last_updated, origin, correlation_id)
select 'tokens', $1, $2, 'T' || n, 'RFID', nextval('shared_object_position'),
    json_build_object('country_code', $1::text, 'party_id', $2::text, 'uid', 'T' || n,
        'type', 'RFID', 'contract_id', 'DE-MSP-C' || n, 'issuer', 'A provider', 'valid', true,
        'whitelist', 'ALLOWED', 'last_updated', now()), now(), 'broadcast', 'bench'
from generate_series(1, $3::integer) n
"""
_MESSAGES = """
insert into {table} (at, kind, direction, platform_id, sender, receiver, module, interface_role,
    method, path, http, ocpi, ms, correlation_id, request_id, request_bytes, response_bytes,
    outcome, cut)
select $1::timestamptz + n * interval '1 day' / $2::integer, 'relay',
    case when n % 2 = 0 then 'in' else 'out' end,
    case when n % 2 = 0 then 'p-nl-cpo' else 'p-de-msp' end, 'NL*CPO', 'DE*MSP',
    (array['tokens', 'locations', 'sessions', 'cdrs'])[1 + n % 4], 'RECEIVER',
    case when n % 3 = 0 then 'POST' else 'PUT' end, '/ocpi/2.2.1/receiver/' || n,
    case when n % 1000 < 2 then 500 else 200 end, 1000, 5 + n % 100,
    'c-' || $3::text || '-' || n / 2, 'r-' || n, 400, 200, 'answered', false
from generate_series(0, $2::integer - 1) n
"""


async def store_cdrs(
    connection: Connection,
    cpo: PartyId,
    emsp: PartyId,
    number: int,
    until: datetime,
    apart: timedelta = timedelta(seconds=1),
) -> None:
    """CDRs that ended before a moment, so far apart; one of `HELD_EACH` is held."""
    place = (*party_columns(cpo), *party_columns(emsp), until, number, apart)
    async with connection.transaction():
        await _quickly(connection)
        await connection.execute(_DIRECTED, *place, timeout=1800)
        await connection.execute(_LEDGER, *place, timeout=1800)
        await connection.execute(_STEPS, *place, timeout=1800)


async def store_many_tokens(connection: Connection, owner: PartyId, number: int) -> None:
    async with connection.transaction():
        await _quickly(connection)
        await connection.execute(_TOKENS, owner.country_code, owner.party_id, number, timeout=1800)


async def store_messages(connection: Connection, number: int) -> None:
    """Records of the days before today, the same number each."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(1, DAYS + 1):
        begin = today - timedelta(days=ago)
        table = f"message_{begin:%Y%m%d}"
        async with connection.transaction():
            await _quickly(connection)
            await connection.execute(
                f"create table {table} (like message including defaults including constraints)"
            )
            await connection.execute(
                _MESSAGES.format(table=table), begin, number // DAYS, table, timeout=1800
            )
            # Indexes are made at once rather than row by row.
            await connection.execute(
                f"alter table message attach partition {table} for values"
                f" from ('{begin.isoformat()}') to ('{(begin + timedelta(days=1)).isoformat()}')",
                timeout=1800,
            )


async def _quickly(connection: Connection) -> None:
    """For this transaction: no triggers, no limit of time."""
    await connection.execute(
        "set local session_replication_role = replica; set local statement_timeout = 0;"
        " set local synchronous_commit = off"
    )
