"""Rows of the CDR ledger, written with the CDRs themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ocpi_hub.clearing.ledger import Examination, VatAmount
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import UNAVAILABLE
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("cdr_ledger")

log = get_logger(__name__)


@value
class LedgerRow:
    """A CDR's place in the ledger.

    Attributes:
        version: which content was examined.
        received_at: None: now.
    """

    key: ObjectKey
    receiver: PartyId
    version: int
    examined: Examination
    received_at: datetime | None = None


async def store_ledger(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    """Enter CDRs, or replace what was found about them. Nothing older replaces a newer version."""
    if not rows:
        return
    await connection.execute(SQL.store, *columns(map(_columns, rows), 32))


async def store_ledger_apart(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    """As `store_ledger`, but what cannot be entered is left out, and found again by who looks for
    CDRs without an entry: the CDR counts for more than its row."""
    for row in rows:
        try:
            async with connection.transaction():
                await store_ledger(connection, [row])
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - a row may fail in any way
            log.error("cdr_not_in_ledger", owner=str(row.key.owner), error=str(error))


def _columns(row: LedgerRow) -> tuple[object, ...]:
    facts, price = row.examined.facts, row.examined.price
    findings = row.examined.findings
    return (
        *party_columns(row.key.owner),
        row.key.object_id,
        facts.spelled_id,
        *party_columns(row.receiver),
        row.version,
        facts.session_id,
        facts.authorization_reference,
        facts.location_id,
        facts.evse_uid,
        facts.evse_id,
        facts.connector_id,
        facts.started_at,
        facts.ended_at,
        facts.energy_kwh,
        facts.time_h,
        facts.parking_h,
        facts.currency,
        facts.cost_excl_vat,
        facts.cost_incl_vat,
        facts.is_credit,
        facts.credited_id,
        row.examined.complete,
        price.verdict if price else None,
        price.excl_vat if price else None,
        price.incl_vat if price else None,
        json.dumps([_vat(part) for part in price.vat]) if price else None,
        row.examined.metering,
        json.dumps([{"code": f.code, "text": f.text, "hold": f.hold} for f in findings]),
        row.received_at,
        row.examined.later,
    )


def _vat(part: VatAmount) -> dict[str, str | None]:
    return {
        "rate": None if part.rate is None else str(part.rate),
        "excl_vat": str(part.excl_vat),
        "vat": str(part.vat),
    }
