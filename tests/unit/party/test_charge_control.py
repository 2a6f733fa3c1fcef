"""The control side of charge points: what it refuses, and what it hands on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.platform import PartyPlatform
from tests.support.party import make_token, party_role

PLUG = {"uid": "UID1", "location_id": "LOC1"}


@pytest.fixture
async def control() -> AsyncIterator[httpx.AsyncClient]:
    """A platform of two CPOs that nobody has registered with."""
    parties = (party_role("CPO", "NL*CPO"), party_role("CPO", "BE*TWO"))
    async with PartyPlatform(PartyConfig(parties=parties)) as platform:
        base_url = platform.control_url or ""
        async with httpx.AsyncClient(trust_env=False, base_url=base_url) as http:
            yield http


async def test_charge_points_are_switched_on_changed_and_off(control: httpx.AsyncClient) -> None:
    assert (await control.get("/simulation")).json() == {"simulation": None}
    assert (await control.post("/charges", json=PLUG)).status_code == 409
    on = (await control.post("/simulation", json={"kw": 22, "interval_s": 1})).json()["simulation"]
    assert (on["kw"], on["interval_s"], on["cdrs"]) == (22.0, 1.0, True)
    assert (await control.get("/simulation")).json() == {"simulation": on}
    assert (await control.post("/simulation")).json()["simulation"]["kw"] == 11.0
    assert (await control.delete("/simulation")).json() == {"simulation": None}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/simulation", {"kw": 0}),
        ("/simulation", {"kw": -1}),
        ("/simulation", {"interval_s": 0}),
        ("/simulation", {"power": 1}),
        ("/charges", PLUG),
        ("/charges", {"uid": "UID1"}),
        ("/charges/stop", {"session_id": "NONE"}),
        ("/charges/limit", {"session_id": "NONE"}),
        ("/charges/limit", {"session_id": "NONE", "charging_profile": {}}),
        ("/charges/cancel_reservation", {"reservation_id": "NONE"}),
        ("/charges/cancel_reservation", {"reservation_id": "R", "asker": ["DE", "MSP"]}),
        ("/charges/cancel_reservation", {"reservation_id": "R", "asker": {"country_code": "DE"}}),
        ("/publish", {"module": "commands"}),
        ("/publish", {"module": "tokens", "concurrency": 0}),
        ("/tokens", [make_token()]),
    ],
)
async def test_what_makes_no_sense_is_refused(
    control: httpx.AsyncClient, path: str, body: Any
) -> None:
    await control.post("/simulation")
    answer = await control.post(path, json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_nothing_is_asked_or_published_before_a_registration(
    control: httpx.AsyncClient,
) -> None:
    await control.post("/simulation")
    plugged = await control.post("/charges", json={**PLUG, "owner": "NL*CPO"})
    assert (plugged.status_code, "not registered" in plugged.text) == (409, True)
    published = await control.post("/publish", json={"module": "tokens"})
    assert published.json() == {"sent": 0, "accepted": 0, "failed": []}


@pytest.mark.parametrize("party", [["NL", "CPO"], {"country_code": "NL", "party_id": "TOOLONG"}])
async def test_parties_are_written_in_one_way(control: httpx.AsyncClient, party: Any) -> None:
    request = {"method": "GET", "module": "tokens", "role": "SENDER"}
    for field in ("to", "from"):
        answer = await control.post("/send", json={**request, field: party})
        assert answer.status_code == 400
        assert "CC*PID" in answer.json()["error"]
