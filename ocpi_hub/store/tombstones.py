"""Removing old tombstones from PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.tombstones import OwnersOf
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import request_backfills
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("tombstones")


class PostgresTombstoneStore:
    """Implements `delivery.tombstones.TombstoneStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remove(self, older_than: timedelta, limit: int, owners_of: OwnersOf) -> int:
        async with self._database.transaction() as connection:
            removed = await connection.fetch(SQL.remove, older_than, limit)
            if not removed:
                return 0
            await connection.execute(SQL.remove_gaps, *columns(map(tuple, removed), 7)[:6])
            highest: dict[str, int] = {}
            for row in removed:
                highest[row["module"]] = max(highest.get(row["module"], 0), row["position"])
            rows = await connection.fetch(SQL.laggards, *columns(highest.items(), 2))
            laggards = [
                LaneId(PartyId(row["country_code"], row["party_id"]), row["module"]) for row in rows
            ]
            await request_backfills(
                connection, [(lane, owner) for lane in laggards for owner in owners_of(lane)]
            )
        for lane in laggards:
            log.warning("laggard_starts_over", receiver=str(lane.receiver), module=lane.module)
        return len(removed)
