"""Shared objects in PostgreSQL, written in batches under the module's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ocpi_hub.delivery.dating import is_ahead
from ocpi_hub.delivery.shared import Change, Changed, Deletion, Page, Placed
from ocpi_hub.delivery.shared_batch import SharedBatch, overtaken_within
from ocpi_hub.delivery.unpublished import SERVES_TOKEN_HOLDERS
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, StoreError, StoreUnavailable
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.pages import page_of, read_page
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.shared_rows import (
    deleted_row,
    key_columns,
    place_columns,
    rewritten_row,
    shared_object,
    stored_row,
)
from ocpi_hub.store.writer import BatchWriter
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

log = get_logger(__name__)

SQL = Queries("shared")

NOTED_S = 600.0
"""Seconds for which a process remembers that it has noted who pushes: parties move."""


Also = Callable[["Connection", Sequence[Changed | InvalidRequest]], Awaitable[None]]
"""What is written with changes, in their transaction, given what became of them."""


class PostgresSharedStore:
    """Implements `delivery.shared.SharedStore`.

    Args:
        relay_time: how long the request that brings an addressed object has to relay it, before
            the feed takes it over.
        changed: told the key of each object that was, or may have been, written.
    """

    def __init__(
        self,
        database: Database,
        *,
        relay_time: timedelta,
        batch_rows: int,
        batch_queue_rows: int,
        changed: Callable[[ObjectKey], None] = lambda _key: None,
    ) -> None:
        self._database = database
        self._changed = changed
        self._relay_time = relay_time
        self.changes: BatchWriter[Change | Deletion, Placed | InvalidRequest] = BatchWriter(
            "shared objects", self._write_placed, max_rows=batch_rows, max_queued=batch_queue_rows
        )
        self._pushing: dict[tuple[str, PartyId], float] = {}

    async def change(self, change: Change) -> Changed:
        return (await self.place(change)).changed

    async def change_each(self, changes: Sequence[Change]) -> Sequence[Changed | StoreError]:
        waiting: list[asyncio.Future[Placed | InvalidRequest]] = []
        try:
            # Without a task for each: lists bring a million.
            waiting.extend(map(self.changes.enqueue, changes))
        finally:
            try:
                if waiting:
                    await asyncio.wait(waiting)
            finally:
                for change in changes:
                    self._changed(change.key)  # in doubt too, as in `place`
        return list(map(_outcome, waiting))

    async def delete(self, deletion: Deletion) -> Changed:
        return (await self.place(deletion)).changed

    async def change_all(
        self, changes: Sequence[Change], also: Also
    ) -> Sequence[Changed | InvalidRequest]:
        """Apply changes in a transaction of their own; few thousand at most: others wait."""
        try:
            return await self._write(changes, also)
        finally:
            for change in changes:
                self._changed(change.key)

    async def preview(self, changes: Sequence[Change]) -> Sequence[Changed | InvalidRequest]:
        """What would become of changes now; nothing is written."""
        async with self._database.connection() as connection:
            rows = await self._rows(connection, SharedBatch.keys_of(changes))
        batch = SharedBatch(rows, datetime.now(UTC))
        return [_apply(batch, change) for change in changes]

    async def place(self, change: Change | Deletion) -> Placed:
        try:
            placed = await self.changes.submit(change)
        finally:
            self._changed(change.key)  # in doubt too: without an answer it may be stored
        if isinstance(placed, InvalidRequest):
            raise placed
        return placed

    async def find(self, key: ObjectKey) -> SharedObject | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *key_columns(key))
        return shared_object(row) if row else None

    async def visible(
        self,
        module: str,
        object_id: str,
        reader: PartyId,
        owners: Sequence[PartyId],
        *,
        to_publish: bool = False,
    ) -> Sequence[SharedObject]:
        # A key folds the id as it was folded when it was stored.
        folded = ObjectKey(module, reader, object_id).object_id
        place = (str(reader), *columns(map(party_columns, owners), 2))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.visible, module, folded, *place, to_publish)
        return [shared_object(row) for row in rows]

    async def page(
        self,
        module: str,
        reader: PartyId,
        owners: Sequence[PartyId],
        page: PageRequest,
        *,
        to_publish: bool = False,
    ) -> Page:
        countries, parties = columns(map(party_columns, owners), 2)
        place = (module, str(reader), countries, parties)
        rows, total = await read_page(self._database, page, SQL.count, SQL.page, place, to_publish)
        return page_of(rows, total)

    # Writing -------------------------------------------------------------------------------------

    async def _write_placed(
        self, changes: Sequence[Change | Deletion]
    ) -> Sequence[Placed | InvalidRequest]:
        positions: Sequence[int] = ()

        async def place(
            connection: Connection, results: Sequence[Changed | InvalidRequest]
        ) -> None:
            nonlocal positions
            positions = await _positions(connection, changes, results)

        results = await self._write(changes, place)
        return [
            found if isinstance(found, InvalidRequest) else Placed(found, position)
            for found, position in zip(results, positions, strict=True)
        ]

    async def _write(
        self, changes: Sequence[Change | Deletion], also: Also | None = None
    ) -> Sequence[Changed | InvalidRequest]:
        """Apply changes in order of arrival; each object is written once."""
        async with self._database.transaction() as connection:
            for module in sorted({change.key.module for change in changes}):
                await connection.execute(SQL.lock_module, module)
            rows = await self._rows(connection, SharedBatch.keys_of(changes))
            batch = SharedBatch(rows, now := datetime.now(UTC))
            results = [_apply(batch, change) for change in changes]
            await self._store(connection, batch)
            noted = await self._note_pushes(connection, changes)
            if also is not None:
                await also(connection, results)
        self._pushing |= noted
        for change in changes:
            if isinstance(change, Change) and is_ahead(change.last_updated, now):
                log.warning(
                    "dated_in_future",
                    module=change.key.module,
                    owner=str(change.key.owner),
                    last_updated=change.last_updated.isoformat(),
                )
        return results

    async def _note_pushes(
        self, connection: Connection, changes: Sequence[Change | Deletion]
    ) -> dict[tuple[str, PartyId], float]:
        """Note once in a while which owners push: of their tokens a contact is news too."""
        now = asyncio.get_running_loop().time()
        pushed = {(c.key.module, c.key.owner) for c in changes if c.origin is not Origin.PULL}
        new = {each for each in pushed if self._pushing.get(each, 0.0) <= now}
        if new:
            rows = ((module, *party_columns(owner)) for module, owner in sorted(new))
            await connection.execute(SQL.note_pushes, *columns(rows, 3))
        return dict.fromkeys(new, now + NOTED_S)

    async def _rows(
        self, connection: Connection, keys: Iterable[ObjectKey]
    ) -> Sequence[SharedObject]:
        found = await connection.fetch(SQL.rows_of_keys, *columns(map(key_columns, keys), 6))
        return [shared_object(row) for row in found]

    async def _delete_addressed(self, connection: Connection, batch: SharedBatch) -> None:
        """What was addressed to single parties goes with what was broadcast."""
        rows = columns(map(deleted_row, batch.rows(sorted(batch.deleted))), 7)
        found = await connection.fetch(SQL.delete_addressed, *rows)
        if found:
            owed = columns(sorted(key_columns(shared_object(row).key) for row in found), 6)
            await connection.execute(SQL.owe_addressed, *owed, timedelta())

    async def _store(self, connection: Connection, batch: SharedBatch) -> None:
        """What came of a batch, in the order of keys: a Location comes before its EVSEs."""
        overtaking: list[tuple[object, ...]] = []
        if batch.replaced:
            places = columns(sorted(map(place_columns, batch.replaced)), 4)
            withdrawn = await connection.fetch(SQL.withdraw_evse_gaps, *places)
            overtaking = [
                tuple(row)[:4]
                for row in withdrawn
                if row["taken_up"] and row["audience"] != EVERYBODY
            ]
            await connection.execute(SQL.withdraw_evses, *places)
        if batch.affirmed:
            affirmed = columns(map(key_columns, sorted(batch.affirmed)), 6)
            await connection.execute(SQL.affirm, *affirmed)
        if batch.deleted:
            await self._delete_addressed(connection, batch)
        if batch.rewritten:
            texts = map(rewritten_row, batch.rows(sorted(batch.rewritten)))
            await connection.execute(SQL.rewrite_locations, *columns(texts, 6))
        if batch.moved:
            rows = map(stored_row, batch.rows(sorted(batch.moved, key=key_columns)))
            await connection.execute(SQL.store_changes, *columns(rows, 13))
        if batch.unpublished:
            places = columns((place_columns(key)[:3] for key in sorted(batch.unpublished)), 3)
            roles = sorted(SERVES_TOKEN_HOLDERS)
            await connection.execute(SQL.owe_unpublished, *places, roles)
        addressed = sorted(key for key in batch.owed if key.audience != EVERYBODY)
        if addressed:
            owed = columns(map(key_columns, addressed), 6)
            await connection.execute(SQL.owe_addressed, *owed, self._relay_time)
        if overtaking:
            # The feed may be sending one of those EVSEs: it sends the Location after it.
            await connection.execute(SQL.take_up_locations, *columns(overtaking, 4))


async def _positions(
    connection: Connection,
    changes: Sequence[Change | Deletion],
    results: Sequence[Changed | InvalidRequest],
) -> Sequence[int]:
    """Where changes stand that are addressed to one party, right after they were written; 0 for
    others."""
    positions = [0] * len(changes)
    wanted = [number for number, each in enumerate(changes) if each.key.audience != EVERYBODY]
    if not wanted:
        return positions
    keys = columns((key_columns(changes[number].feed_key) for number in wanted), 6)
    overtaken = overtaken_within(changes, results)
    for row in await connection.fetch(SQL.positions, *keys):
        number = wanted[row["number"] - 1]
        if number in overtaken:
            positions[number] = (row["position"] or 1) - 1
        else:
            # An EVSE that brings nothing new may have no row: its Location says it.
            positions[number] = row["position"] or row["location"] or 0
    return positions


def _outcome(done: asyncio.Future[Placed | InvalidRequest]) -> Changed | StoreError:
    """What became of a change of a list, which has no check of its own.

    Raises:
        Exception: what the write raised, unless it concerns this row alone.
    """
    error = done.exception()
    if isinstance(error, StoreError) and not isinstance(error, StoreUnavailable):
        return error
    placed = done.result()
    if isinstance(placed, InvalidRequest):
        raise placed
    return placed.changed


def _apply(batch: SharedBatch, change: Change | Deletion) -> Changed | InvalidRequest:
    """The outcome of one change; what its check refuses costs the rest of the batch nothing."""
    try:
        return batch.apply(change)
    except InvalidRequest as refusal:
        return refusal
