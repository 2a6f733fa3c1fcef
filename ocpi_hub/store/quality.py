"""Counts of mild faults in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId, PlatformId
from ocpi_hub.domain.quality import Example, Tally, TallyKey
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.platform_admin import unknown_platform
from ocpi_hub.store.queries import Queries

SQL = Queries("quality")


@dataclass(frozen=True, slots=True)
class QualityRow:
    """How often a platform broke a rule.

    Attributes:
        name: of the platform.
    """

    key: TallyKey
    name: str
    tally: Tally


class PostgresQualityStore:
    """Implements `delivery.quality.QualityStore`, and lists what is counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tallies: Mapping[TallyKey, Tally]) -> None:
        rows = (
            (
                *(key.platform_id, key.module, key.rule),
                *(tally.count, tally.first_at, tally.last_at),
                *(tally.example.object_id, tally.example.field, tally.example.shape),
            )
            for key, tally in tallies.items()
        )
        async with self._database.transaction() as connection:
            await connection.execute(SQL.add, *columns(rows, 9))

    async def held(self, tariffs: Collection[ObjectKey]) -> Collection[ObjectKey]:
        names = columns(((*party_columns(each.owner), each.object_id) for each in tariffs), 3)
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.held_tariffs, *names)
        return [
            ObjectKey(
                Module.TARIFFS.value,
                PartyId(row["country_code"], row["party_id"]),
                row["object_id"],
            )
            for row in rows
        ]

    async def list(self, platform_id: PlatformId | None = None) -> Sequence[QualityRow]:
        """What is counted, by platform, module and rule.

        Args:
            platform_id: None: of all platforms.

        Raises:
            NoSuchObject: there is no such platform.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.list, platform_id)
            known = bool(rows) or await connection.fetchval(SQL.platform_exists, platform_id)
        if platform_id is not None and not known:
            raise unknown_platform(platform_id)
        return [
            QualityRow(
                TallyKey(PlatformId(row["platform_id"]), row["module"], row["rule"]),
                row["name"],
                Tally(
                    row["count"],
                    row["first_at"],
                    row["last_at"],
                    Example(row["object_id"], row["field"], row["shape"]),
                ),
            )
            for row in rows
        ]
