"""Which lanes a process looks at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ocpi_hub.delivery.feed.held import HeldLanes
from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.protocols import Backfill, Entry, LaneId
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, PartyId, Role
from tests.support.factories import CPO, EMSP, make_directory, make_platform

MODULE = "tariffs"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OTHERS = tuple(PartyId("DE", f"M{number:02}") for number in range(50))


def directory() -> Directory:
    return make_directory(
        make_platform((CPO, Role.CPO)),
        *(make_platform((one, Role.EMSP)) for one in (EMSP, *OTHERS)),
    )


def change(position: int, owner: PartyId = CPO) -> Entry:
    return Entry(ObjectKey(MODULE, owner, f"T{position}"), position, position)


def held(count: int = 50, *, tail: int = 5) -> HeldLanes:
    """Lanes that have nothing to do, and were looked at."""
    found, seen = directory(), HeldLanes(lambda: found, (MODULE,))
    seen.tails[MODULE] = tail
    seen.add([Lane.leased(LaneId(party, MODULE), tail, tail, ()) for party in OTHERS[:count]])
    assert len(seen.busy) == count, "who is new is looked at"
    look(seen)
    return seen


def look(lanes: HeldLanes) -> list[Lane]:
    looked_at = lanes.busy
    for lane in looked_at:
        lanes.rest(lane)
    return list(looked_at)


def test_lanes_with_nothing_to_do_are_not_looked_at_and_stand_where_the_reader_stands() -> None:
    lanes = held()
    assert look(lanes) == []
    lanes.offer(MODULE, [change(9, owner=EMSP)])
    lanes.passed(MODULE)
    assert set(lanes.cursors().values()) == {9}
    lanes.offer(MODULE, [])
    assert look(lanes) == []


def _offered(lanes: HeldLanes, _lane: Lane) -> None:
    lanes.offer(MODULE, [change(6)])


def _gap(lanes: HeldLanes, lane: Lane) -> None:
    lanes.wake(lane)
    lane.load([change(2)], counted=False)


def _backfill(lanes: HeldLanes, lane: Lane) -> None:
    lanes.wake(lane)
    lane.backfills.append(Backfill(lane.lane_id, CPO, 0, NOW))


@pytest.mark.parametrize("what", [_offered, _gap, _backfill])
def test_a_lane_is_looked_at_until_nothing_is_left_to_do(
    what: Callable[[HeldLanes, Lane], None],
) -> None:
    lanes = held(1)
    [lane] = lanes.all.values()
    what(lanes, lane)
    assert look(lanes) == [lane]
    assert look(lanes) == [lane], "nothing has come of it yet"
    if lane.backfills:
        lane.backfills.clear()
    else:
        owed = lane.take(late=True)
        assert owed is not None
        assert look(lanes) == [lane], "it is on its way, and may come back"
        lane.put_back(owed)
        assert look(lanes) == [lane]
        again = lane.take(late=True)
        assert again is not None
        lane.settle(again, again.entry.position)
    lanes.passed(MODULE)
    look(lanes)
    assert look(lanes) == []


def test_what_waits_holds_the_cursor_back_and_a_lane_that_is_woken_knows_what_was_read() -> None:
    lanes = held(2)
    one, other = lanes.all.values()
    lanes.wake(one)
    one.load([change(2)], counted=False)
    lanes.offer(MODULE, [change(7)])
    lanes.passed(MODULE)
    assert lanes.cursors() == {one.lane_id: 6, other.lane_id: 6}
    lanes.drop([other.lane_id])
    lanes.offer(MODULE, [change(8)])
    assert look(lanes) == [one]
    assert other.waiting == 1, "it is somebody else's now"
    late = held(1)
    [lane] = late.all.values()
    late.offer(MODULE, [change(9, owner=EMSP)])
    late.passed(MODULE)
    assert lane.tail == 5
    late.wake(lane)
    assert lane.tail == 9


def test_full_lanes_and_those_of_who_is_away_have_no_room() -> None:
    now = [directory()]
    lanes = HeldLanes(lambda: now[0], (MODULE,))
    lanes.tails[MODULE] = 0
    lanes.add([Lane.leased(LaneId(party, MODULE), 0, 0, ()) for party in OTHERS[:3]])
    full = lanes.all[LaneId(OTHERS[1], MODULE)]
    full.load([change(1), change(2)], counted=False)
    names = [LaneId(OTHERS[0], MODULE), LaneId(OTHERS[2], MODULE)]
    assert list(lanes.with_room(2)) == names
    now[0] = make_directory(
        make_platform((OTHERS[0], Role.EMSP), online=False), make_platform((OTHERS[2], Role.EMSP))
    )
    assert list(lanes.with_room(2)) == names[1:]
    assert LaneId(OTHERS[1], MODULE) not in lanes.wanted()


def test_lanes_are_wanted_for_who_announced_the_interface() -> None:
    silent = make_platform((OTHERS[0], Role.EMSP), endpoints={})
    found = make_directory(make_platform((EMSP, Role.EMSP)), silent)
    lanes = HeldLanes(lambda: found, (MODULE, "locations"))
    assert list(lanes.wanted()) == [LaneId(EMSP, MODULE), LaneId(EMSP, "locations")]
    assert (MODULE, InterfaceRole.RECEIVER) not in silent.endpoints
