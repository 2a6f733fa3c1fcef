"""Which receivers get EVSEs alone."""

from __future__ import annotations

import pytest

from ocpi_hub.delivery.feed.evses import ASK_AGAIN, PATIENCE, EvseHabit, lacks_location
from ocpi_hub.delivery.verdict import judge
from ocpi_hub.domain.exchange import Exchange, NoAnswer, Unreachable
from tests.support.scripted import answer


def habit(refusals: int) -> EvseHabit:
    made = EvseHabit()
    for _ in range(refusals):
        made.took_location()
    return made


def test_only_who_refuses_evses_again_and_again_gets_locations_at_once() -> None:
    assert not habit(PATIENCE - 1).wants_locations()
    assert habit(PATIENCE).wants_locations()


def test_whoever_gets_locations_is_asked_again_now_and_then() -> None:
    stubborn = habit(PATIENCE)
    asked = [not stubborn.wants_locations() for _ in range(2 * ASK_AGAIN)]
    assert sum(asked) == 2
    stubborn.took_evse()
    assert not stubborn.wants_locations()


@pytest.mark.parametrize(
    ("exchange", "lacking"),
    [
        (answer(2003, http=404), True),
        (answer(None, http=404), True),
        (answer(2001), True),
        (answer(2003), True),
        (answer(2000), False),
        (answer(1000), False),
        (answer(None, http=500), False),
        (answer(3000), False),
        (NoAnswer("lost"), False),
        (Unreachable("refused"), False),
    ],
    ids=str,
)
def test_what_says_that_the_location_is_lacking(exchange: Exchange, lacking: bool) -> None:
    assert lacks_location(judge(exchange)) is lacking
