"""Files on their way in: staged while they are checked, taken over bit by bit once all is good.

A session lock makes one import of an owner's objects at a time; it goes with the connection, so an
import that is unfinished while somebody has the lock belongs to nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ocpi_hub.delivery.files.imports import Figures, FileImport, ImportState, StagedRow
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError, StoreError
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries

SQL = Queries("file_import")

KEPT: Final = timedelta(days=400)
"""For which the record of an import that is over is kept."""
LOCK_WAIT_S = 3.0
_LOCK_RETRY_S = 0.1
_CLOSE_S = 5.0

_TRY_LOCK: Final = """
select pg_try_advisory_lock(
    hashtextextended('ocpi_hub import ' || $1::text || ' ' || $2::text || '*' || $3::text, 0))
"""
"""Not among the queries of the pool: it stays with its session, which is closed in the end."""

Conclude = Callable[[Connection, FileImport], Awaitable[None]]


class FileImportStore:
    """Imports of files. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self, module: str, owner: PartyId) -> AsyncIterator[None]:
        """Nobody else imports objects of this owner inside the block.

        Raises:
            OperatorError: somebody does.
        """
        connection = await self._database.dedicated()
        try:
            if not await _lock(connection, module, owner):
                raise OperatorError(f"another import of {module} of {owner} is under way")
            yield
        finally:
            try:
                await connection.close(timeout=_CLOSE_S)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    async def unfinished(self, module: str, owner: PartyId) -> FileImport | None:
        """The import whose process died; only for who is `alone`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.unfinished, module, *party_columns(owner))
        return _import_of(row) if row else None

    async def list(
        self,
        module: str | None,
        owner: PartyId | None,
        limit: int,
        *,
        before: int | None = None,
    ) -> Sequence[FileImport]:
        """Imports on record, newest first.

        Args:
            before: number of the import behind which the list goes on.
        """
        place = (module, *(party_columns(owner) if owner else (None, None)))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.list, *place, before, limit)
        return [_import_of(row) for row in rows]

    async def begin(
        self, module: str, owner: PartyId, as_of: datetime | None, *, full: bool
    ) -> FileImport:
        """Begin an import.

        Args:
            as_of: when the file's content was true; None, or in the future: now.
        """
        place = (module, *party_columns(owner))
        async with self._database.transaction() as connection:
            await connection.execute(SQL.forget, *place, KEPT)
            row = await connection.fetchrow(SQL.begin, *place, full, as_of)
        if row is None:
            raise AssertionError("an insert without a conflict clause returns its row")
        return _import_of(row)

    async def stage(self, import_id: int, rows: Sequence[StagedRow]) -> Sequence[tuple[int, int]]:
        """Keep objects until all are known to be good.

        Returns:
            Lines with an object that was staged already, each with the first such line.
        """
        values = [(r.line, r.object_id, r.object_type, r.last_updated, r.body) for r in rows]
        async with self._database.transaction() as connection:
            staged = await connection.fetch(SQL.stage, import_id, *columns(values, 5))
            lines = {row["line"] for row in staged}
            again = [each[:3] for each in values if each[0] not in lines]
            if not again:
                return []
            found = await connection.fetch(SQL.first_lines, import_id, *columns(again, 3))
        return [(row["line"], row["first_line"]) for row in found]

    async def rows(
        self, import_id: int, after: int, limit: int, max_bytes: int
    ) -> Sequence[StagedRow]:
        """Staged objects in the order of lines, after a line; not more bytes than given, unless
        there is only one."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.rows_after, import_id, after, limit, max_bytes)
        return [StagedRow(**dict(row)) for row in rows]

    async def drop(self, import_id: int, lines: Sequence[int]) -> None:
        """Leave objects out."""
        async with self._database.connection() as connection:
            await connection.execute(SQL.drop_lines, import_id, list(lines))

    async def leave_out(self, import_id: int, line: int) -> None:
        """An object cannot be taken over."""
        async with self._database.transaction() as connection:
            await settle_rows(connection, import_id, [line], Figures(errors=1))

    async def absent(self, running: FileImport) -> int:
        """How many tokens that the hub has the file lacks; while they are staged."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                SQL.absent,
                running.import_id,
                *party_columns(running.owner),
                running.as_of,
            )
        return count

    async def approve(self, running: FileImport, seen: int, errors: int) -> FileImport:
        """All that is staged is good: from now on it will be taken over, whatever happens."""
        return await self._changed(SQL.approve, running.import_id, seen, errors)

    async def fail(self, running: FileImport, seen: int, errors: int, note: str) -> FileImport:
        """End an import of which nothing was taken over."""
        async with self._database.transaction() as connection:
            await connection.execute(SQL.forget_rows, running.import_id)
            row = await connection.fetchrow(SQL.fail, running.import_id, seen, errors, note)
        return _required(row)

    async def discard(self, running: FileImport) -> None:
        """Leave no trace."""
        async with self._database.connection() as connection:
            await connection.execute(SQL.discard, running.import_id)

    async def finish(self, running: FileImport, conclude: Conclude) -> FileImport:
        """Everything is taken over; `conclude` says what follows, in the same transaction."""
        async with self._database.transaction() as connection:
            row = _required(await connection.fetchrow(SQL.finish, running.import_id))
            await conclude(connection, row)
        return row

    async def _changed(self, query: str, *arguments: object) -> FileImport:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, *arguments)
        return _required(row)


async def _lock(
    connection: asyncpg.Connection[asyncpg.Record], module: str, owner: PartyId
) -> bool:
    """The server needs a moment to notice that the process which had it is dead."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while not await connection.fetchval(_TRY_LOCK, module, *party_columns(owner)):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_LOCK_RETRY_S)
    return True


async def settle_rows(
    connection: Connection, import_id: int, lines: Sequence[int], figures: Figures
) -> None:
    """Staged objects are taken over in this transaction: they are done with, and counted.

    Raises:
        StoreError: somebody else took them over.
    """
    done = await connection.execute(SQL.drop_lines, import_id, list(lines))
    if int(done.split()[-1]) != len(lines):
        raise StoreError("another process goes on with this import")
    await connection.execute(
        SQL.count,
        import_id,
        figures.added,
        figures.changed,
        figures.known,
        figures.older,
        figures.errors,
    )


def _required(row: asyncpg.Record | None) -> FileImport:
    if row is None:
        raise StoreError("the import is not there any more")
    return _import_of(row)


def _import_of(row: asyncpg.Record) -> FileImport:
    return FileImport(
        import_id=row["import_id"],
        module=row["module"],
        owner=PartyId(row["country_code"], row["party_id"]),
        state=ImportState(row["state"]),
        full=row["is_full"],
        as_of=row["as_of"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        seen=row["seen"],
        figures=Figures(row["added"], row["changed"], row["known"], row["older"], row["errors"]),
        note=row["note"],
    )
