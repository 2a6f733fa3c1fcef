"""Direct mode: a CPO and an eMSP, each a process of its own, without any hub in between."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.ocpi.headers import authorization
from tests.support.party import PartyProcess, make_connector, make_evse, make_location, make_token
from tests.support.waiting import eventually
from tests.unit.ocpi.factories import make_tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")

CPO, EMSP = "NL*CPO", "DE*MSP"
QUICK = {"interval_s": 0.05, "speed": 3600, "max_kwh": None}
"""Three kilowatt-hours a second, told twenty times."""
APP = make_token("APP1", type="APP_USER")
PAGE = 10


class Pair:
    """The CPO invited the eMSP, which registered as it started.

    Attributes:
        invitation: what `party invite` printed.
    """

    def __init__(self, folder: Path) -> None:
        self._state = str(folder / "cpo.json")
        self._port = "0"
        self.invitation: dict[str, Any] = {}
        self.cpo = self._new_cpo()
        self.emsp = PartyProcess()

    def _new_cpo(self) -> PartyProcess:
        options = ("--state", self._state, "--port", self._port, "--page-limit", str(PAGE))
        return PartyProcess.of([("CPO", CPO)], "--simulate", *options)

    async def start(self) -> None:
        await self.cpo.__aenter__()
        self._port = str(urlsplit(self.cpo.versions_url).port)
        self.invitation = await invite(self.cpo)
        self.emsp = PartyProcess.of(
            [("EMSP", EMSP)],
            *("--versions-url", self.invitation["versions_url"]),
            *("--token", self.invitation["token"], "--page-limit", str(PAGE)),
        )
        await self.emsp.__aenter__()
        await self.cpo.control("POST", "/simulation", QUICK)

    async def restart_cpo(self) -> None:
        """Kill it, and start it on its port and with its state again."""
        await self.cpo.kill()
        await self.cpo.stop()
        self.cpo = self._new_cpo()
        await self.cpo.__aenter__()
        await self.cpo.control("POST", "/simulation", QUICK)

    async def stop(self) -> None:
        await self.emsp.stop()
        await self.cpo.stop()

    async def session(self, session_id: str) -> dict[str, Any]:
        """As the driver's app sees it; empty before it does."""
        held = (await self.emsp.sessions())["cached"]
        return next((each for each in held if each["id"] == session_id), {})

    async def session_with(self, session_id: str, status: str) -> dict[str, Any]:
        """The Session as the app sees it, once it has that status."""
        seen: dict[str, Any] = {}

        async def reached() -> bool:
            seen.update(await self.session(session_id))
            return seen.get("status") == status

        await eventually(reached, f"Session {session_id} is {status}")
        return seen

    async def new_session(self, status: str) -> dict[str, Any]:
        """The Session that the app saw last, once it has that status."""
        seen: dict[str, Any] = {}

        async def reached() -> bool:
            held = (await self.emsp.sessions())["cached"]
            seen.update(held[-1] if held else {})
            return seen.get("status") == status

        await eventually(reached, f"a Session is {status}")
        return seen

    async def results(self, asked: dict[str, Any], count: int = 1) -> list[str]:
        """What the eMSP was told later about a question."""
        results: list[str] = []

        async def arrived() -> bool:
            results[:] = (await self.emsp.asked())[asked["id"]]["results"]
            return len(results) >= count

        await eventually(arrived, "the result has arrived")
        return [json.loads(text)["result"] for text in results]


async def invite(party: PartyProcess) -> dict[str, Any]:
    """What `ocpi-hub --json party invite` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ocpi_hub", "--json", "party", "invite"),
        *("--control-url", party.control_url),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return dict(json.loads(out))


def data(answer: dict[str, Any]) -> Any:
    return json.loads(answer["body"])["data"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("direct"))
    try:
        await made.start()
        tariff = make_tariff(id="T1")
        connectors = [make_connector(tariff_ids=["T1"])]
        evses = [make_evse(f"EVSE{number}", connectors=connectors) for number in range(8)]
        await made.cpo.control("POST", "/tariffs", [tariff])
        await made.cpo.load_locations(
            make_location(evses=evses), *(make_location(f"MORE{n}") for n in range(24))
        )
        await made.emsp.load_tokens(*(make_token(f"UID{number}") for number in range(25)))
        yield made
    finally:
        await made.stop()


@pytest.mark.req("CR-05")
async def test_an_invitation_is_for_one_platform_and_shown_once(pair: Pair) -> None:
    assert pair.emsp.ready["registered"] is True
    assert pair.invitation["versions_url"] == pair.cpo.versions_url
    shown = json.dumps([await pair.cpo.credentials(), await pair.cpo.record()])
    assert pair.invitation["token"] not in shown
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": authorization(pair.invitation["token"])}
        assert (await http.get(pair.cpo.versions_url, headers=headers)).status_code == 401
        another = await http.post(f"{pair.cpo.control_url}/invite")
    assert (another.status_code, "registered here already" in another.text) == (409, True)


async def test_both_sides_publish_and_read_what_the_other_owns(pair: Pair) -> None:
    for owner, reader, module, count in (
        (pair.cpo, pair.emsp, "locations", 25),
        (pair.cpo, pair.emsp, "tariffs", 1),
        (pair.emsp, pair.cpo, "tokens", 25),
    ):
        pulled = await reader.pull(module)
        assert (len(pulled["objects"]), pulled["refused"], pulled["failed"]) == (count, [], None)
        assert pulled["pages"] == -(-count // PAGE)
        published = await owner.control("POST", "/publish", {"module": module})
        assert published == {"sent": count, "accepted": count, "failed": []}
    assert await pair.emsp.locations() == await pair.cpo.locations()
    assert (await pair.cpo.tokens())["cached"] == (await pair.emsp.tokens())["issued"]


@pytest.mark.req("SE-04")
async def test_a_card_is_authorized_live_and_the_app_sees_each_update(pair: Pair) -> None:
    refused = await pair.cpo.control("POST", "/charges", {"uid": "NOBODY", "location_id": "LOC1"})
    assert (refused["result"], refused["session_id"]) == ("NOT_ALLOWED", None)
    since = (await pair.emsp.status())["record_next"]
    plug = {"uid": "UID3", "location_id": "LOC1", "evse_uid": "EVSE1"}
    begun = await pair.cpo.control("POST", "/charges", plug)
    granted = data(begun["authorization"])
    assert (begun["result"], granted["location"]["evse_uids"]) == ("ACCEPTED", ["EVSE1"])
    session_id = begun["session_id"]

    async def seen() -> list[dict[str, Any]]:
        return await pair.emsp.record(module="sessions", direction="in", since=str(since))

    async def several() -> bool:
        return len(await seen()) >= 4

    await eventually(several, "the app has seen four updates")
    assert (await pair.emsp.locations())[f"{CPO}/LOC1"]["evses"][1]["status"] == "CHARGING"
    await pair.cpo.control("POST", "/charges/stop", {"session_id": session_id})
    complete = await pair.session_with(session_id, "COMPLETED")
    updates = await seen()
    assert [item["method"] for item in updates] == ["PUT", *["PATCH"] * (len(updates) - 1)]
    energy = [json.loads(item["body"])["kwh"] for item in updates]
    assert energy == sorted(energy)
    assert energy[-1] > energy[1] > 0
    (own,) = [each for each in (await pair.cpo.sessions())["own"] if each["id"] == session_id]
    assert complete == own
    assert complete["authorization_reference"] == granted["authorization_reference"]
    assert complete["total_cost"]["excl_vat"] == pytest.approx(complete["kwh"] * 0.29, abs=1e-4)


async def test_a_cdr_follows_and_can_be_read_at_its_location(pair: Pair) -> None:
    plug = {"uid": "UID4", "location_id": "LOC1", "evse_uid": "EVSE2"}
    session_id = (await pair.cpo.control("POST", "/charges", plug))["session_id"]
    await pair.session_with(session_id, "ACTIVE")
    await pair.cpo.control("POST", "/charges/stop", {"session_id": session_id})
    session = await pair.session_with(session_id, "COMPLETED")

    async def billed() -> bool:
        return session_id in {cdr["id"] for cdr in await pair.emsp.received_cdrs()}

    await eventually(billed, "the CDR has arrived")
    (held,) = [cdr for cdr in await pair.emsp.received_cdrs() if cdr["id"] == session_id]
    again = await pair.cpo.send("POST", "cdrs", role="RECEIVER", raw_body=held["body"])
    assert (again["http"], again["ocpi"]) == (200, 1000)
    copy = await pair.cpo.send("GET", "cdrs", url=again["headers"]["location"])
    assert data(copy) == json.loads(held["body"])
    assert data(copy)["total_energy"] == session["kwh"]
    listed = await pair.emsp.pull("cdrs")
    assert session_id in {cdr["id"] for cdr in listed["objects"]}
    assert (listed["refused"], listed["failed"]) == ([], None)


async def test_the_app_starts_and_stops_a_session(pair: Pair) -> None:
    unknown = await pair.emsp.command("STOP_SESSION", {"session_id": "NONE"})
    assert data(unknown)["result"] == "UNKNOWN_SESSION"
    wanted = {"token": APP, "location_id": "LOC1", "evse_uid": "EVSE3"}
    started = await pair.emsp.command("START_SESSION", wanted)
    assert data(started)["result"] == "ACCEPTED"
    assert await pair.results(started) == ["ACCEPTED"]
    session = await pair.new_session("ACTIVE")
    assert (session["cdr_token"]["uid"], session["auth_method"]) == ("APP1", "COMMAND")
    occupied = await pair.emsp.command("START_SESSION", wanted)
    assert await pair.results(occupied) == ["EVSE_OCCUPIED"]
    stopped = await pair.emsp.command("STOP_SESSION", {"session_id": session["id"]})
    assert await pair.results(stopped) == ["ACCEPTED"]
    await pair.session_with(session["id"], "COMPLETED")
    assert (await pair.emsp.asked())[unknown["id"]]["results"] == []


@pytest.mark.req("SE-09")
async def test_a_reservation_is_kept_and_taken_back_by_the_cpo(pair: Pair) -> None:
    wanted = {
        "token": APP,
        "location_id": "LOC1",
        "evse_uid": "EVSE4",
        "reservation_id": "R1",
        "expiry_date": "2099-01-01T00:00:00Z",
    }
    reserved = await pair.emsp.command("RESERVE_NOW", wanted)
    session = await pair.new_session("RESERVATION")
    body = {"reservation_id": "R1"}
    await pair.cpo.control("POST", "/charges/cancel_reservation", body)
    assert await pair.results(reserved, 2) == ["ACCEPTED", "CANCELED_RESERVATION"]
    ended = await pair.session_with(session["id"], "COMPLETED")
    assert ended["kwh"] == 0
    gone = await pair.emsp.command("CANCEL_RESERVATION", body)
    assert await pair.results(gone) == ["UNKNOWN_RESERVATION"]


@pytest.mark.req("CP-07", "CP-09")
async def test_a_profile_is_followed_and_its_changes_are_told(pair: Pair) -> None:
    wanted = {"token": APP, "location_id": "LOC1", "evse_uid": "EVSE5"}
    await pair.emsp.command("START_SESSION", wanted)
    session = await pair.new_session("ACTIVE")
    profile = {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 4200.0}],
    }
    limit = {"session_id": session["id"], "charging_profile": profile}
    untold = await pair.cpo.control("POST", "/charges/limit", limit)
    assert untold == {"told": None}
    put = await pair.emsp.ask(
        "PUT", "chargingprofiles", session["id"], body={"charging_profile": profile}
    )
    assert await pair.results(put) == ["ACCEPTED"]

    async def limited() -> bool:
        running = (await pair.cpo.control("GET", "/charges"))["items"]
        return any((c["session_id"], c["kw"]) == (session["id"], 4.2) for c in running)

    await eventually(limited, "the power has followed the profile")
    told = await pair.cpo.control("POST", "/charges/limit", {"session_id": session["id"]})
    assert (told["told"]["ocpi"], '"data"' in told["told"]["body"]) == (1000, False)
    (update,) = await pair.emsp.profile_updates()
    active = json.loads(update["body"])["charging_profile"]
    assert active["charging_profile_period"] == [{"start_period": 0, "limit": 22080.0}]
    stopped = await pair.emsp.command("STOP_SESSION", {"session_id": session["id"]})
    assert await pair.results(stopped) == ["ACCEPTED"]
    await pair.session_with(session["id"], "COMPLETED")


async def test_requests_without_a_hub_name_both_parties(pair: Pair) -> None:
    kinds: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for item in [*await pair.cpo.record(direction="in"), *await pair.emsp.record(direction="in")]:
        headers = item["headers"]
        names = {
            f"{headers[f'OCPI-{end}-country-code']}*{headers[f'OCPI-{end}-party-id']}"
            for end in ("from", "to")
            if f"OCPI-{end}-party-id" in headers
        }
        functional = item["module"] not in ("versions", "credentials")
        kinds[functional].add(tuple(sorted(names)))
    assert kinds == {True: {(EMSP, CPO)}, False: {()}}


async def test_a_deleted_tariff_is_gone_at_both_ends(pair: Pair) -> None:
    gone = await pair.cpo.send("DELETE", "tariffs", role="RECEIVER", path="NL/CPO/T1", own=True)
    assert (gone["http"], gone["ocpi"]) == (200, 1000)
    for party in (pair.cpo, pair.emsp):
        assert await party.control("GET", "/tariffs") == {"own": [], "cached": []}


async def test_a_cpo_that_was_killed_is_still_registered_and_holds_nothing(pair: Pair) -> None:
    before = await pair.cpo.credentials()
    await pair.restart_cpo()
    assert pair.cpo.ready["registered"] is True
    after = await pair.cpo.credentials()
    assert {name: after[name] for name in ("our_token", "their_token")} == {
        name: before[name] for name in ("our_token", "their_token")
    }
    assert await pair.cpo.locations() == {}
    assert (await pair.emsp.pull("locations"))["objects"] == []
    assert data(await pair.cpo.authorize("UID1"))["allowed"] == "ALLOWED"
