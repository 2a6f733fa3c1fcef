"""Open circuits in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("circuits")

CHANNEL = "ocpi_hub_circuits"
"""Notified when a circuit opens or closes."""
LONGEST_PAUSE = timedelta(seconds=60)


class PostgresCircuitStore:
    """Implements `authorization.circuit_keeper.CircuitStore`.

    Args:
        pause: until the first probe; doubles up to `LONGEST_PAUSE`.
        lease: after which another process may probe instead of one that fell silent.
    """

    def __init__(self, database: Database, *, pause: timedelta, lease: timedelta) -> None:
        self._database = database
        self._pause = pause
        self._lease = lease

    async def due_in_s(self) -> Mapping[PlatformId, float]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.due)
        return {PlatformId(row["platform_id"]): row["due_in_s"] for row in rows}

    async def open(self, platform_id: PlatformId) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.open, platform_id, self._pause)

    async def claim(self, platform_id: PlatformId) -> bool:
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(SQL.claim, platform_id, self._lease))

    async def failed(self, platform_id: PlatformId) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.failed, platform_id, self._pause, LONGEST_PAUSE)

    async def close(self, platform_id: PlatformId) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.close, platform_id)
