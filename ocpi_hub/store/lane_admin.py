"""Looking at lanes and gaps, for operators and metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.objects import LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.shared_rows import key_columns

SQL = Queries("lane_admin")


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as it is stored.

    Attributes:
        leased_by: host and process id; None while nobody has it.
        resting_since: its receiver does not answer since then, as its process last told.
        backfills: owners whose objects are still to be sent besides.
    """

    lane: LaneId
    cursor: int
    leased_by: tuple[str, int] | None
    resting_since: datetime | None
    gaps: int
    oldest_gap_at: datetime | None
    backfills: int


@dataclass(frozen=True, slots=True)
class PastCursors:
    """Changes of an owner that the first `behind` cursors, in ascending order, have before them."""

    behind: int
    owner: PartyId
    changes: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class GapRow:
    """An object that a receiver did not take.

    Attributes:
        next_attempt_at: None: not before the object changes.
        answer: None while it was not tried.
    """

    key: ObjectKey
    attempts: int
    since: datetime
    next_attempt_at: datetime | None
    answer: LastAnswer | None


class LaneAdmin:
    """Lanes of all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lanes(self) -> tuple[Sequence[LaneRow], Mapping[str, Sequence[PastCursors]]]:
        """All lanes in order of receiver and module, and by module what lies past cursors."""
        async with self._database.connection() as connection:
            return await read_lanes(connection)

    async def gaps(
        self, lane: LaneId, *, after: ObjectKey | None, limit: int
    ) -> Sequence[GapRow] | None:
        """The gaps of a lane in order of their keys; None when there is no such lane."""
        name = (*party_columns(lane.receiver), lane.module)
        place = (None,) * 5 if after is None else key_columns(after)[1:]
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.gaps, *name, *place, limit)
            if not rows and not await connection.fetchval(SQL.lane_exists, *name):
                return None
        return [gap_row(row, lane.module) for row in rows]

    async def hasten(self, lane: LaneId, key: ObjectKey | None) -> int:
        """Make gaps of a lane due now; how many there are.

        Args:
            key: only this object; None: all of the lane.
        """
        name = (*party_columns(lane.receiver), lane.module)
        only = (None,) * 5 if key is None else key_columns(key)[1:]
        async with self._database.connection() as connection:
            done = await connection.execute(SQL.hasten, *name, *only)
        return int(str(done).rpartition(" ")[2])


async def read_lanes(
    connection: Connection,
) -> tuple[Sequence[LaneRow], Mapping[str, Sequence[PastCursors]]]:
    """See `LaneAdmin.lanes`."""
    lanes = [_lane(row) for row in await connection.fetch(SQL.lanes)]
    cursors: defaultdict[str, set[int]] = defaultdict(set)
    for lane in lanes:
        cursors[lane.lane.module].add(lane.cursor)
    past = {
        module: [
            PastCursors(
                row["behind"],
                PartyId(row["country_code"], row["party_id"]),
                row["changes"],
                row["oldest_at"],
            )
            for row in await connection.fetch(SQL.past_cursors, module, sorted(found))
        ]
        for module, found in cursors.items()
    }
    return lanes, past


def _lane(row: asyncpg.Record) -> LaneRow:
    return LaneRow(
        lane=LaneId(PartyId(row["country_code"], row["party_id"]), row["module"]),
        cursor=row["cursor"],
        leased_by=(row["host"], row["pid"]) if row["pid"] is not None else None,
        resting_since=row["resting_since"],
        gaps=row["gaps"],
        oldest_gap_at=row["oldest_gap_at"],
        backfills=row["backfills"],
    )


def gap_row(row: asyncpg.Record, module: str) -> GapRow:
    """A gap of a lane of that module."""
    owner = PartyId(row["country_code"], row["party_id"])
    return GapRow(
        key=ObjectKey(module, owner, row["object_id"], row["object_type"], row["audience"]),
        attempts=row["attempts"],
        since=row["since"],
        next_attempt_at=row["next_attempt_at"],
        answer=LastAnswer(row["http"], row["ocpi"], row["message"]) if row["attempts"] else None,
    )
