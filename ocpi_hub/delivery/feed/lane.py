"""One lane: what a receiver still has to get, and how far it has come. Pure, no I/O.

    offer ──► live ──┐
                     ├─► take ──► in flight ──► settle, or put back
    load ───► late ──┘      (live first; late at the catch-up rate)

Objects wait by key: a newer change takes the place of an older one, and nothing of an object is
taken while something of it is in flight. So a receiver gets each object in order, and once for any
number of changes it could not be given in time.

The cursor is the highest position below which nothing waits or is in flight. The same change may
come twice (after a crash; by a scan that met it in its newest state already): `_sent` remembers the
positions of what was sent beyond what has been offered so far.

A lane keeps at most `MAX_WAITING` changes in memory: beyond that, as with a receiver that is away
for days, it forgets them and scans the feed from its cursor once the receiver is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module

MAX_WAITING = 5_000
"""Live changes that wait in memory for one lane."""


@dataclass(frozen=True, slots=True)
class Owed:
    """Something to send.

    Attributes:
        late: it belongs to a catch-up and keeps to its rate.
        counted: it holds the cursor back; false for what is on record elsewhere (backfill, gap).
    """

    entry: Entry
    late: bool
    counted: bool = True


@dataclass(slots=True)
class Scan:
    """Reading what the receiver missed: positions after `done` up to `until`.

    Attributes:
        growing: too much waited, so that what comes now is left to the scan as well.
    """

    done: int
    until: int
    growing: bool = False


def order_key(key: ObjectKey) -> ObjectKey:
    """What is sent one after the other: an EVSE waits for its location and the other way round."""
    return replace(key, object_type="") if key.module == Module.LOCATIONS else key


@dataclass(slots=True)
class Lane:
    """A leased lane.

    Attributes:
        tail: everything up to this position has been offered or passed over, the scan apart.
        scan: what is still to be loaded; None when the lane is live.
        gaps: objects with a gap on record.
    """

    lane_id: LaneId
    tail: int
    scan: Scan | None = None
    gaps: set[ObjectKey] = field(default_factory=set)
    backfills: list[Backfill] = field(default_factory=list)
    max_waiting: int = MAX_WAITING
    _live: dict[ObjectKey, Owed] = field(default_factory=dict)
    _late: dict[ObjectKey, Owed] = field(default_factory=dict)
    _in_flight: dict[ObjectKey, Owed] = field(default_factory=dict)
    _sent: dict[ObjectKey, int] = field(default_factory=dict)

    @classmethod
    def leased(cls, lane_id: LaneId, cursor: int, tail: int, gaps: Iterable[ObjectKey]) -> Lane:
        """A lane as it is taken over: what lies between cursor and tail is to be scanned."""
        scan = Scan(cursor, tail) if cursor < tail else None
        return cls(lane_id, tail=max(cursor, tail), scan=scan, gaps=set(gaps))

    @property
    def waiting(self) -> int:
        """Objects that wait to be sent."""
        return len(self._live) + len(self._late)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def wants_load(self) -> bool:
        """Nothing late waits any more, and a scan or backfill has more."""
        return not self._late and (self.scan is not None or bool(self.backfills))

    @property
    def cursor(self) -> int:
        """The position up to which everything is settled."""
        counted = (owed.entry.position for owed in self._owed() if owed.counted)
        reached = self.tail if self.scan is None else self.scan.done
        return min(reached, min(counted, default=reached + 1) - 1)

    def _owed(self) -> Iterator[Owed]:
        yield from self._live.values()
        yield from self._late.values()
        yield from self._in_flight.values()

    def offer(self, entry: Entry) -> None:
        """A change for this receiver, from the reader; positions only grow."""
        self.tail = entry.position
        if self._sent.pop(entry.key, 0) >= entry.position:
            return
        if entry.key not in self._live and len(self._live) >= self.max_waiting:
            self._leave_to_scan()
        if self.scan is not None and self.scan.growing:
            self.scan.until = entry.position
            return
        self._late.pop(entry.key, None)
        self._live[entry.key] = Owed(entry, late=False)

    def _leave_to_scan(self) -> None:
        self.scan = Scan(self.cursor, self.tail, growing=True)
        self._live.clear()
        # What is on record elsewhere would not be found by the scan.
        self._late = {key: owed for key, owed in self._late.items() if not owed.counted}

    def passed(self, position: int) -> None:
        """Nothing up to this position concerns this receiver."""
        self.tail = max(self.tail, position)
        if self._sent:
            self._sent = {key: at for key, at in self._sent.items() if at > self.tail}

    def load(self, entries: Iterable[Entry], *, counted: bool) -> None:
        """What a scan, a backfill or a due gap found; it waits behind live changes."""
        for entry in entries:
            known = self._live.get(entry.key) or self._late.get(entry.key)
            if known is None:
                self._late[entry.key] = Owed(entry, late=True, counted=counted)
            elif counted and not known.counted:
                self._late[entry.key] = replace(known, entry=entry, counted=True)

    def take(self, *, late: bool) -> Owed | None:
        """The next thing to send; late ones only when `late` (the rate allows it)."""
        queues = (self._live, self._late) if late else (self._live,)
        for queue in queues:
            for key, owed in queue.items():
                place = order_key(key)
                if place not in self._in_flight:
                    del queue[key]
                    self._in_flight[place] = owed
                    return owed
        return None

    def settle(self, owed: Owed, sent: int | None) -> None:
        """It needs no more of this lane.

        Args:
            sent: the position of the state that was sent; None when nothing was.
        """
        key = owed.entry.key
        self._in_flight.pop(order_key(key), None)
        if sent is None:
            return
        waiting = self._live.get(key)
        if waiting is not None and waiting.entry.position <= sent:
            del self._live[key]
        late = self._late.get(key)
        if late is not None and late.entry.position <= sent:
            del self._late[key]
        if sent > self.tail:
            self._sent[key] = sent

    def put_back(self, owed: Owed) -> None:
        """It could not be sent now and goes first in its queue, unless a newer change waits."""
        key = owed.entry.key
        self._in_flight.pop(order_key(key), None)
        if key in self._live or key in self._late:
            return
        queue = self._late if owed.late else self._live
        rest = dict(queue)
        queue.clear()
        queue[key] = owed
        queue.update(rest)

    def skip_to_tail(self) -> None:
        """Owe nothing any more: the receiver fetches what it missed (catch_up pull or none)."""
        self._live.clear()
        self._late.clear()
        self.backfills.clear()
        self.scan = None
