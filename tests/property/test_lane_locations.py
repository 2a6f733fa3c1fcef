"""A lane of Locations against a model: the receiver's copy ends as what the hub holds.

The hub's side are rows as the store keeps them: a Location with its whole text, and rows of the
EVSEs that changed since it came whole. The machine changes both, moves the reader, loads pages of
scans, backfills and due gaps, reads texts at one time and lets the receiver take them at another,
alone or as the whole Location; sends fail, objects are refused, relations come and go, and the
process dies, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocpi_hub.delivery.feed.lane import Lane, Owed, order_key
from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.delivery.shared import evse_key, is_evse
from ocpi_hub.domain.objects import ObjectKey
from tests.support.factories import CPO, EMSP

NAME = LaneId(EMSP, "locations")
LOCATIONS = [ObjectKey("locations", CPO, name) for name in ("L1", "L2", "L3")]
EVSES = ("a", "b")
PAGE = 3
ASKED = datetime(2026, 1, 1, tzinfo=UTC)

Text = dict[str, int]
"""The version of a Location's own fields (under "") and of each EVSE."""


@dataclass(slots=True)
class Flight:
    """Something in flight.

    Attributes:
        position: of the row when its text was read; None: not read yet.
    """

    owed: Owed
    position: int | None = None
    text: Text | None = None


class LocationMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.feed: dict[ObjectKey, int] = {}
        self.texts: dict[ObjectKey, Text] = {}
        self.gaps: dict[ObjectKey, int] = {}
        self.copy: dict[ObjectKey, Text] = {}
        self.related = True
        self.backfill: Backfill | None = None
        self.requests = 0
        self.cursor = 0
        self.tail = 0
        self.flights: list[Flight] = []
        self.lane = self.new_lane()

    def new_lane(self) -> Lane:
        lane = Lane.leased(NAME, self.cursor, self.tail, self.gaps)
        lane.max_waiting = 4
        return lane

    # The hub's rows ------------------------------------------------------------------------------

    def move(self, key: ObjectKey) -> None:
        self.position += 1
        self.feed[key] = self.position

    @rule(place=st.sampled_from(LOCATIONS))
    def put_location(self, place: ObjectKey) -> None:
        self.move(place)
        self.texts[place] = dict.fromkeys(("", *EVSES), self.position)
        for evse in EVSES:
            self.feed.pop(evse_key(place, evse), None)
            self.gaps.pop(evse_key(place, evse), None)

    @rule(place=st.sampled_from(LOCATIONS), evse=st.sampled_from(EVSES))
    def change_evse(self, place: ObjectKey, evse: str) -> None:
        if place in self.texts:
            self.move(evse_key(place, evse))
            self.texts[place][evse] = self.position

    # The reader ----------------------------------------------------------------------------------

    def entries(self, after: int, until: int, limit: int = PAGE) -> list[Entry]:
        found = sorted((at, key) for key, at in self.feed.items() if after < at <= until)
        return [Entry(key, at, LOCATIONS.index(order_key(key)) + 1) for at, key in found[:limit]]

    @rule()
    def read(self) -> None:
        for entry in self.entries(self.tail, self.position):
            if self.related:
                self.lane.offer(entry)
            self.tail = entry.position
        self.lane.passed(self.tail)

    @rule()
    def find_backfill(self) -> None:
        if self.backfill is not None and not self.lane.backfills:
            self.lane.backfills.append(self.backfill)

    @precondition(lambda self: self.lane.wants_load)
    @rule()
    def load(self) -> None:
        if self.lane.scan is not None:
            self.load_scan()
        else:
            self.load_backfill()

    def load_scan(self) -> None:
        scan = self.lane.scan
        assert scan is not None
        page = self.entries(scan.done, scan.until)
        self.lane.load(page if self.related else [], counted=True)
        if len(page) < PAGE:
            self.lane.scan = None
        else:
            scan.done = page[-1].position

    def load_backfill(self) -> None:
        backfill = self.lane.backfills[0]
        page: list[Entry] = []
        if self.related:
            rows = [(LOCATIONS.index(key) + 1, key) for key in self.feed if not is_evse(key)]
            after = sorted(row for row in rows if row[0] > backfill.after_serial)
            page = [Entry(key, self.feed[key], serial) for serial, key in after[:2]]
        mine = self.backfill is not None and self.backfill.requested_at == backfill.requested_at
        if not page:
            self.lane.backfills.pop(0)
            if mine:
                self.backfill = None
            return
        if mine:
            self.backfill = backfill
        self.lane.load(page, counted=False)
        self.lane.backfills[0] = replace(backfill, after_serial=page[-1].serial)

    @rule()
    def take_up_gaps(self) -> None:
        for key, position in self.gaps.items():
            self.lane.gaps.add(key)
            self.lane.load([Entry(key, position, 0)], counted=False)

    # Sending -------------------------------------------------------------------------------------

    @rule(late=st.booleans())
    def take(self, late: bool) -> None:
        owed = self.lane.take(late=late)
        if owed is not None:
            self.flights.append(Flight(owed))

    def pick(self, data: st.DataObject) -> Flight:
        return self.flights[data.draw(st.integers(0, len(self.flights) - 1))]

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def read_one(self, data: st.DataObject) -> None:
        self.read_text(self.pick(data))

    def read_text(self, flight: Flight) -> None:
        key = flight.owed.entry.key
        if key not in self.feed or not self.related:
            self.flights.remove(flight)
            self.lane.settle(flight.owed, None)
            if key in self.lane.gaps:
                self.lane.gaps.discard(key)
                self.close(key, flight.owed.entry.position)
            return
        text = self.texts[order_key(key)]
        flight.position, flight.text = self.feed[key], dict(text)
        if is_evse(key):
            uid = key.object_type.removeprefix("EVSE:")
            flight.text = {uid: text[uid]}

    def close(self, key: ObjectKey, position: int) -> None:
        if self.gaps.get(key, position + 1) <= position:
            del self.gaps[key]

    @precondition(lambda self: any(flight.text for flight in self.flights))
    @rule(data=st.data(), takes_evses=st.booleans())
    def succeed(self, data: st.DataObject, takes_evses: bool) -> None:
        flight = self.pick(data)
        if flight.text is not None:
            self.land(flight, takes_evses=takes_evses)

    def land(self, flight: Flight, *, takes_evses: bool) -> None:
        """The receiver takes what was read, or the whole Location as it is now."""
        self.flights.remove(flight)
        key, place = flight.owed.entry.key, order_key(flight.owed.entry.key)
        alone = is_evse(key) and takes_evses and place in self.copy
        taken = flight.text if alone or not is_evse(key) else dict(self.texts[place])
        assert taken is not None
        before = self.copy.setdefault(place, {})
        assert all(before.get(name, 0) <= version for name, version in taken.items())
        before.update(taken)
        self.settle(flight, None if alone else place)

    def settle(self, flight: Flight, location: ObjectKey | None) -> None:
        key = flight.owed.entry.key
        assert flight.position is not None
        for each in {key, location} - {None}:
            assert each is not None
            if each in self.lane.gaps:
                self.lane.gaps.discard(each)
                self.close(each, self.feed[each] if each == location else flight.position)
        whole = None if location is None else self.feed[location]
        if key == location:
            whole = flight.position
        self.lane.settle(flight.owed, flight.position, location=whole)

    @precondition(lambda self: any(flight.text for flight in self.flights))
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        flight = self.pick(data)
        if flight.position is None:
            return
        self.flights.remove(flight)
        key = flight.owed.entry.key
        self.lane.gaps.add(key)
        if key in self.feed:
            self.gaps[key] = max(self.gaps.get(key, 0), flight.position)
        self.lane.settle(flight.owed, flight.position)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        flight = self.pick(data)
        self.flights.remove(flight)
        self.lane.put_back(flight.owed)

    @rule()
    def store_cursor(self) -> None:
        assert self.lane.cursor >= self.cursor, "the cursor never goes back"
        self.cursor = self.lane.cursor

    @rule()
    def die(self) -> None:
        """The process is killed; another one leases the lane later."""
        self.flights.clear()
        self.tail = self.position
        self.lane = self.new_lane()

    # What holds ----------------------------------------------------------------------------------

    @invariant()
    def one_at_a_time(self) -> None:
        places = [order_key(flight.owed.entry.key) for flight in self.flights]
        assert len(places) == len(set(places))

    @invariant()
    def the_receiver_has_what_is_below_the_cursor(self) -> None:
        if not self.related or self.backfill is not None:
            return
        for key, at in self.feed.items():
            place = order_key(key)
            if at > self.lane.cursor or not {key, place}.isdisjoint(self.gaps):
                continue
            name = key.object_type.removeprefix("EVSE:")
            assert self.copy[place][name] == self.texts[place][name], key

    def teardown(self) -> None:
        for _ in range(1000):
            self.read()
            self.find_backfill()
            while self.lane.wants_load:
                self.load()
            self.take_up_gaps()
            self.take(late=True)
            for flight in list(self.flights):
                if flight.text is None:
                    self.read_text(flight)
            for flight in list(self.flights):
                self.land(flight, takes_evses=True)
            if self.copy == self.texts and not self.gaps and self.lane.cursor == self.position:
                return
        raise AssertionError(f"{self.copy} is not {self.texts}")


class RelationMachine(LocationMachine):
    """Relations that come and go: what changed in between comes with the backfill."""

    @rule()
    def unrelate(self) -> None:
        self.related = False

    @precondition(lambda self: not self.related)
    @rule()
    def relate(self) -> None:
        self.related = True
        self.requests += 1
        self.backfill = Backfill(NAME, CPO, 0, ASKED.replace(microsecond=self.requests))

    def teardown(self) -> None:
        if not self.related:
            self.relate()
        super().teardown()


for machine in (LocationMachine, RelationMachine):
    machine.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestLocationLane = pytest.mark.req("LO-05")(LocationMachine.TestCase)
TestRelationLane = RelationMachine.TestCase
