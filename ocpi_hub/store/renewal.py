"""Which platform's credentials are renewed next, in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("renewal")


class PostgresRenewalStore:
    """Implements `registration.renewal.RenewalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, max_age: timedelta, offer_digest: bytes | None, *, pause: timedelta, lease: timedelta
    ) -> PlatformId | None:
        async with self._database.transaction() as connection:
            if not await connection.fetchval(SQL.have_the_turn):
                return None
            found = await connection.fetchval(SQL.claim, max_age, offer_digest, pause, lease)
        return PlatformId(found) if found is not None else None

    async def settle(self, platform_id: PlatformId, *, pause: timedelta, error: str | None) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.settle, platform_id, pause, error)
