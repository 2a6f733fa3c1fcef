"""Which commands simulated charge points take, and how they are priced and limited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.party.charge_texts import energy_price
from ocpi_hub.party.later import Reaction
from ocpi_hub.party.profiles import ProfileTable, profile_kw
from tests.support.party import make_connector, make_evse, make_location, make_token
from tests.unit.ocpi.factories import make_charging_profile, make_tariff
from tests.unit.party.stepping import URL, Platform, running
from tests.unit.party.test_modules import make_request

TOKEN = make_token("APP1", type="APP_USER")
AT_LOC1: dict[str, Any] = {"token": TOKEN, "location_id": "LOC1"}
RESERVE = {**AT_LOC1, "reservation_id": "R1", "expiry_date": "2026-01-01T01:00:00Z"}
UNLOCK = {"location_id": "LOC1", "evse_uid": "EVSE1", "connector_id": "1"}


@pytest.mark.parametrize(
    ("name", "body", "answer"),
    [
        ("START_SESSION", {**AT_LOC1, "location_id": "NONE"}, "REJECTED"),
        ("START_SESSION", {**AT_LOC1, "evse_uid": "NONE"}, "REJECTED"),
        ("START_SESSION", {**AT_LOC1, "evse_uid": "EVSE1", "connector_id": "9"}, "REJECTED"),
        ("START_SESSION", {**AT_LOC1, "token": make_token(party="FR*OTH")}, "REJECTED"),
        ("STOP_SESSION", {"session_id": "NONE"}, "UNKNOWN_SESSION"),
        ("RESERVE_NOW", {**RESERVE, "expiry_date": "2025-01-01T00:00:00Z"}, "REJECTED"),
        ("RESERVE_NOW", {**RESERVE, "location_id": "NONE"}, "REJECTED"),
        ("RESERVE_NOW", {**RESERVE, "token": make_token(party="FR*OTH")}, "REJECTED"),
        ("UNLOCK_CONNECTOR", {**UNLOCK, "connector_id": "9"}, "REJECTED"),
    ],
)
async def test_what_makes_no_sense_is_answered_no_and_followed_by_nothing(
    name: str, body: dict[str, Any], answer: str
) -> None:
    async with running(Platform()) as cpo:
        assert cpo.command(name, **body) == answer
        await cpo.clock.advance(1)
    assert cpo.client.sent == []
    assert list(cpo.points) == []


async def test_a_connector_is_unlocked_without_any_session() -> None:
    async with running(Platform()) as cpo:
        assert cpo.command("UNLOCK_CONNECTOR", **UNLOCK) == "ACCEPTED"
        await cpo.clock.advance(1)
    assert cpo.told_results == ["ACCEPTED"]


async def test_an_evse_is_taken_by_one_session_at_a_time() -> None:
    statuses = ("OUTOFORDER", "CHARGING", "AVAILABLE")
    evses = [make_evse(f"E{n}", status=status) for n, status in enumerate(statuses)]
    cpo = Platform()
    cpo.held.load_location(json.dumps(make_location(evses=evses)))
    async with running(cpo):
        for evse_uid in ("E0", "E1"):
            cpo.command("START_SESSION", **AT_LOC1, evse_uid=evse_uid)
        for _ in range(2):  # the second before the first has begun
            cpo.command("START_SESSION", **AT_LOC1)
        await cpo.clock.advance(1)
    assert cpo.told_results == [
        "EVSE_INOPERATIVE",
        "EVSE_OCCUPIED",
        "ACCEPTED",
        "EVSE_INOPERATIVE",
    ]
    assert cpo.session["evse_uid"] == "E2"


async def test_only_the_emsp_of_a_session_stops_it() -> None:
    async with running(Platform()) as cpo:
        cpo.command("START_SESSION", **AT_LOC1)
        await cpo.clock.advance(1)
        session_id = cpo.session["id"]
        assert cpo.command("STOP_SESSION", "FR*OTH", session_id=session_id) == "REJECTED"
        assert cpo.command("STOP_SESSION", session_id=session_id.upper()) == "ACCEPTED"
        await cpo.clock.advance(1)
        assert cpo.command("STOP_SESSION", session_id=session_id) == "UNKNOWN_SESSION"


async def test_a_reservation_is_not_moved_to_another_evse() -> None:
    async with running(Platform()) as cpo:
        assert cpo.command("RESERVE_NOW", **RESERVE, evse_uid="EVSE1") == "ACCEPTED"
        assert cpo.command("RESERVE_NOW", **RESERVE, evse_uid="EVSE2") == "REJECTED"


async def test_a_script_decides_what_is_said_and_its_no_takes_no_evse() -> None:
    async with running(Platform()) as cpo:
        cpo.held.requests.react(Reaction(action="START_SESSION", result="FAILED"))
        assert cpo.command("START_SESSION", **AT_LOC1) == "ACCEPTED"
        cpo.held.requests.react(Reaction(action="START_SESSION", timeout=7, after_s=5))
        cpo.command("START_SESSION", **AT_LOC1)
        await cpo.clock.advance(1)
        assert (cpo.told_results, len(list(cpo.points))) == (["FAILED"], 1)
        await cpo.clock.advance(4)
        assert (cpo.told_results[-1], cpo.session["status"]) == ("ACCEPTED", "ACTIVE")


async def test_profiles_are_for_sessions_that_run() -> None:
    wanted = {"charging_profile": make_charging_profile(), "response_url": URL}
    cpo = Platform()
    answer = cpo.modules.answer(make_request("PUT", "receiver/chargingprofiles/NONE", wanted))
    assert json.loads(answer.body)["data"]["result"] == "UNKNOWN_SESSION"
    assert cpo.held.requests.profiles.get("NONE") is None


@pytest.mark.req("CP-09")
def test_updates_go_to_who_has_set_a_profile_until_it_is_cleared() -> None:
    profiles = ProfileTable()
    profiles.change("S1", make_charging_profile())
    assert not profiles.is_followed("S1")
    profiles.set("s1", make_charging_profile(), None)
    assert profiles.is_followed("S1")
    profiles.change("S1", None)
    assert profiles.is_followed("S1")
    assert profiles.active("S1", 7000.0)["charging_profile"]["charging_rate_unit"] == "W"
    profiles.clear("S1")
    assert not profiles.is_followed("S1")


@pytest.mark.parametrize(
    ("elapsed_s", "kw"), [(0, 6.9), (59, 6.9), (60, 3.45), (599, 3.45), (600, None)]
)
def test_the_period_of_a_profile_that_has_begun_counts(elapsed_s: float, kw: float | None) -> None:
    periods = [{"start_period": 0, "limit": 10.0}, {"start_period": 60, "limit": 5.0}]
    profile = {
        "charging_rate_unit": "A",
        "duration": 600,
        "charging_profile_period": periods,
    }
    assert profile_kw(profile, elapsed_s, 3) == (kw and pytest.approx(kw))


def test_no_profile_is_no_limit_and_no_limit_is_below_zero() -> None:
    assert profile_kw(None, 0, 1) is None
    profile = {"charging_rate_unit": "W", "charging_profile_period": None}
    assert profile_kw(profile, 0, 1) is None
    negative = {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": -5}],
    }
    assert profile_kw(negative, 0, 1) == 0


ENERGY = {"type": "ENERGY", "price": 0.29, "step_size": 1}


@pytest.mark.parametrize(
    ("elements", "price"),
    [
        ([{"price_components": [ENERGY]}], (0.29, None)),
        ([{"price_components": [{**ENERGY, "vat": 19}]}], (0.29, 19.0)),
        ([{"price_components": [{**ENERGY, "step_size": 500}]}], None),
        ([{"price_components": [{**ENERGY, "type": "TIME"}]}], None),
        ([{"price_components": [ENERGY, {**ENERGY, "type": "FLAT"}]}], None),
        ([{"price_components": [ENERGY], "restrictions": {"max_kwh": 5}}], None),
        ([{"price_components": [ENERGY]}, {"price_components": [ENERGY]}], None),
    ],
)
def test_only_a_price_for_energy_alone_is_understood(
    elements: Any, price: tuple[float, float | None] | None
) -> None:
    assert energy_price(make_tariff(elements=elements)) == price
    assert energy_price(make_tariff(elements=elements, min_price={"excl_vat": 1})) is None


@pytest.mark.parametrize(
    ("connector", "kw"),
    [
        (make_connector(), 22.08),
        (make_connector(power_type="AC_1_PHASE"), 7.36),
        (make_connector(max_electric_power=3700), 3.7),
    ],
)
async def test_no_connector_gives_more_than_it_can(connector: dict[str, Any], kw: float) -> None:
    cpo = Platform()
    cpo.held.load_location(json.dumps(make_location(evses=[make_evse(connectors=[connector])])))
    async with running(cpo):
        cpo.command("START_SESSION", **AT_LOC1)
        await cpo.clock.advance(1)
        (charge,) = cpo.points
        assert charge.spot.max_kw == pytest.approx(kw)
        assert charge.kw == pytest.approx(min(kw, 6))
