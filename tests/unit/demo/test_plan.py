from __future__ import annotations

from collections import Counter

import pytest

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.demo.outages import cut
from ocpi_hub.demo.parties import FAHRTWIND
from ocpi_hub.demo.plan import WHITELIST_PAIR, make_plan
from ocpi_hub.ocpi.v2_2_1.tokens import TokenType
from tests.unit.demo.test_data import CDRS

PLAN = make_plan()


def test_the_demo_has_the_numbers_it_promises() -> None:
    assert len(PLAN.all_tokens) == 2000
    assert len(PLAN.asks) == 500
    assert PLAN.cdrs == 300


def test_every_uid_is_asked_for_once() -> None:
    assert set(Counter(ask.uid for ask in PLAN.asks).values()) == {1}


def test_enough_is_allowed_for_all_cdrs_before_the_first_is_sent() -> None:
    before = [ask for ask in PLAN.asks if ask not in PLAN.down]
    assert sum(ask.expected.allowed == "ALLOWED" for ask in before) >= PLAN.cdrs


def test_only_the_whitelist_act_plays_between_the_whitelist_pair() -> None:
    cpo, emsp = WHITELIST_PAIR
    between = [
        ask
        for ask in PLAN.asks
        if ask.cpo == cpo and ask.token is not None and ask.token.owner == emsp.party
    ]
    assert {ask.uid for ask in between} == {ask.uid for ask in PLAN.whitelist}


def test_some_cards_are_decided_by_nobody_when_the_emsp_is_silent() -> None:
    for act in (PLAN.too_slow, PLAN.down):
        nobody = [ask for ask in act if ask.expected.decided_by is DecidedBy.NOBODY]
        assert nobody
        assert all(ask.token and ask.token.whitelist == "NEVER" for ask in nobody)


def test_drivers_have_apps_and_charging_points_of_their_own() -> None:
    assert len(PLAN.drivers) == 12
    assert len({driver.evse for driver in PLAN.drivers}) == 12
    assert {driver.token.type for driver in PLAN.drivers} == {TokenType.APP_USER}
    assert all(driver.evse.site.operator == driver.cpo for driver in PLAN.drivers)
    assert {driver.token.uid for driver in PLAN.drivers}.isdisjoint(ask.uid for ask in PLAN.asks)


def test_slow_acts_are_about_one_emsp() -> None:
    for ask in (*PLAN.slow, *PLAN.too_slow):
        assert ask.token is not None
        assert ask.token.owner == FAHRTWIND.party


def test_charging_points_belong_to_the_cpo_that_asks() -> None:
    assert all(ask.evse.site.country.operator == ask.cpo for ask in PLAN.asks)


@pytest.mark.parametrize("scale", [0.02, 0.1, 4.0])
def test_a_scaled_plan_keeps_every_act(scale: float) -> None:
    plan = make_plan(scale)
    acts = (plan.realtime, plan.unknown, plan.slow, plan.too_slow, plan.whitelist, plan.down)
    assert all(acts)
    assert len(plan.drivers) >= 4
    assert len({ask.uid for ask in plan.asks}) == len(plan.asks)


def test_the_same_seed_gives_the_same_plan() -> None:
    assert make_plan(0.1) == make_plan(0.1)


@pytest.mark.parametrize("count", [8, 30, 299, 300])
def test_cutting_cdrs_loses_none(count: int) -> None:
    parts = cut(CDRS[:count])
    assert [cdr for part in parts for cdr in part] == CDRS[:count]
    assert all(parts)
