"""From a command to the CDR: what a simulated charge point does, and what its peer is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.party.client import SendResult
from ocpi_hub.party.simulation import Simulation
from tests.support.party import make_connector, make_evse, make_location, make_token
from tests.unit.ocpi.factories import make_charging_profile, make_tariff
from tests.unit.party.stepping import URL, ListedClient, Platform, make_peer, running, settle
from tests.unit.party.test_modules import make_request

APP = make_token("APP1", type="APP_USER")
START: dict[str, Any] = {"token": APP, "location_id": "LOC1", "evse_uid": "EVSE1"}
RESERVE: dict[str, Any] = {
    **START,
    "reservation_id": "R1",
    "expiry_date": "2026-01-01T01:00:00Z",
}


def kinds(client: ListedClient) -> list[str]:
    """What was sent, as method and module."""
    return [f"{request.method} {request.module}" for request in client.sent]


def found(told: dict[str, Any], model: type[OcpiModel]) -> list[str]:
    """What could be said against an object."""
    parsed = parse_object(json.dumps(told).encode(), model, max_depth=32)
    return [finding.message for finding in parsed.findings]


async def start(cpo: Platform, **fields: Any) -> None:
    assert cpo.command("START_SESSION", **{**START, **fields}) == "ACCEPTED"
    await cpo.clock.advance(1)


@pytest.mark.req("SE-13")
async def test_a_start_brings_its_result_a_session_updates_and_a_cdr() -> None:
    async with running(Platform()) as cpo:
        await start(cpo, authorization_reference="REF1")
        assert kinds(cpo.client) == ["POST commands", "PUT sessions", "PATCH locations"]
        assert (cpo.told_results, cpo.status("EVSE1")) == (["ACCEPTED"], "CHARGING")
        await cpo.clock.advance(60)
        await cpo.clock.advance(60)
        updates = [body["kwh"] for method, body in cpo.client.told("sessions") if method == "PATCH"]
        assert updates == [0.1, 0.2]

        session_id = cpo.session["id"]
        assert cpo.command("STOP_SESSION", session_id=session_id) == "ACCEPTED"
        await cpo.clock.advance(1)
        assert kinds(cpo.client)[-3:] == ["PATCH sessions", "PATCH locations", "POST cdrs"]
        ((_, cdr),) = cpo.client.told("cdrs")
        session = cpo.session
        assert found(session, Session) == []
        assert found(cdr, CDR) == ["absent: nobody can check the price"]
        for told in (session, cdr):
            assert told["cdr_token"]["uid"] == "APP1"
            assert told["auth_method"] == "COMMAND"
            assert told["authorization_reference"] == "REF1"
        assert (session["status"], session["kwh"], cdr["total_energy"]) == (
            "COMPLETED",
            0.201,
            0.201,
        )
        assert cdr["end_date_time"] == session["end_date_time"]
        assert (cdr["session_id"], cdr["total_cost"]) == (session_id, {"excl_vat": 0.0})
        assert list(cpo.points) == []
        assert cpo.status("EVSE1") == "AVAILABLE"


async def test_a_charge_is_priced_by_a_tariff_of_its_connector() -> None:
    cpo = Platform()
    component = {"type": "ENERGY", "price": 0.3, "vat": 20, "step_size": 1}
    cpo.held.load_tariff(json.dumps(make_tariff(elements=[{"price_components": [component]}])))
    evse = make_evse(connectors=[make_connector(tariff_ids=["T0", "T1"])])
    cpo.held.load_location(json.dumps(make_location(evses=[evse])))
    cpo.points.simulation = Simulation(interval_s=60, kw=6, max_kwh=0.2)
    async with running(cpo):
        await start(cpo)
        for _ in range(3):
            await cpo.clock.advance(60)
    ((_, cdr),) = cpo.client.told("cdrs")
    assert cdr["total_energy"] == 0.2
    assert cdr["total_cost"] == cdr["total_energy_cost"] == {"excl_vat": 0.06, "incl_vat": 0.072}
    assert [tariff["id"] for tariff in cdr["tariffs"]] == ["T1"]
    assert {period["tariff_id"] for period in cdr["charging_periods"]} == {"T1"}
    assert found(cdr, CDR) == []


@pytest.mark.req("SE-04")
async def test_a_charging_profile_limits_the_power_and_begins_another_period() -> None:
    async with running(Platform()) as cpo:
        await start(cpo)
        await cpo.clock.advance(60)
        path = f"receiver/chargingprofiles/{cpo.session['id']}"
        periods = [{"start_period": 0, "limit": 3000.0}]
        profile = make_charging_profile(charging_rate_unit="W", charging_profile_period=periods)
        wanted = {"charging_profile": profile, "response_url": URL}
        cpo.modules.answer(make_request("PUT", path, wanted))
        await settle()
        *_, (method, changes) = cpo.client.told("sessions")
        assert (method, len(changes["charging_periods"])) == ("PATCH", 1)
        await cpo.clock.advance(60)
        assert [len(cpo.session["charging_periods"]), cpo.session["kwh"]] == [1, 0.15]

        cpo.modules.answer(make_request("DELETE", f"{path}?response_url={URL}"))
        await cpo.clock.advance(60)
        assert len(cpo.session["charging_periods"]) == 2


async def test_who_did_not_take_a_change_gets_the_whole_session() -> None:
    async with running(Platform()) as cpo:
        await start(cpo)
        cpo.client.answers["PATCH", "sessions"] = SendResult(1.0, 404, 2001)
        await cpo.clock.advance(60)
        cpo.client.answers["PATCH", "sessions"] = SendResult(1.0, error="timeout")
        await cpo.clock.advance(60)
        assert [method for method, _ in cpo.client.told("sessions")] == [
            "PUT",
            *("PATCH", "PUT"),
            "PATCH",
        ]
        cpo.client.answers.clear()
        await cpo.clock.advance(60)
        await cpo.clock.advance(60)
        assert [method for method, _ in cpo.client.told("sessions")][4:] == ["PUT", "PATCH"]


async def test_who_does_not_know_the_evse_gets_the_whole_location() -> None:
    async with running(Platform()) as cpo:
        cpo.client.answers["PATCH", "locations"] = SendResult(1.0, 404, 2003)
        await start(cpo)
    (_, patch), (method, location) = cpo.client.told("locations")
    assert (patch["status"], method) == ("CHARGING", "PUT")
    assert location["evses"][0]["status"] == "CHARGING"


async def test_a_charge_goes_on_at_a_peer_without_the_modules() -> None:
    peer = make_peer(left_out="sessions")
    async with running(Platform(peer)) as cpo:
        await start(cpo)
        await cpo.clock.advance(60)
        assert cpo.session["kwh"] == 0.1
        cpo.command("STOP_SESSION", session_id=cpo.session["id"])
        await cpo.clock.advance(1)
        assert len(cpo.client.told("cdrs")) == 1


@pytest.mark.req("SE-09")
async def test_a_reservation_becomes_the_session_of_its_driver() -> None:
    async with running(Platform()) as cpo:
        assert cpo.command("RESERVE_NOW", **RESERVE) == "ACCEPTED"
        await cpo.clock.advance(1)
        reserved = cpo.session
        assert (reserved["status"], cpo.status("EVSE1")) == ("RESERVATION", "RESERVED")
        assert cpo.command("START_SESSION", **{**START, "token": make_token("OTHER")}) == "ACCEPTED"
        await cpo.clock.advance(1)
        await start(cpo)
        assert cpo.told_results == ["ACCEPTED", "EVSE_OCCUPIED", "ACCEPTED"]
        assert (cpo.session["id"], cpo.session["status"]) == (reserved["id"], "ACTIVE")
        assert cpo.session["start_date_time"] > reserved["start_date_time"]
        assert [method for method, _ in cpo.client.told("sessions")] == ["PUT", "PUT"]


@pytest.mark.req("SE-09")
async def test_a_reservation_that_expires_ends_without_a_cdr() -> None:
    async with running(Platform()) as cpo:
        cpo.command("RESERVE_NOW", **RESERVE)
        await cpo.clock.advance(1)
        longer = {**RESERVE, "expiry_date": "2026-01-01T02:00:00Z"}
        assert cpo.command("RESERVE_NOW", **longer) == "ACCEPTED"
        await cpo.clock.advance(3600)
        assert cpo.session["status"] == "RESERVATION"
        await cpo.clock.advance(3600)
        assert (cpo.session["status"], cpo.session["kwh"]) == ("COMPLETED", 0.0)
        assert (cpo.client.told("cdrs"), cpo.status("EVSE1")) == ([], "AVAILABLE")


async def test_a_reservation_that_expires_before_its_start_is_told_stays_over() -> None:
    async with running(Platform()) as cpo:
        cpo.command("RESERVE_NOW", **RESERVE)
        await cpo.clock.advance(3599.95)
        cpo.command("START_SESSION", **START)
        await cpo.clock.advance(0.05)
        assert cpo.session["status"] == "COMPLETED"
        await cpo.clock.advance(60)
        assert cpo.session["status"] == "COMPLETED"
        assert list(cpo.points) == []


@pytest.mark.req("CM-19")
async def test_only_who_reserved_can_cancel() -> None:
    async with running(Platform()) as cpo:
        cpo.command("RESERVE_NOW", **RESERVE)
        await cpo.clock.advance(1)
        assert cpo.command("CANCEL_RESERVATION", "FR*OTH", reservation_id="R1") == "ACCEPTED"
        assert cpo.command("CANCEL_RESERVATION", reservation_id="R2") == "ACCEPTED"
        await cpo.clock.advance(1)
        assert cpo.session["status"] == "RESERVATION"
        assert cpo.command("CANCEL_RESERVATION", reservation_id="r1") == "ACCEPTED"
        await cpo.clock.advance(1)
        assert cpo.told_results == ["ACCEPTED", *["UNKNOWN_RESERVATION"] * 2, "ACCEPTED"]
        assert cpo.session["status"] == "COMPLETED"


async def test_a_result_that_cannot_be_told_does_not_stop_the_charge() -> None:
    async with running(Platform()) as cpo:
        cpo.command("START_SESSION", **{**START, "response_url": "https://elsewhere.example/1"})
        await cpo.clock.advance(1)
        assert (cpo.told_results, cpo.session["status"]) == ([], "ACTIVE")
