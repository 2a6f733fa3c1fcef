"""Open Routing by ids, from what PostgreSQL holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("addressees")


class PostgresAddressees:
    """Implements `routing.addressees.Addressees`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def with_location(
        self, location_id: str, asker: PartyId, among: Sequence[PartyId]
    ) -> Collection[PartyId]:
        owners = columns(map(party_columns, among), 2)
        return await self._parties(SQL.with_location, location_id, str(asker), *owners)

    async def with_session(
        self, session_id: str, asker: PartyId, among: Sequence[PartyId]
    ) -> Collection[PartyId]:
        owners = columns(map(party_columns, among), 2)
        return await self._parties(SQL.with_session, session_id, *party_columns(asker), *owners)

    async def with_reservation(self, reservation_id: str, asker: PartyId) -> Collection[PartyId]:
        return await self._parties(SQL.with_reservation, reservation_id, *party_columns(asker))

    async def with_profile(self, session_id: str, owner: PartyId) -> Collection[PartyId]:
        return await self._parties(SQL.with_profile, session_id, *party_columns(owner))

    async def _parties(self, query: str, object_id: str, *rest: object) -> Collection[PartyId]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(query, object_id.upper(), *rest)
        return {PartyId(row["country_code"], row["party_id"]) for row in rows}
