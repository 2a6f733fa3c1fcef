"""Shared objects in PostgreSQL, written in batches under the module's lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from ocpi_hub.delivery.shared import Applied, Change, Changed, Page, apply, published_key
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.writer import BatchWriter

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("shared")

KeyColumns = tuple[str, str, str, str, str, str]


def key_columns(key: ObjectKey) -> KeyColumns:
    """Primary key columns of a shared object."""
    return (
        key.module,
        key.owner.country_code,
        key.owner.party_id,
        key.object_id,
        key.object_type,
        key.audience,
    )


class PostgresSharedStore:
    """Implements `delivery.shared.SharedStore`.

    Args:
        relay_time: how long the request that brings an addressed object has to relay it, before
            the feed takes it over.
    """

    def __init__(
        self, database: Database, *, relay_time: timedelta, batch_rows: int, batch_queue_rows: int
    ) -> None:
        self._database = database
        self._relay_time = relay_time
        self.changes: BatchWriter[Change, Changed] = BatchWriter(
            "shared objects", self._write, max_rows=batch_rows, max_queued=batch_queue_rows
        )

    async def change(self, change: Change) -> Changed:
        return await self.changes.submit(change)

    async def find(self, key: ObjectKey) -> SharedObject | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *key_columns(key))
        return _shared_object(row) if row else None

    async def page(
        self, module: str, reader: PartyId, owners: Sequence[PartyId], page: PageRequest
    ) -> Page:
        countries, parties = columns(map(party_columns, owners), 2)
        place = (module, str(reader), countries, parties)
        window = (page.date_from, page.date_to)
        cursor = page.cursor
        async with self._database.connection() as connection:
            total = (
                cursor.total if cursor else await connection.fetchval(SQL.count, *place, *window)
            )
            rows = await connection.fetch(
                SQL.page,
                *place,
                cursor.after_serial if cursor else 0,
                *window,
                0 if cursor else page.offset,
                page.limit,
                page.max_bytes,
            )
        return page_of(rows, total)

    # Writing -------------------------------------------------------------------------------------

    async def _write(self, changes: Sequence[Change]) -> Sequence[Changed]:
        """Apply changes in order of arrival; each object is written once."""
        async with self._database.transaction() as connection:
            for module in sorted({change.key.module for change in changes}):
                await connection.execute(SQL.lock_module, module)
            rows = await self._rows(connection, changes)
            before = dict(rows)
            results = [_apply(rows, change) for change in changes]
            dirty = sorted(
                (key_columns(key), row) for key, row in rows.items() if row is not before.get(key)
            )
            if dirty:
                values = (_stored(key, row) for key, row in dirty)
                await connection.execute(SQL.store_changes, *columns(values, 10))
            addressed = [key for key, row in dirty if row.key.audience != EVERYBODY]
            if addressed:
                await connection.execute(
                    SQL.owe_addressed, *columns(addressed, 6), self._relay_time
                )
        return results

    async def _rows(
        self, connection: Connection, changes: Sequence[Change]
    ) -> dict[ObjectKey, SharedObject]:
        keys = {change.key for change in changes}
        keys |= {published_key(change.key) for change in changes if change.partial}
        found = await connection.fetch(SQL.rows_of_keys, *columns(map(key_columns, keys), 6))
        present = (_shared_object(row) for row in found if not row["deleted"])
        return {row.key: row for row in present}


def _apply(rows: dict[ObjectKey, SharedObject], change: Change) -> Changed:
    current = rows.get(change.key)
    applied: Applied = apply(current, rows.get(published_key(change.key)), change)
    if applied.body is not None:
        base = current or SharedObject(
            change.key, "", change.last_updated, 0, 0, change.origin, change.correlation_id
        )
        rows[change.key] = replace(
            base,
            body=applied.body,
            last_updated=change.last_updated,
            origin=change.origin,
            correlation_id=change.correlation_id,
        )
    return applied.changed


def _stored(key: KeyColumns, row: SharedObject) -> tuple[object, ...]:
    return (*key, row.body, row.last_updated, row.origin, row.correlation_id)


def _shared_object(row: asyncpg.Record) -> SharedObject:
    owner = PartyId(row["country_code"], row["party_id"])
    return SharedObject(
        key=ObjectKey(row["module"], owner, row["object_id"], row["object_type"], row["audience"]),
        body=row["body"],
        last_updated=row["last_updated"],
        position=row["position"],
        serial=row["serial"],
        origin=Origin(row["origin"]),
        correlation_id=row["correlation_id"],
    )


def page_of(rows: Sequence[asyncpg.Record], total: int) -> Page:
    """A page; `found` of its rows counts them and a row that follows, if there is one."""
    more = bool(rows) and rows[-1]["found"] > len(rows)
    return Page(
        texts=tuple(row["body"] for row in rows),
        total=total,
        last_serial=rows[-1]["serial"] if more else None,
        serials=tuple(row["serial"] for row in rows),
    )
