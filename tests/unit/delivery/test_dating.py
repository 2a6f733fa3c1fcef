"""Which of two states is older, and what a clock that is far ahead does to that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery.dating import AHEAD, is_ahead, is_older
from ocpi_hub.delivery.session_change import Arrival
from ocpi_hub.delivery.session_custody import take_change
from tests.support.stores import LEASE
from tests.unit.delivery.test_session_custody import BEGIN, CLEAN, NOW, change

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
FAR = NOON + timedelta(days=30_000)


@pytest.mark.parametrize(
    ("change", "standing", "listed", "older"),
    [
        (NOON, NOON + SECOND, False, True),
        (NOON, NOON, False, False),
        (NOON, NOON + AHEAD, False, True),
        (NOON + HOUR, FAR, False, False),
        (NOON - SECOND, FAR, False, False),
        (NOON - AHEAD, FAR, False, False),
        (NOON - AHEAD - SECOND, FAR, False, True),
        # A list may have been made before what stands came.
        (NOON - SECOND, FAR, True, True),
        (NOON + SECOND, FAR, True, False),
        # A clock that stays ahead keeps its order.
        (FAR - SECOND, FAR, False, True),
        (FAR, FAR, False, False),
        (FAR + SECOND, FAR, False, False),
    ],
)
def test_what_is_older(change: datetime, standing: datetime, listed: bool, older: bool) -> None:
    later = NOON + HOUR
    assert is_older(change, standing, NOON, later, listed=listed) is older


def test_dates_are_believed_where_nobody_knows_when_it_came() -> None:
    assert is_older(NOON, FAR, None, NOON, listed=False)
    assert is_older(NOON, FAR, NOON, None, listed=False)


def test_clocks_may_differ_by_minutes() -> None:
    assert not is_ahead(NOON + AHEAD, NOON)
    assert is_ahead(NOON + AHEAD + SECOND, NOON)


def test_a_session_that_was_dated_far_ahead_takes_what_comes_later() -> None:
    minutes_ahead = 60 * 24 * 365 * 50
    ahead = take_change(CLEAN, change(minutes_ahead), NOW, LEASE).row
    assert ahead is not None
    later = NOW + HOUR
    minutes = int((later - BEGIN).total_seconds() // 60)
    assert take_change(ahead, change(minutes), later, LEASE).arrival is Arrival.CHANGED
    assert take_change(ahead, change(2), later, LEASE).arrival is Arrival.STALE
