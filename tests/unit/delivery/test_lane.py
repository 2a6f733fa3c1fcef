"""One lane, step by step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ocpi_hub.delivery.feed.lane import Lane, Owed
from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.domain.objects import ObjectKey
from tests.support.factories import CPO, EMSP

NAME = LaneId(CPO, "tokens")


def entry(uid: str, position: int, module: str = "tokens", kind: str = "RFID") -> Entry:
    return Entry(ObjectKey(module, EMSP, uid, kind), position, position)


def taken(lane: Lane, *, late: bool = False) -> Owed:
    owed = lane.take(late=late)
    assert owed is not None
    return owed


def test_the_cursor_stays_below_what_waits_or_flies() -> None:
    lane = Lane.leased(NAME, 5, 5, ())
    lane.offer(entry("A", 6))
    lane.offer(entry("B", 7))
    lane.passed(9)
    assert lane.cursor == 5
    first = taken(lane)
    second = taken(lane)
    lane.settle(second, 7)
    assert lane.cursor == 5
    lane.settle(first, 6)
    assert lane.cursor == 9


def test_a_newer_change_takes_the_place_of_one_that_waits() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    lane.offer(entry("A", 1))
    lane.offer(entry("A", 2))
    owed = taken(lane)
    assert owed.entry.position == 2
    assert lane.take(late=True) is None


def test_an_object_in_flight_is_not_taken_again_before_it_is_settled() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    lane.offer(entry("A", 1))
    flying = taken(lane)
    lane.offer(entry("A", 2))
    assert lane.take(late=True) is None
    lane.settle(flying, 1)
    assert taken(lane).entry.position == 2


def test_a_state_that_was_sent_already_is_not_sent_again() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    lane.offer(entry("A", 1))
    flying = taken(lane)
    lane.offer(entry("A", 2))
    lane.settle(flying, 2)  # the text read at send time was that of position 2
    assert lane.take(late=True) is None
    lane.offer(entry("B", 3))
    ahead = taken(lane)
    lane.settle(ahead, 5)  # it has changed since, and the reader has not come to that yet
    lane.offer(entry("B", 5))
    assert lane.take(late=True) is None
    assert lane.cursor == 5


def test_live_changes_overtake_what_was_missed() -> None:
    lane = Lane.leased(NAME, 0, 10, ())
    lane.load([entry("OLD", 3)], counted=True)
    lane.scan = None
    lane.offer(entry("NEW", 11))
    assert taken(lane, late=True).entry.key.object_id == "NEW"
    assert lane.take(late=False) is None
    assert lane.cursor == 2
    lane.settle(taken(lane, late=True), 3)
    assert lane.cursor == 10


def test_a_scan_holds_the_cursor_until_its_page_is_loaded_and_sent() -> None:
    lane = Lane.leased(NAME, 2, 10, ())
    assert lane.scan is not None
    lane.load([entry("A", 4)], counted=True)
    lane.scan.done = 4
    assert lane.cursor == 3
    lane.settle(taken(lane, late=True), 4)
    assert lane.cursor == 4
    lane.scan = None
    assert lane.cursor == 10


def test_a_live_change_makes_a_missed_one_needless() -> None:
    lane = Lane.leased(NAME, 0, 10, ())
    lane.load([entry("A", 3)], counted=True)
    lane.scan = None
    lane.offer(entry("A", 11))
    lane.settle(taken(lane), 11)
    assert lane.take(late=True) is None
    assert lane.cursor == 11


def test_what_is_put_back_goes_first_unless_it_has_changed() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    lane.offer(entry("A", 1))
    lane.offer(entry("B", 2))
    flying = taken(lane)
    lane.put_back(flying)
    assert taken(lane).entry.key.object_id == "A"
    other = taken(lane)
    lane.offer(entry("B", 3))
    lane.put_back(other)
    assert taken(lane).entry.position == 3


def test_backfills_and_gaps_do_not_hold_the_cursor() -> None:
    lane = Lane.leased(NAME, 9, 9, ())
    lane.load([entry("A", 4)], counted=False)
    assert lane.cursor == 9
    assert taken(lane, late=True).entry.position == 4


def test_an_evse_waits_for_its_location_and_other_locations_do_not() -> None:
    lane = Lane.leased(LaneId(CPO, "locations"), 0, 0, ())
    lane.offer(entry("LOC1", 1, "locations", ""))
    lane.offer(entry("LOC1", 2, "locations", "EVSE:1"))
    lane.offer(entry("LOC2", 3, "locations", ""))
    location = taken(lane)
    assert taken(lane).entry.key.object_id == "LOC2"
    assert lane.take(late=True) is None
    lane.settle(location, 1)
    assert taken(lane).entry.key.object_type == "EVSE:1"


def located(kind: str, position: int) -> Entry:
    return entry("LOC1", position, "locations", kind)


def location_lane() -> Lane:
    return Lane.leased(LaneId(CPO, "locations"), 0, 0, ())


def test_whoever_took_a_location_needs_no_change_of_an_evse_that_came_before() -> None:
    lane = location_lane()
    for position, kind in enumerate(("", "EVSE:1", "EVSE:2"), start=1):
        lane.offer(located(kind, position))
    whole = taken(lane)
    lane.offer(located("EVSE:2", 4))
    lane.settle(whole, 1, location=1)
    assert taken(lane).entry == located("EVSE:2", 4), "its text may lack what came after"
    assert (lane.waiting, lane.in_flight) == (0, 1)


def test_a_location_that_was_refused_settles_nothing_of_its_evses() -> None:
    lane = location_lane()
    lane.offer(located("", 1))
    lane.offer(located("EVSE:1", 2))
    lane.settle(taken(lane), 1)
    assert taken(lane).entry == located("EVSE:1", 2)


def test_a_location_taken_in_place_of_an_evse_counts_for_itself_and_its_evses() -> None:
    lane = location_lane()
    lane.load([located("", 1), located("EVSE:1", 2)], counted=True)
    lane.scan = None
    lane.offer(located("EVSE:2", 3))
    lane.settle(taken(lane), 3, location=1)
    assert lane.take(late=True) is None
    assert lane.cursor == 3


def test_a_gap_on_record_is_closed_by_sending_the_evse_all_the_same() -> None:
    lane = location_lane()
    lane.offer(located("", 1))
    lane.gaps.add(located("EVSE:1", 2).key)
    lane.offer(located("EVSE:1", 2))
    lane.settle(taken(lane), 1, location=1)
    assert taken(lane).entry == located("EVSE:1", 2)


def test_a_location_that_is_asked_for_while_it_is_in_flight_is_sent_again() -> None:
    lane = location_lane()
    lane.offer(located("", 1))
    early = taken(lane)
    lane.passed(2)  # an EVSE changed while there was no relation
    lane.load([located("", 1)], counted=False)
    lane.settle(early, 1, location=1)
    assert taken(lane, late=True).entry == located("", 1)


def test_a_backfill_goes_on_when_all_it_brought_is_settled() -> None:
    lane = location_lane()
    lane.backfills.append(Backfill(lane.lane_id, EMSP, 0, datetime(2026, 1, 1, tzinfo=UTC)))
    lane.load([located("", 1)], counted=False)
    owed = taken(lane, late=True)
    assert not lane.wants_load, "a kill now would lose what is in flight"
    lane.settle(owed, 1)
    assert lane.wants_load


def test_a_receiver_that_pulls_is_owed_nothing() -> None:
    lane = Lane.leased(NAME, 0, 10, ())
    lane.load([entry("A", 3)], counted=True)
    lane.offer(entry("B", 11))
    lane.skip_to_tail()
    assert (lane.waiting, lane.cursor) == (0, 11)


def test_what_waits_for_a_receiver_that_is_away_is_late_when_it_is_back() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    for position, uid in enumerate("ABA", start=1):
        lane.offer(entry(uid, position))
    lane.defer()
    assert lane.take(late=False) is None
    lane.offer(entry("C", 4))
    assert taken(lane, late=True).entry.key.object_id == "C"
    late = [taken(lane, late=True) for _ in range(2)]
    assert [owed.entry for owed in late] == [entry("A", 3), entry("B", 2)]
    assert lane.cursor == 1


def test_a_receiver_that_is_away_for_long_costs_no_memory() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    lane.max_waiting = 3
    for position in range(1, 9):
        lane.offer(entry(f"U{position}", position))
        lane.defer()
    assert lane.waiting <= 3
    assert lane.scan is not None
    assert (lane.scan.done, lane.cursor) == (0, 0)


def test_too_much_to_wait_in_memory_is_left_to_a_scan() -> None:
    lane = Lane.leased(NAME, 3, 3, ())
    lane.max_waiting = 2
    for position in range(4, 9):
        lane.offer(entry(f"U{position}", position))
    assert lane.waiting == 0
    assert lane.scan is not None
    assert (lane.scan.done, lane.scan.until, lane.cursor) == (3, 8, 3)
    lane.load([entry(f"U{position}", position) for position in range(4, 9)], counted=True)
    lane.scan = None
    lane.offer(entry("NEW", 9))
    assert taken(lane, late=True).entry.key.object_id == "NEW"
    assert lane.waiting == 5


def test_what_is_broadcast_waits_for_the_receivers_own_copy_and_the_other_way_round() -> None:
    lane = Lane.leased(NAME, 0, 0, ())
    own = replace(entry("A", 1), key=replace(entry("A", 1).key, audience=str(CPO)))
    lane.load([own], counted=False)
    lane.offer(entry("A", 2))
    flying = taken(lane)
    assert flying.entry.position == 2
    assert lane.take(late=True) is None
    lane.settle(flying, 2)
    flying = taken(lane, late=True)
    assert flying.entry == own
    lane.offer(entry("A", 3))
    assert lane.take(late=True) is None
    lane.put_back(flying)
    assert taken(lane).entry.position == 3


# Taken over in doubt -----------------------------------------------------------------------------


def scanned(lane: Lane) -> tuple[int, int] | None:
    """What a lane wants to have loaded."""
    return (lane.scan.done, lane.scan.until) if lane.scan else None


def test_what_changed_in_doubt_is_sent_once_more_when_that_is_over() -> None:
    lane = Lane.leased(NAME, 5, 5, (), doubt_until=100.0)
    lane.offer(entry("A", 6))
    lane.settle(taken(lane), 6)
    lane.passed(7)
    assert lane.cursor == 5, "whoever comes next has to send it once more as well"
    assert not lane.idle
    assert not lane.quiet
    lane.end_doubt(99.0)
    assert not lane.wants_load
    lane.end_doubt(100.0)
    assert scanned(lane) == (5, 7)
    assert lane.quiet


def test_what_waits_at_the_end_of_a_doubt_is_sent_once() -> None:
    """A scan finds it; what is on record elsewhere it does not find."""
    lane = Lane.leased(NAME, 5, 5, [entry("G", 1).key], doubt_until=100.0)
    lane.offer(entry("A", 6))
    lane.load([entry("G", 1)], counted=False)
    lane.defer()
    lane.end_doubt(100.0)
    assert (scanned(lane), lane.waiting) == ((5, 6), 1)
    lane.load([entry("A", 6)], counted=True)
    sent = [taken(lane, late=True).entry.key.object_id for _ in range(2)]
    assert sorted(sent) == ["A", "G"]
    assert lane.take(late=True) is None


def test_a_doubt_ends_after_what_is_in_flight() -> None:
    lane = Lane.leased(NAME, 5, 5, (), doubt_until=100.0)
    lane.offer(entry("A", 6))
    lane.offer(entry("B", 7))
    flying = taken(lane)
    lane.end_doubt(100.0)
    assert scanned(lane) is None
    assert lane.take(late=True) is None, "nothing new until then"
    lane.settle(flying, 6)
    lane.end_doubt(100.1)
    assert scanned(lane) == (5, 7)
    lane.load([entry("A", 6), entry("B", 7)], counted=True)
    assert {taken(lane, late=True).entry.position for _ in range(2)} == {6, 7}


def test_a_doubt_makes_forget_what_the_receiver_was_told() -> None:
    lane = Lane.leased(NAME, 0, 0, (), doubt_until=100.0)
    place, evse = entry("L", 1, "locations", ""), entry("L", 2, "locations", "EVSE:E")
    ahead = entry("A", 9)
    for each in (place, evse, ahead):
        lane.offer(each)
    lane.settle(taken(lane), 1, location=1)
    lane.settle(taken(lane), 12)
    assert lane.take(late=True) is None, "the Location said what there is of its EVSE"
    lane.end_doubt(100.0)
    lane.load([evse], counted=True)
    assert taken(lane, late=True).entry is evse
    lane.offer(entry("A", 12))
    assert taken(lane).entry.position == 12


def test_who_fetches_what_it_missed_gets_once_more_what_changed_in_doubt_alone() -> None:
    lane = Lane.leased(NAME, 2, 5, (), doubt_until=100.0)
    lane.skip_to_tail()
    lane.offer(entry("A", 6))
    lane.settle(taken(lane), 6)
    lane.end_doubt(100.0)
    assert scanned(lane) == (5, 6)


def test_a_backfill_waits_for_the_end_of_a_doubt() -> None:
    lane = Lane.leased(NAME, 5, 5, (), doubt_until=100.0)
    lane.backfills.append(Backfill(NAME, EMSP, 0, datetime(2026, 1, 1, tzinfo=UTC)))
    assert not lane.wants_load
    lane.end_doubt(100.0)
    lane.scan = None
    assert lane.wants_load
