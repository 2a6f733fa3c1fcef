"""What the feed asks of the database, and the values it works with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ocpi_hub.domain.objects import LastAnswer, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value


@dataclass(frozen=True, slots=True, order=True)
class LaneId:
    """One receiver and module."""

    receiver: PartyId
    module: str


@value
class Entry:
    """A place in the feed: this object changed.

    Attributes:
        serial: of the object, for backfills.
        deleted: a tombstone.
    """

    key: ObjectKey
    position: int
    serial: int
    deleted: bool = False


@value
class Current:
    """An object as it is now.

    Attributes:
        deleted: withdrawn; receivers are told by DELETE where the module has it.
        path: see `SharedObject`.
        own: audiences that have a copy of their own in place of this broadcast object.
        outlived: addressed to one party and deleted, and the broadcast object was changed since:
            that stands in its place.
        told: the newest position that the text knows, of addressed Locations that of their EVSEs.
    """

    key: ObjectKey
    position: int
    body: str
    origin: Origin
    correlation_id: str
    deleted: bool
    path: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    outlived: bool = False
    told: int = 0


@value
class Backfill:
    """An owner whose objects a receiver gets although its cursor is past them.

    Attributes:
        old: every process must have learned by now why it was requested.
        deleted: what was deleted is told too; the receiver may have seen this owner before.
    """

    lane: LaneId
    owner: PartyId
    after_serial: int
    requested_at: datetime
    old: bool = False
    deleted: bool = False


@value
class LeasedLane:
    """A lane this process holds, as it was when it was leased.

    Attributes:
        gaps: objects that have a gap.
        first_tail: the module's highest position when the lane was leased for the first time.
        in_doubt: whoever had it may still be sending, for the time of a lease at most.
    """

    lane: LaneId
    cursor: int
    gaps: frozenset[ObjectKey]
    first_tail: int = 0
    in_doubt: bool = False


@value
class Gap:
    """An object that a receiver did not take.

    Attributes:
        again: None: not before it changes.
    """

    lane: LaneId
    key: ObjectKey
    position: int
    answer: LastAnswer
    again: timedelta | None


@value
class DueGap:
    """A gap that is to be tried again."""

    lane: LaneId
    entry: Entry
    attempts: int


class FeedStore(Protocol):
    """Feed, lanes, gaps, backfills. Every method raises StoreUnavailable."""

    async def tail(self, module: str) -> int:
        """The highest position of a module."""
        ...

    async def after(
        self, module: str, position: int, limit: int, *, until: int | None = None
    ) -> Sequence[Entry]:
        """Changes after a position in order, up to and including `until`."""
        ...

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
        """Objects of an owner that were broadcast or addressed to the receiver, in list order;
        Locations without rows of their EVSEs.

        Args:
            deleted_after: tombstones after this position as well; None: none.
        """
        ...

    async def current(self, key: ObjectKey) -> Current | None:
        """An object as it is now. Questions asked at the same time share a query."""
        ...

    async def lease(
        self, process_id: UUID, wanted: Sequence[LaneId], *, lease: timedelta, limit: int
    ) -> Sequence[LeasedLane]:
        """Take free lanes, those of silent processes included; new ones are made. Those of
        processes that left, or were found dead, are free at once, and in doubt."""
        ...

    async def renew(
        self,
        process_id: UUID,
        cursors: Mapping[LaneId, int],
        *,
        lease: timedelta,
        resting: Collection[PartyId] = (),
    ) -> Sequence[LaneId]:
        """Store cursors and renew the leases; returns the lanes that are still ours.

        Args:
            resting: receivers that do not answer, for operators.
        """
        ...

    async def release(self, process_id: UUID, cursors: Mapping[LaneId, int]) -> None:
        """Store cursors and give lanes back."""
        ...

    async def workers(self, process_id: UUID, *, alive: timedelta) -> int:
        """Live processes that send from the feed, this one included."""
        ...

    async def open_gap(self, gap: Gap) -> None:
        """Put a gap on record, unless the object's row is gone."""
        ...

    async def close_gap(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        """The receiver has this object at this position: a gap at or below it is closed."""
        ...

    async def close_addressed(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        """The receiver judged an addressed push that was stored at this position: its gap is
        closed; if a newer one came meanwhile, of a Location and its EVSE too, that is owed once
        more, because the two may have arrived in any order. So is what the feed has taken up
        itself, and what a broadcast under the same id may overtake."""
        ...

    async def owe_newer(self, lane: LaneId, key: ObjectKey, position: int) -> None:
        """The receiver judged an addressed object that the feed sent at this position: if a newer
        one was stored meanwhile, that is owed, whatever came of its relay."""
        ...

    async def hasten_gap(self, lane: LaneId, key: ObjectKey) -> None:
        """A gap is due now."""
        ...

    async def due_gaps(
        self, process_id: UUID, lanes: Sequence[LaneId], limit: int
    ) -> Sequence[DueGap]:
        """Gaps of these lanes, as far as this process holds them."""
        ...

    async def backfills(self, process_id: UUID) -> Sequence[Backfill]:
        """Those of lanes that this process holds."""
        ...

    async def advance_backfill(self, backfill: Backfill, after_serial: int | None) -> None:
        """Progress; None: done."""
        ...
