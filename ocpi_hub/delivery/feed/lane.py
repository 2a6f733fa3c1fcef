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

A Location's text says what the rows of its EVSEs say, and it is read when it is sent. So once a
receiver has taken a Location, what waited of its EVSEs when the send began is settled without being
sent. This is sound because positions become visible in order: all changes up to the lane's tail
were committed when the tail was read, and the text is read later. What comes to wait after that
stands for changes the text may lack, and is sent.

A lane may be taken over in doubt: a push of whoever had it may still be on its way, and arrive
after a newer one of this lane. So when that time is over, all that has changed since the cursor of
then is sent once more, and until then the cursor stays: whoever comes next has the same to do. What
no scan finds keeps its gap for that time, and backfills wait.

What waits while the receiver cannot be reached becomes late, so that catching up keeps to its rate
however long the receiver was away. A lane keeps at most `MAX_WAITING` changes in memory: beyond
that, as with a receiver that is away for days, it forgets them and scans the feed from its cursor
once the receiver is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey
from ocpi_hub.domain.party import Module
from ocpi_hub.domain.value import value

MAX_WAITING = 5_000
"""Live changes that wait in memory for one lane."""
MAX_TOLD = 1_000
"""Locations a lane remembers to spare their receiver what waits of their EVSEs."""


@value
class Owed:
    """Something to send.

    Attributes:
        late: it belongs to a catch-up and keeps to its rate.
        counted: it holds the cursor back; false for what is on record elsewhere (backfill, gap).
        known: the lane's tail when it began to wait: it stands for changes up to there.
    """

    entry: Entry
    late: bool
    known: int
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


@dataclass(slots=True)
class Doubt:
    """Whoever had the lane before may still be sending.

    Attributes:
        cursor: what comes after it is sent once more.
        until: when the doubt is over, on the clock of the process.
    """

    cursor: int
    until: float


def order_key(key: ObjectKey) -> ObjectKey:
    """Of an EVSE its Location: one waits for the other."""
    return replace(key, object_type="") if key.module == Module.LOCATIONS else key


def flight_key(key: ObjectKey) -> ObjectKey:
    """What is in flight alone: the receiver has one URL for what is broadcast and for its own copy
    under the same id."""
    place = order_key(key)
    return place if key.audience == EVERYBODY else replace(place, audience=EVERYBODY)


@dataclass(slots=True)
class Lane:
    """A leased lane.

    Attributes:
        tail: everything up to this position has been offered or passed over, the scan apart.
        scan: what is still to be loaded; None when the lane is live.
        gaps: objects with a gap on record.
        first_tail: the tail when the lane began: what was over by then, its receiver never had.
        doubt: None: nobody else sends.
    """

    lane_id: LaneId
    tail: int
    scan: Scan | None = None
    gaps: set[ObjectKey] = field(default_factory=set)
    backfills: list[Backfill] = field(default_factory=list)
    max_waiting: int = MAX_WAITING
    first_tail: int = 0
    doubt: Doubt | None = None
    _live: dict[ObjectKey, Owed] = field(default_factory=dict)
    _late: dict[ObjectKey, Owed] = field(default_factory=dict)
    _in_flight: dict[ObjectKey, Owed] = field(default_factory=dict)
    _told: dict[ObjectKey, int] = field(default_factory=dict)
    """Locations the receiver took whole, with the tail up to which it knows their EVSEs."""
    _sent: dict[ObjectKey, int] = field(default_factory=dict)
    _draining: bool = False
    """What is in flight has to end before anything else is sent."""

    @classmethod
    def leased(
        cls,
        lane_id: LaneId,
        cursor: int,
        tail: int,
        gaps: Iterable[ObjectKey],
        *,
        first_tail: int = 0,
        doubt_until: float | None = None,
    ) -> Lane:
        """A lane as it is taken over: what lies between cursor and tail is to be scanned."""
        doubt = None if doubt_until is None else Doubt(cursor, doubt_until)
        scan = Scan(cursor, tail) if cursor < tail else None
        tail = max(cursor, tail)
        return cls(
            lane_id, tail=tail, scan=scan, gaps=set(gaps), first_tail=first_tail, doubt=doubt
        )

    @property
    def waiting(self) -> int:
        """Objects that wait to be sent."""
        return len(self._live) + len(self._late)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def quiet(self) -> bool:
        """Nothing is on its way to the receiver, from whoever had the lane before either."""
        return not self._in_flight and self.doubt is None

    @property
    def idle(self) -> bool:
        """Nothing is to be sent, on its way, to be loaded, or remembered. That changes only when
        something is offered or loaded, or a backfill is added."""
        return not (
            self._live
            or self._late
            or self._in_flight
            or self.scan
            or self.backfills
            or self._told
            or self._sent
            or self.doubt
        )

    @property
    def wants_load(self) -> bool:
        """Nothing late waits any more, and a scan or backfill has more. Progress of a backfill is
        stored when it goes on, so what it brought has to be settled by then, beyond doubt."""
        if self._late:
            return False
        settled = self.doubt is None and all(owed.counted for owed in self._in_flight.values())
        return self.scan is not None or (bool(self.backfills) and settled)

    @property
    def cursor(self) -> int:
        """The position up to which everything is settled."""
        counted = (owed.entry.position for owed in self._owed() if owed.counted)
        reached = self.tail if self.scan is None else self.scan.done
        if self.doubt is not None:
            reached = min(reached, self.doubt.cursor)
        return min(reached, min(counted, default=reached + 1) - 1)

    def concerns(self, entry: Entry) -> bool:
        """Whether the receiver may have what is said of; it need not be told of the end of what it
        never had."""
        return not entry.deleted or entry.position > self.first_tail

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
        self._live[entry.key] = Owed(entry, late=False, known=self.tail)

    def defer(self) -> None:
        """The receiver cannot be reached: what waits is not live any more when it is back."""
        if len(self._late) + len(self._live) > self.max_waiting:
            self._leave_to_scan()
        self._late |= {key: replace(owed, late=True) for key, owed in self._live.items()}
        self._live.clear()

    def end_doubt(self, now: float) -> None:
        """If the doubt is over, send what changed meanwhile once more, after what is in flight."""
        if self.doubt is None or now < self.doubt.until:
            return
        self._draining = bool(self._in_flight)
        if self._draining:
            return
        growing = self.scan is not None and self.scan.growing
        self.scan = Scan(self.doubt.cursor, self.tail, growing=growing)
        self.doubt = None
        self._late = self._unfindable()
        # The receiver may have lost what it was told.
        self._told.clear()
        self._sent.clear()

    def _leave_to_scan(self) -> None:
        self.scan = Scan(self.cursor, self.tail, growing=True)
        self._live.clear()
        self._late = self._unfindable()

    def _unfindable(self) -> dict[ObjectKey, Owed]:
        """What waits late and is on record elsewhere: a scan finds the rest again."""
        return {key: owed for key, owed in self._late.items() if not owed.counted}

    def passed(self, position: int) -> None:
        """Nothing up to this position concerns this receiver."""
        self.tail = max(self.tail, position)
        if not self.waiting:
            self._told.clear()
        if self._sent:
            self._sent = {key: at for key, at in self._sent.items() if at > self.tail}

    def load(self, entries: Iterable[Entry], *, counted: bool) -> None:
        """What a scan, a backfill or a due gap found; it waits behind live changes."""
        for entry in entries:
            known = self._live.get(entry.key) or self._late.get(entry.key)
            if known is None:
                self._late[entry.key] = Owed(entry, late=True, known=self.tail, counted=counted)
            elif counted and not known.counted:
                self._late[entry.key] = replace(known, entry=entry, counted=True)

    def take(self, *, late: bool) -> Owed | None:
        """The next thing to send; late ones only when `late` (the rate allows it)."""
        if self._draining:
            return None
        queues = (self._live, self._late) if late else (self._live,)
        for queue in queues:
            owed = self._take_from(queue)
            if owed is not None:
                return owed
        return None

    def _take_from(self, queue: dict[ObjectKey, Owed]) -> Owed | None:
        told: list[ObjectKey] = []
        found: Owed | None = None
        for key, owed in queue.items():
            if flight_key(key) in self._in_flight:
                continue
            if self._is_told(owed, order_key(key)):
                told.append(key)
                continue
            found = owed
            break
        for key in told:
            del queue[key]
        if found is not None:
            del queue[found.entry.key]
            self._in_flight[flight_key(found.entry.key)] = replace(found, known=self.tail)
        return found

    def _is_told(self, owed: Owed, place: ObjectKey) -> bool:
        """Whether the receiver has it from the whole Location; a gap on record is closed by sending
        it all the same."""
        key = owed.entry.key
        return key != place and owed.known <= self._told.get(place, -1) and key not in self.gaps

    def settle(self, owed: Owed, sent: int | None, *, location: int | None = None) -> None:
        """It needs no more of this lane.

        Args:
            sent: the position of the state that was sent; None when nothing was.
            location: the position of the whole Location, if the receiver has taken that.
        """
        key, place = owed.entry.key, order_key(owed.entry.key)
        taken = self._in_flight.pop(flight_key(key), owed)
        if sent is not None:
            self._has(key, sent, taken.known)
        if location is not None:
            self._has(place, location, taken.known)
            if len(self._told) >= MAX_TOLD:
                self._told.clear()  # at worst something is sent that need not be
            self._told[place] = taken.known

    def _has(self, key: ObjectKey, position: int, known: int) -> None:
        """The receiver has an object at a position; its text was read when `known` was the tail, or
        later. The text of a Location may change while its position stays."""
        waiting = self._live.get(key)
        if waiting is not None and waiting.entry.position <= position:
            del self._live[key]
        late = self._late.get(key)
        steady = key.module != Module.LOCATIONS
        if late is not None and late.entry.position <= position and (steady or late.known <= known):
            del self._late[key]
        if position > self.tail:
            self._sent[key] = position

    def put_back(self, owed: Owed, *, last: bool = False) -> None:
        """It could not be sent now and goes first in its queue, unless a newer change waits.

        Args:
            last: it may itself be why, so the others have their turn first.
        """
        key = owed.entry.key
        self._in_flight.pop(flight_key(key), None)
        if key in self._live or key in self._late:
            return
        queue = self._late if owed.late else self._live
        if last:
            queue[key] = owed
            return
        rest = dict(queue)
        queue.clear()
        queue[key] = owed
        queue.update(rest)

    def skip_to_tail(self) -> None:
        """Owe nothing any more: the receiver fetches what it missed (catch_up pull or none)."""
        self._live.clear()
        self._late.clear()
        self._told.clear()
        self.backfills.clear()
        self.scan = None
        if self.doubt is not None:
            self.doubt.cursor = self.tail
