"""Sessions in PostgreSQL: changes through a batching writer, pages, looking up.

The rules are `delivery/session_custody.py`; here they are applied to locked rows, each of which is
written once per batch. Claims and verdicts are those of `store/custody.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from ocpi_hub.delivery.session_change import SessionChange, SessionPage, Taken
from ocpi_hub.delivery.session_custody import take_change
from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import InvalidRequest, StoreError
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns
from ocpi_hub.store.custody import SQL as CUSTODY_SQL
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import directed_object, key_columns
from ocpi_hub.store.pages import page_of, read_page
from ocpi_hub.store.session_rows import SQL, insert_new, store_changed
from ocpi_hub.store.writer import BatchWriter

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

Rows = Mapping[ObjectKey, DirectedObject]


class PostgresSessionStore:
    """Implements `delivery.session_change.SessionStore`.

    Args:
        lease: how long an attempt may take before another worker takes the session over.
    """

    def __init__(
        self, database: Database, *, lease: timedelta, batch_rows: int, batch_queue_rows: int
    ) -> None:
        self._database = database
        self._lease = lease
        self.changes: BatchWriter[SessionChange, Taken | InvalidRequest] = BatchWriter(
            "sessions", self._write, max_rows=batch_rows, max_queued=batch_queue_rows
        )

    async def take(self, change: SessionChange) -> Taken:
        try:
            taken = await self.changes.submit(change)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(f"the session cannot be stored: {error}") from error
        if isinstance(taken, InvalidRequest):
            raise taken
        return taken

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(CUSTODY_SQL.find, *key_columns(key))
        return directed_object(row) if row else None

    async def called(self, session_id: str) -> Sequence[DirectedObject]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.called, session_id.upper())
        return [directed_object(row) for row in rows]

    async def page(self, reader: PartyId, page: PageRequest) -> SessionPage:
        place = (Module.SESSIONS.value, reader.country_code, reader.party_id)
        rows, total = await read_page(
            self._database, page, CUSTODY_SQL.count, CUSTODY_SQL.page, place
        )
        return SessionPage(page_of(rows, total), tuple(row["version"] for row in rows))

    async def fetched(self, receiver: PartyId, shown: SessionPage) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.fetched,
                receiver.country_code,
                receiver.party_id,
                list(shown.page.serials),
                list(shown.versions),
            )

    # Changes -------------------------------------------------------------------------------------

    async def _write(self, changes: Sequence[SessionChange]) -> Sequence[Taken | InvalidRequest]:
        """Apply changes in order of arrival."""
        results: dict[int, Taken | InvalidRequest] = {}
        left = dict(enumerate(changes))
        async with self._database.transaction() as connection:
            # What another transaction brought first is seen in the second round.
            while left:
                held = await self._held(connection, {change.key for change in left.values()})
                done = await self._apply(connection, held, left)
                results |= done
                left = {number: change for number, change in left.items() if number not in done}
        return [results[number] for number in range(len(changes))]

    async def _held(self, connection: Connection, keys: Iterable[ObjectKey]) -> Rows:
        """The rows that are there, locked."""
        arrays = columns(sorted(key_columns(key) for key in keys), 4)
        rows = await connection.fetch(CUSTODY_SQL.lock_rows, *arrays)
        return {row.key: row for row in map(directed_object, rows)}

    async def _apply(
        self, connection: Connection, held: Rows, changes: Mapping[int, SessionChange]
    ) -> dict[int, Taken | InvalidRequest]:
        """Apply changes and write what came of them; results by number, without those of sessions
        that turned out to be there already."""
        now = await connection.fetchval("select now()")
        rows = dict(held)
        results: dict[int, Taken | InvalidRequest] = {}
        for number, change in changes.items():
            try:
                taken = take_change(rows.get(change.key), change, now, self._lease)
            except InvalidRequest as refusal:
                results[number] = refusal
                continue
            results[number] = taken
            if taken.row is not None:
                rows[change.key] = taken.row
        changed = [row for key, row in rows.items() if key in held and row != held[key]]
        new = [rows[key] for key in sorted(rows) if key not in held]
        await store_changed(connection, changed)
        inserted = await insert_new(connection, new) if new else ()
        lost = {row.key for row in new} - {_key(columns_) for columns_ in inserted}
        return {
            number: taken for number, taken in results.items() if changes[number].key not in lost
        }


def _key(found: tuple[str, str, str, str]) -> ObjectKey:
    module, country_code, party_id, object_id = found
    return ObjectKey(module, PartyId(country_code, party_id), object_id)
