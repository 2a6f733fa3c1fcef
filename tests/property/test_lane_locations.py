"""A lane of Locations against a model: the receiver's copy ends as what the hub holds.

The hub's side are rows as the store keeps them: a Location with its whole text, and rows of the
EVSEs that changed since it came whole. A run changes both, moves the reader, loads pages of scans,
backfills and due gaps, reads texts at one time and lets the receiver take them at another, alone or
as the whole Location; sends fail, objects are refused, relations come and go, and the process dies,
in any order. Runs are random, weighted and repeatable by their number: what goes wrong here takes
several rare things in a row, which an unguided search does not find in reasonable time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from ocpi_hub.delivery.feed.lane import Lane, Owed, order_key
from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.delivery.shared import EVSE, evse_key, is_evse
from ocpi_hub.domain.objects import ObjectKey
from tests.support.factories import CPO, EMSP
from tests.support.thorough import rounds

NAME = LaneId(EMSP, "locations")
LOCATIONS = [ObjectKey("locations", CPO, name) for name in ("L1", "L2", "L3")]
EVSES = ("a", "b")
PAGE = 3
ASKED = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = rounds(200, 3000)
STEPS = 120

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


class Run:
    """One run: the hub's rows, the lane, and the receiver's copy."""

    def __init__(self, number: int) -> None:
        self.chance = random.Random(number)  # noqa: S311 - repeatable, not secret
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
        # Some runs have little of what makes up for anything that was lost before; in some of
        # those relations change all the time.
        calm = self.chance.random() < 0.7
        loose = calm and self.chance.random() < 0.6
        self.actions: dict[Callable[[], None], float] = {
            self.put_location: 0.5 if calm else 3,
            self.change_evse: 2 if loose else 10,
            self.read: 8,
            self.load: 8,
            self.take: 12,
            self.read_text: 8,
            self.succeed: 8,
            self.fail: 1,
            self.defer: 1,
            self.store_cursor: 2,
            self.find_backfill: 6 if loose else 2,
            self.take_up_gaps: 2,
            self.refuse: 0 if calm else 2,
            self.flap: 5 if loose else 1,
            self.die: 0 if calm else 1,
        }

    def new_lane(self) -> Lane:
        lane = Lane.leased(NAME, self.cursor, self.tail, self.gaps)
        lane.max_waiting = 3
        return lane

    def step(self) -> None:
        [action] = self.chance.choices(list(self.actions), list(self.actions.values()))
        action()
        self.check()

    # The hub's rows ------------------------------------------------------------------------------

    def move(self, key: ObjectKey) -> None:
        self.position += 1
        self.feed[key] = self.position

    def put_location(self) -> None:
        place = self.chance.choice(LOCATIONS)
        self.move(place)
        self.texts[place] = dict.fromkeys(("", *EVSES), self.position)
        for evse in EVSES:
            self.feed.pop(evse_key(place, evse), None)
            self.gaps.pop(evse_key(place, evse), None)

    def change_evse(self) -> None:
        place, evse = self.chance.choice(LOCATIONS), self.chance.choice(EVSES)
        if place in self.texts:
            self.move(evse_key(place, evse))
            self.texts[place][evse] = self.position

    def flap(self) -> None:
        """The relation goes, or comes back with a backfill."""
        self.related = not self.related
        if self.related:
            self.requests += 1
            self.backfill = Backfill(NAME, CPO, 0, ASKED.replace(microsecond=self.requests))

    # The reader ----------------------------------------------------------------------------------

    def entries(self, after: int, until: int) -> list[Entry]:
        found = sorted((at, key) for key, at in self.feed.items() if after < at <= until)
        return [Entry(key, at, LOCATIONS.index(order_key(key)) + 1) for at, key in found[:PAGE]]

    def read(self) -> None:
        for entry in self.entries(self.tail, self.position):
            if self.related:
                self.lane.offer(entry)
            self.tail = entry.position
        self.lane.passed(self.tail)

    def find_backfill(self) -> None:
        if self.backfill is not None and not self.lane.backfills:
            self.lane.backfills.append(self.backfill)

    def load(self) -> None:
        if self.lane.wants_load and self.lane.scan is not None:
            self.load_scan()
        elif self.lane.wants_load:
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

    def take_up_gaps(self) -> None:
        for key, position in self.gaps.items():
            self.lane.gaps.add(key)
            self.lane.load([Entry(key, position, 0)], counted=False)

    # Sending -------------------------------------------------------------------------------------

    def take(self) -> None:
        owed = self.lane.take(late=self.chance.random() < 0.7)
        if owed is not None:
            self.flights.append(Flight(owed))

    def pick(self, *, read: bool) -> Flight | None:
        found = [flight for flight in self.flights if (flight.text is not None) is read]
        return self.chance.choice(found) if found else None

    def read_text(self) -> None:
        flight = self.pick(read=False)
        if flight is not None:
            self.read_for(flight)

    def read_for(self, flight: Flight) -> None:
        key = flight.owed.entry.key
        if key not in self.feed or not self.related:
            self.flights.remove(flight)
            self.lane.settle(flight.owed, None)
            self.close(key, flight.owed.entry.position)
            return
        text = self.texts[order_key(key)]
        flight.position, flight.text = self.feed[key], dict(text)
        if is_evse(key):
            uid = key.object_type.removeprefix(EVSE)
            flight.text = {uid: text[uid]}

    def close(self, key: ObjectKey, position: int) -> None:
        if key in self.lane.gaps:
            self.lane.gaps.discard(key)
            if self.gaps.get(key, position + 1) <= position:
                del self.gaps[key]

    def succeed(self) -> None:
        flight = self.pick(read=True)
        if flight is not None:
            self.land(flight, takes_evses=self.chance.random() < 0.7)

    def land(self, flight: Flight, *, takes_evses: bool) -> None:
        """The receiver takes what was read, or the whole Location as it is now."""
        self.flights.remove(flight)
        key, place = flight.owed.entry.key, order_key(flight.owed.entry.key)
        alone = is_evse(key) and takes_evses and place in self.copy
        replaced = is_evse(key) and not alone
        taken = dict(self.texts[place]) if replaced else flight.text
        assert taken is not None
        assert flight.position is not None
        before = self.copy.setdefault(place, {})
        assert all(before.get(name, 0) <= version for name, version in taken.items())
        before.update(taken)
        self.close(key, flight.position)
        location = None if alone else self.feed[place] if replaced else flight.position
        if location is not None:
            self.close(place, location)
        self.lane.settle(flight.owed, flight.position, location=location)

    def refuse(self) -> None:
        flight = self.pick(read=True)
        if flight is None or flight.position is None:
            return
        self.flights.remove(flight)
        key = flight.owed.entry.key
        self.lane.gaps.add(key)
        if key in self.feed:
            self.gaps[key] = max(self.gaps.get(key, 0), flight.position)
        self.lane.settle(flight.owed, flight.position)

    def fail(self) -> None:
        if self.flights:
            self.lane.put_back(self.flights.pop(self.chance.randrange(len(self.flights))).owed)

    def defer(self) -> None:
        self.lane.defer()

    def store_cursor(self) -> None:
        assert self.lane.cursor >= self.cursor, "the cursor never goes back"
        self.cursor = self.lane.cursor

    def die(self) -> None:
        """The process is killed; another one leases the lane later."""
        self.flights.clear()
        self.tail = self.position
        self.lane = self.new_lane()

    # What holds ----------------------------------------------------------------------------------

    def check(self) -> None:
        places = [order_key(flight.owed.entry.key) for flight in self.flights]
        assert len(places) == len(set(places)), "one at a time"
        if not self.related or self.backfill is not None:
            return
        for key, at in self.feed.items():
            place = order_key(key)
            if at <= self.lane.cursor and {key, place}.isdisjoint(self.gaps):
                name = key.object_type.removeprefix(EVSE)
                held = self.copy.get(place, {})
                assert held.get(name) == self.texts[place][name], f"below the cursor: {key}"

    def finish(self) -> None:
        """Nothing goes wrong any more."""
        if not self.related:
            self.flap()
        for _ in range(500):
            self.read()
            self.find_backfill()
            while self.lane.wants_load:
                self.load()
            self.take_up_gaps()
            self.take()
            for flight in list(self.flights):
                if flight.text is None:
                    self.read_for(flight)
            for flight in list(self.flights):
                self.land(flight, takes_evses=True)
            if self.copy == self.texts and not self.gaps and self.lane.cursor == self.position:
                return
        raise AssertionError(f"{self.copy} is not {self.texts}")


@pytest.mark.req("LO-05")
def test_the_receivers_copy_of_each_location_ends_as_the_hubs() -> None:
    for number in range(RUNS):
        run = Run(number)
        try:
            for _ in range(STEPS):
                run.step()
            run.finish()
        except AssertionError as error:
            raise AssertionError(f"run {number}: {error}") from error
