"""What the messages of one correlation id were about: CDRs, decisions, and what was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.lane_admin import GapRow, gap_row
from ocpi_hub.store.queries import Queries

SQL = Queries("correlated")

MOST: Final = 20
"""Of each kind that are looked up."""
_SOON: Final = timedelta(minutes=2)


@value
class CorrelatedCdr:
    """A CDR that came, or was changed last, with this correlation id."""

    owner: PartyId
    cdr_id: str
    receiver: PartyId
    state: DirectedState
    attempts: int


@value
class CorrelatedDecision:
    """A decision about an authorization."""

    at: datetime
    cpo: PartyId
    emsp: PartyId | None
    decided_by: str
    reason: str
    allowed: str | None


class Correlated:
    """Looks up what correlation ids belong to. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cdrs(self, correlation_id: str) -> Sequence[CorrelatedCdr]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.cdrs, correlation_id, MOST)
        return [
            CorrelatedCdr(
                PartyId(row["country_code"], row["party_id"]),
                row["object_id"],
                PartyId(row["receiver_country_code"], row["receiver_party_id"]),
                DirectedState(row["state"]),
                row["attempts"],
            )
            for row in rows
        ]

    async def decisions(self, correlation_id: str, began: datetime) -> Sequence[CorrelatedDecision]:
        """Decisions about a request that began then."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.decisions, correlation_id, began - _SOON, began + _SOON, MOST
            )
        return [_decision(row) for row in rows]

    async def gaps(self, lane: LaneId, correlation_id: str) -> Sequence[GapRow]:
        """Objects as they came with this correlation id that the receiver did not take."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.gaps, *party_columns(lane.receiver), lane.module, correlation_id, MOST
            )
        return [gap_row(row, lane.module) for row in rows]


def _decision(row: asyncpg.Record) -> CorrelatedDecision:
    emsp = row["emsp_country_code"]
    return CorrelatedDecision(
        row["at"],
        PartyId(row["cpo_country_code"], row["cpo_party_id"]),
        PartyId(emsp, row["emsp_party_id"]) if emsp else None,
        row["decided_by"],
        row["reason"],
        row["allowed"],
    )
