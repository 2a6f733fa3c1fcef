"""What files need of CDRs in custody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import directed_object, key_arrays
from ocpi_hub.store.queries import Queries

SQL = Queries("cdr_files")

PAGE: Final = 1000
PAGE_BYTES: Final = 8 * 1024 * 1024


class CdrFileStore:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        cpo: PartyId,
        emsp: PartyId,
        after: int,
        since: datetime | None,
        until: datetime | None,
        limit: int = PAGE,
    ) -> Sequence[tuple[int, str]]:
        """Serials and texts of CDRs that no hold keeps back, after a serial; empty at the end."""
        place = (*party_columns(cpo), *party_columns(emsp))
        reading = self._database.planned if since or until else self._database.connection
        async with reading() as connection:
            rows = await connection.fetch(SQL.page, *place, after, since, until, limit, PAGE_BYTES)
        return [(row["serial"], row["body"]) for row in rows]

    async def settled_before(self, margin: timedelta) -> datetime:
        """A moment so long ago that what was changed before it is committed."""
        async with self._database.connection() as connection:
            moment: datetime = await connection.fetchval(SQL.settled_before, margin)
        return moment

    async def hand_over(
        self,
        cpo: PartyId,
        emsp: PartyId,
        upto: int,
        since: datetime | None,
        until: datetime | None,
        untouched_since: datetime,
    ) -> int:
        """What waits and was written to a file is delivered by it; how many CDRs that are.

        Args:
            upto: the last serial in the file.
        """
        place = (*party_columns(cpo), *party_columns(emsp))
        handed = 0
        async with self._database.connection() as connection:
            while True:
                done = await connection.execute(
                    SQL.hand_over, *place, upto, since, until, untouched_since
                )
                if not (count := int(done.split()[-1])):
                    return handed
                handed += count

    async def find_all(self, keys: Sequence[ObjectKey]) -> Mapping[ObjectKey, DirectedObject]:
        """Those that are in custody."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.find_all, *key_arrays(keys))
        return {row.key: row for row in map(directed_object, rows)}
