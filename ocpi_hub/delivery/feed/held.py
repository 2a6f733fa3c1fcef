"""The lanes that a process holds, and which of them have something to do.

Most lanes owe nothing most of the time. Such a lane is idle: nobody looks at it until a change, a
gap or a backfill concerns it, and its cursor is where the reader is. What is derived from the
directory is computed once for each snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.protocols import Entry, LaneId
from ocpi_hub.delivery.feed.receivers import gets, may_receive
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.party import PartyId


class HeldLanes:
    """Lanes by name.

    Args:
        modules: of which lanes are wanted.

    Attributes:
        all: the lanes.
        tails: by module, how far this process has read.
        modules: of which there are lanes.
    """

    def __init__(self, directory: Callable[[], Directory], modules: Sequence[str]) -> None:
        self._directory = directory
        self._modules = modules
        self.all: dict[LaneId, Lane] = {}
        self.tails: dict[str, int] = {}
        self.modules: frozenset[str] = frozenset()
        self._busy: dict[LaneId, Lane] = {}
        self._wanted: list[LaneId] = []
        self._wanted_in: Directory | None = None
        self._connected: list[LaneId] = []
        self._connected_in: Directory | None = None
        self._interested: dict[tuple[str, PartyId], tuple[Lane, ...]] = {}
        self._interested_in: Directory | None = None

    def add(self, lanes: Collection[Lane]) -> None:
        """Lanes that were leased; each is looked at once at least."""
        for lane in lanes:
            self.all[lane.lane_id] = self._busy[lane.lane_id] = lane
        if lanes:
            self._changed()

    def drop(self, names: Collection[LaneId]) -> None:
        """Lanes that are not held any more."""
        for name in names:
            del self.all[name]
            self._busy.pop(name, None)
        if names:
            self._changed()

    def _changed(self) -> None:
        self._interested_in = self._connected_in = None
        self.modules = frozenset(name.module for name in self.all)

    # Busy and idle -------------------------------------------------------------------------------

    @property
    def busy(self) -> tuple[Lane, ...]:
        """Lanes that are not known to be idle."""
        return tuple(self._busy.values())

    def wake(self, lane: Lane) -> None:
        """Something is about to be added to a lane."""
        if lane.lane_id not in self._busy:
            lane.passed(self.tails[lane.lane_id.module])
            self._busy[lane.lane_id] = lane

    def rest(self, lane: Lane) -> None:
        """Look at a lane no more until it is woken, if it is idle."""
        if lane.idle:
            del self._busy[lane.lane_id]

    def offer(self, module: str, entries: Iterable[Entry]) -> None:
        """Changes that were read, for whomever they concern."""
        for entry in entries:
            for lane in self._concerned(module, entry.key.owner):
                lane.offer(entry)
                self._busy[lane.lane_id] = lane
            self.tails[module] = entry.position

    def passed(self, module: str) -> None:
        """All that was there of a module has been read."""
        for lane in self._busy.values():
            if lane.lane_id.module == module:
                lane.passed(self.tails[module])

    def cursors(self, names: Iterable[LaneId] | None = None) -> dict[LaneId, int]:
        """How far lanes have come; None: all of them."""
        return {name: self._cursor(name) for name in (self.all if names is None else names)}

    def _cursor(self, name: LaneId) -> int:
        busy = self._busy.get(name)
        if busy is not None:
            return busy.cursor
        return max(self.all[name].tail, self.tails[name.module])

    # By the directory ----------------------------------------------------------------------------

    def wanted(self) -> Sequence[LaneId]:
        """Lanes of receivers that may be sent to, held or not."""
        directory = self._directory()
        if self._wanted_in is not directory:
            self._wanted_in = directory
            self._wanted = [
                LaneId(party, module)
                for party in directory.parties()
                for module in self._modules
                if may_receive(directory, LaneId(party, module))
            ]
        return self._wanted

    def with_room(self, waiting: int) -> Sequence[LaneId]:
        """Lanes of receivers that are there, and in which less than that waits."""
        directory = self._directory()
        if self._connected_in is not directory:
            self._connected_in = directory
            self._connected = [
                name
                for name in self.all
                if directory.status(name.receiver) is PartyStatus.CONNECTED
            ]
        full = {name for name, lane in self._busy.items() if lane.waiting >= waiting}
        return [name for name in self._connected if name not in full] if full else self._connected

    def _concerned(self, module: str, owner: PartyId) -> tuple[Lane, ...]:
        """Lanes whose receivers see an owner's objects."""
        directory = self._directory()
        if self._interested_in is not directory:
            self._interested, self._interested_in = {}, directory
        found = self._interested.get((module, owner))
        if found is None:
            found = tuple(
                lane
                for lane in self.all.values()
                if lane.lane_id.module == module and gets(directory, lane.lane_id, owner)
            )
            self._interested[module, owner] = found
        return found
