"""How far behind a lane is, from its cursor and who may see what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.admin.lanes import lane_items
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.store.lane_admin import LaneRow, PastCursors
from tests.support.factories import CPO, EMSP, make_directory, make_platform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRANGER = PartyId("FR", "MSP")
DIRECTORY = make_directory(
    make_platform((CPO, Role.CPO)),
    make_platform((EMSP, Role.EMSP)),
)


def lane(cursor: int, receiver: PartyId = CPO) -> LaneRow:
    return LaneRow(LaneId(receiver, "tokens"), cursor, None, None, 0, None, 0)


def counted(cursors: list[int], positions: list[int], owner: PartyId) -> list[PastCursors]:
    """What the database would tell about changes at these positions, one by one."""
    known = sorted(set(cursors))
    return [
        PastCursors(
            sum(cursor < position for cursor in known),
            owner,
            1,
            NOW - timedelta(seconds=1000 - position),
        )
        for position in positions
        if any(cursor < position for cursor in known)
    ]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=8),
    st.lists(st.integers(1, 60), max_size=20, unique=True),
)
def test_a_lane_owes_what_is_past_its_cursor(cursors: list[int], positions: list[int]) -> None:
    past = {"tokens": counted(cursors, positions, EMSP)}
    items = lane_items([lane(cursor) for cursor in cursors], past, DIRECTORY, NOW)
    for cursor, item in zip(cursors, items, strict=True):
        owed = [position for position in positions if position > cursor]
        assert item.backlog == len(owed)
        assert item.age_s == (1000 - min(owed) if owed else 0.0)


def test_what_a_receiver_may_not_see_is_not_owed() -> None:
    past = {"tokens": counted([0], [1, 2], STRANGER)}
    (item,) = lane_items([lane(0)], past, DIRECTORY, NOW)
    assert (item.backlog, item.age_s) == (0, 0.0)
