"""A lane against a model: whatever happens, the receiver ends with the newest state of everything.

The machine changes objects, moves the reader, loads pages, lets sends succeed, fail or be lost with
the whole process (a new lane starts from the stored cursor), in any order.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocpi_hub.delivery.feed.lane import Lane, Owed, order_key
from ocpi_hub.delivery.feed.protocols import Entry, LaneId
from ocpi_hub.domain.objects import ObjectKey
from tests.support.factories import CPO, EMSP
from tests.support.thorough import rounds

NAME = LaneId(CPO, "locations")
KEYS = [
    ObjectKey("locations", EMSP, location, kind)
    for location in ("L1", "L2", "L3")
    for kind in ("", "EVSE:1", "EVSE:2")
]
PAGE = 3


class LaneMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.feed: dict[ObjectKey, int] = {}
        self.received: dict[ObjectKey, int] = {}
        self.stored_cursor = 0
        self.tail = 0
        self.flying: list[Owed] = []
        self.lane = self.new_lane()

    def new_lane(self) -> Lane:
        lane = Lane.leased(NAME, self.stored_cursor, self.tail, ())
        lane.max_waiting = 4
        return lane

    def entries(self, after: int, until: int, limit: int) -> list[Entry]:
        found = sorted((at, key) for key, at in self.feed.items() if after < at <= until)
        return [Entry(key, at, at) for at, key in found[:limit]]

    @rule(key=st.sampled_from(KEYS))
    def change(self, key: ObjectKey) -> None:
        self.position += 1
        self.feed[key] = self.position

    @rule()
    def read(self) -> None:
        for entry in self.entries(self.tail, self.position, PAGE):
            self.lane.offer(entry)
            self.tail = entry.position
        if not self.entries(self.tail, self.position, 1):
            self.lane.passed(self.tail)

    @precondition(lambda self: self.lane.wants_load)
    @rule()
    def load(self) -> None:
        scan = self.lane.scan
        assert scan is not None
        page = self.entries(scan.done, scan.until, PAGE)
        self.lane.load(page, counted=True)
        if len(page) < PAGE:
            self.lane.scan = None
        else:
            scan.done = page[-1].position

    @rule(late=st.booleans())
    def take(self, late: bool) -> None:
        owed = self.lane.take(late=late)
        if owed is not None:
            self.flying.append(owed)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        owed = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        key = owed.entry.key
        sent = self.feed[key]
        assert self.received.get(key, 0) <= sent, "nothing goes back to an older state"
        self.received[key] = sent
        self.lane.settle(owed, sent)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        owed = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.lane.put_back(owed)

    @rule()
    def defer(self) -> None:
        self.lane.defer()

    @rule()
    def store_cursor(self) -> None:
        assert self.lane.cursor >= self.stored_cursor, "the cursor never goes back"
        self.stored_cursor = self.lane.cursor

    @rule()
    def die(self) -> None:
        """The process is killed; another one leases the lane later."""
        self.flying.clear()
        self.tail = self.position
        self.lane = self.new_lane()

    @invariant()
    def one_at_a_time(self) -> None:
        places = [order_key(owed.entry.key) for owed in self.flying]
        assert len(places) == len(set(places))

    @invariant()
    def nothing_below_the_cursor_is_owed(self) -> None:
        for key, at in self.feed.items():
            if at <= self.lane.cursor:
                assert self.received.get(key) == at

    def teardown(self) -> None:
        for _ in range(1000):
            self.read()
            while self.lane.wants_load:
                self.load()
            self.take(late=True)
            for owed in list(self.flying):
                self.flying.remove(owed)
                self.received[owed.entry.key] = self.feed[owed.entry.key]
                self.lane.settle(owed, self.feed[owed.entry.key])
            if self.received == self.feed and self.lane.cursor == self.position:
                return
        raise AssertionError(f"{self.received} is not {self.feed}")


LaneMachine.TestCase.settings = settings(
    max_examples=rounds(80, 1000), stateful_step_count=60, deadline=None
)
TestLane = LaneMachine.TestCase
