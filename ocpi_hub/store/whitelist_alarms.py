"""What was said about the age of what is known of tokens, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ocpi_hub.delivery.whitelist_staleness import Judged
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("whitelist")


class PostgresWhitelistAlarms:
    """Implements `delivery.whitelist_staleness.StalenessStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ages_s(self) -> Mapping[PartyId, float | None]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.ages)
        return {PartyId(row["country_code"], row["party_id"]): row["age_s"] for row in rows}

    async def note(self, judged: Collection[Judged]) -> Collection[tuple[str, str]]:
        rows = sorted((each.cpo, str(each.emsp), each.freshness.value) for each in judged)
        async with self._database.transaction() as connection:
            await connection.execute(SQL.forget_alarms, *columns((row[:2] for row in rows), 2))
            changed = await connection.fetch(SQL.note_alarms, *columns(rows, 3))
        return [(row["cpo"], row["emsp"]) for row in changed]
