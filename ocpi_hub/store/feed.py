"""Feed, lanes, gaps and backfills in PostgreSQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from ocpi_hub.delivery.feed.protocols import (
    Backfill,
    Current,
    DueGap,
    Entry,
    Gap,
    LaneId,
    LeasedLane,
)
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.shared_rows import key_columns, path_of
from ocpi_hub.store.writer import BatchWriter

SQL = Queries("feed")

BEYOND = 2**63 - 1
"""A position that is never reached."""
UNSEEN = timedelta(minutes=10)
"""For which a backfill that nobody may see is kept: long enough for every process to learn of what
was stored with it."""


class PostgresFeedStore:
    """Implements `delivery.feed.protocols.FeedStore`; run `questions` and `gaps`.

    Args:
        gap_lease: after which a gap that is being tried is due again.

    Attributes:
        reads: pages read of the feed, by module.
    """

    def __init__(
        self, database: Database, *, gap_lease: timedelta, batch_rows: int, batch_queue_rows: int
    ) -> None:
        self._database = database
        self._gap_lease = gap_lease
        self.reads: Counter[str] = Counter()
        self.questions: BatchWriter[ObjectKey, Current | None] = BatchWriter(
            "feed texts", self._read_current, max_rows=batch_rows, max_queued=batch_queue_rows
        )
        self.gaps: BatchWriter[Gap, None] = BatchWriter(
            "lane gaps", self._open_gaps, max_rows=batch_rows, max_queued=batch_queue_rows
        )

    # The feed ------------------------------------------------------------------------------------

    async def tail(self, module: str) -> int:
        async with self._database.connection() as connection:
            tail: int = await connection.fetchval(SQL.tail, module)
            return tail

    async def after(
        self, module: str, position: int, limit: int, *, until: int | None = None
    ) -> Sequence[Entry]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.after, module, position, limit, until)
        self.reads[module] += 1
        return [_entry(row) for row in rows]

    async def of_owner(
        self,
        module: str,
        owner: PartyId,
        after_serial: int,
        limit: int,
        *,
        receiver: PartyId,
        deleted_after: int | None = None,
    ) -> Sequence[Entry]:
        place = (module, *party_columns(owner), after_serial, limit, str(receiver))
        after = BEYOND if deleted_after is None else deleted_after
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.of_owner, *place, after)
        return [_entry(row) for row in rows]

    async def current(self, key: ObjectKey) -> Current | None:
        return await self.questions.submit(key)

    async def _read_current(self, keys: Sequence[ObjectKey]) -> Sequence[Current | None]:
        # One change goes to many receivers: its text is read once for all that ask now.
        distinct = list(dict.fromkeys(keys))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.current, *columns(map(key_columns, distinct), 6))
        found = {distinct[row["number"] - 1]: _current(row) for row in rows}
        return [found.get(key) for key in keys]

    # Lanes ---------------------------------------------------------------------------------------

    async def lease(
        self, process_id: UUID, wanted: Sequence[LaneId], *, lease: timedelta, limit: int
    ) -> Sequence[LeasedLane]:
        names = columns(map(_lane_columns, sorted(wanted)), 3)
        async with self._database.transaction() as connection:
            await connection.execute(SQL.make_lanes, *names)
            rows = await connection.fetch(SQL.lease, *names, process_id, lease, limit)
            lanes = {_lane(row): row for row in rows}
            gaps = await connection.fetch(SQL.gaps_of_lanes, *columns(map(_lane_columns, lanes), 3))
        keys: defaultdict[LaneId, set[ObjectKey]] = defaultdict(set)
        for row in gaps:
            keys[_receiving_lane(row)].add(_key(row))
        return [
            LeasedLane(
                lane, row["cursor"], frozenset(keys[lane]), row["first_tail"], row["in_doubt"]
            )
            for lane, row in lanes.items()
        ]

    async def renew(
        self,
        process_id: UUID,
        cursors: Mapping[LaneId, int],
        *,
        lease: timedelta,
        resting: Collection[PartyId] = (),
    ) -> Sequence[LaneId]:
        rests = [lane.receiver in resting for lane in sorted(cursors)]
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.renew, *_cursor_columns(cursors), process_id, lease, rests
            )
        return [_lane(row) for row in rows]

    async def release(self, process_id: UUID, cursors: Mapping[LaneId, int]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.release, *_cursor_columns(cursors), process_id)

    async def workers(self, process_id: UUID, *, alive: timedelta) -> int:
        async with self._database.connection() as connection:
            await connection.execute(SQL.join_workers, process_id)
            running: int = await connection.fetchval(SQL.workers, alive)
            return max(1, running)

    # Gaps and backfills --------------------------------------------------------------------------

    async def open_gap(self, gap: Gap) -> None:
        await self.gaps.submit(gap)

    async def _open_gaps(self, gaps: Sequence[Gap]) -> Sequence[None]:
        latest = {(gap.lane, gap.key): gap for gap in gaps}
        rows = sorted(map(_gap_columns, latest.values()), key=lambda row: row[:8])
        async with self._database.connection() as connection:
            await connection.execute(SQL.open_gaps, *columns(rows, 13))
        return [None] * len(gaps)

    async def close_gap(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.close_gap, *party_columns(lane.receiver), *key_columns(key), position
            )

    async def close_addressed(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        judged = (*party_columns(lane.receiver), *key_columns(key), position)
        async with self._database.transaction() as connection:
            await connection.execute(SQL.close_addressed, *judged)
            await connection.execute(SQL.owe_newer, *judged, True)

    async def owe_newer(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        place = (*party_columns(lane.receiver), *key_columns(key))
        async with self._database.connection() as connection:
            await connection.execute(SQL.owe_newer, *place, position, False)

    async def hasten_gap(self, lane: LaneId, key: ObjectKey) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.hasten_gap, *party_columns(lane.receiver), *key_columns(key)
            )

    async def due_gaps(
        self, process_id: UUID, lanes: Sequence[LaneId], limit: int
    ) -> Sequence[DueGap]:
        names = columns(map(_lane_columns, lanes), 3)
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.due_gaps, process_id, limit, self._gap_lease, *names)
        return [
            DueGap(_receiving_lane(row), Entry(_key(row), row["position"], 0), row["attempts"])
            for row in rows
        ]

    async def backfills(self, process_id: UUID) -> Sequence[Backfill]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.backfills, process_id, UNSEEN)
        return [
            Backfill(
                _receiving_lane(row),
                PartyId(row["owner_country_code"], row["owner_party_id"]),
                row["after_serial"],
                row["requested_at"],
                row["old"],
                row["deleted"],
            )
            for row in rows
        ]

    async def advance_backfill(self, backfill: Backfill, after_serial: int | None) -> None:
        name = _backfill_columns(backfill)
        async with self._database.connection() as connection:
            if after_serial is None:
                await connection.execute(SQL.end_backfill, *name, backfill.requested_at)
            else:
                await connection.execute(
                    SQL.advance_backfill, *name, backfill.requested_at, after_serial
                )


async def request_backfills(
    connection: Connection, pairs: Iterable[tuple[LaneId, PartyId]], *, deleted: bool = False
) -> None:
    """Have owners' objects sent to receivers whose cursors are past them, in the transaction that
    makes them visible.

    Args:
        deleted: what was deleted is told as well: they may have seen each other before.
    """
    rows = sorted((*_lane_columns(lane), *party_columns(owner)) for lane, owner in pairs)
    await connection.execute(SQL.request_backfill, *columns(rows, 5), deleted)


def _key(row: asyncpg.Record) -> ObjectKey:
    owner = PartyId(row["country_code"], row["party_id"])
    return ObjectKey(row["module"], owner, row["object_id"], row["object_type"], row["audience"])


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(_key(row), row["position"], row["serial"], row["deleted"])


def _current(row: asyncpg.Record) -> Current:
    return Current(
        _key(row),
        row["position"],
        row["body"],
        Origin(row["origin"]),
        row["correlation_id"],
        row["deleted"],
        path_of(row),
        tuple(row["own"] or ()),
        row["outlived"],
        row["told"] or row["position"],
    )


def _lane(row: asyncpg.Record) -> LaneId:
    return LaneId(PartyId(row["country_code"], row["party_id"]), row["module"])


def _receiving_lane(row: asyncpg.Record) -> LaneId:
    receiver = PartyId(row["receiver_country_code"], row["receiver_party_id"])
    return LaneId(receiver, row["module"])


def _backfill_columns(backfill: Backfill) -> tuple[str, ...]:
    return (*_lane_columns(backfill.lane), *party_columns(backfill.owner))


def _lane_columns(lane: LaneId) -> tuple[str, str, str]:
    return (*party_columns(lane.receiver), lane.module)


def _cursor_columns(cursors: Mapping[LaneId, int]) -> list[list[object]]:
    rows: Iterable[tuple[object, ...]] = (
        (*_lane_columns(lane), cursor) for lane, cursor in sorted(cursors.items())
    )
    return columns(rows, 4)


def _gap_columns(gap: Gap) -> tuple[object, ...]:
    return (
        *party_columns(gap.lane.receiver),
        *key_columns(gap.key),
        gap.position,
        gap.again,
        gap.answer.http,
        gap.answer.ocpi,
        gap.answer.message,
    )
