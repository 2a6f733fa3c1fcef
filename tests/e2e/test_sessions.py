"""Sessions through the hub: the driver's app sees them as they happen, or as soon as it can."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.custody_admin import CustodyAdmin
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_session, make_session_patch
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ids = itertools.count(1)
SINCE = {"date_from": "2020-01-01T00:00:00Z"}
SESSIONS = {"module": "sessions"}


@pytest_asyncio.fixture(loop_scope="module")
async def clear(roam: Roaming) -> AsyncIterator[Roaming]:
    """No fault is active before or after, and the eMSP's record is empty before."""
    await roam.emsp.clear_faults()
    await roam.emsp.clear_record()
    yield roam
    await roam.emsp.clear_faults()


def new_id() -> str:
    return f"SES-{next(_ids)}"


async def begun(roam: Roaming, **fields: Any) -> str:
    """A session that the eMSP has; its id."""
    session_id = new_id()
    answer = await roam.cpo.push_session(make_session(session_id, **fields))
    assert answer["ocpi"] == 1000
    await roam.emsp.clear_record()
    return session_id


async def held(party: PartyProcess, session_id: str, side: str = "cached") -> dict[str, Any]:
    """A party's copy; {} for none."""
    sessions = (await party.sessions())[side]
    return next((each for each in sessions if each["id"] == session_id), {})


async def pushed(roam: Roaming) -> list[str]:
    """Methods of what the eMSP got on sessions since its record was emptied."""
    return [item["method"] for item in await roam.emsp.record(module="sessions", direction="in")]


async def same_everywhere(roam: Roaming, session_id: str) -> None:
    """Wait until the eMSP has what the CPO has, and the hub sees it so."""
    own = await held(roam.cpo, session_id, "own")

    async def equal() -> bool:
        return await held(roam.emsp, session_id) == own

    await eventually(equal, "the eMSP has the CPO's session")


async def in_custody(roam: Roaming, session_id: str) -> DirectedObject:
    admin = CustodyAdmin(roam.database, "sessions")
    row = await admin.find(ObjectKey("sessions", PartyId("NL", "CPO"), session_id))
    assert row is not None
    return row


# Live --------------------------------------------------------------------------------------------


@pytest.mark.req("SE-01", "SE-03", "SE-04", "SE-06", "SE-11", "RT-06", "RT-07", "RT-11", "RT-34")
async def test_the_emsp_sees_a_session_as_it_happens(clear: Roaming) -> None:
    session = make_session(new_id(), authorization_reference="REF-1", kwh=0.10)
    assert (await clear.cpo.push_session(session))["http"] == 201
    for number in (1, 2):
        patch = make_session_patch(number)
        answer = await clear.cpo.patch_session(session["id"], patch)
        assert (answer["http"], answer["ocpi"]) == (200, 1000)
        copy = await held(clear.emsp, session["id"])
        assert len(copy["charging_periods"]) == number
    got = await clear.emsp.record(module="sessions", direction="in")
    assert [item["method"] for item in got] == ["PUT", "PATCH", "PATCH"]
    assert json.loads(got[2]["body"]) == make_session_patch(2)
    assert got[1]["path"].endswith(f"/sessions/NL/CPO/{session['id']}")
    headers = {name.lower(): value for name, value in got[1]["headers"].items()}
    assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("CPO", "MSP")
    done = {"status": "COMPLETED", "last_updated": "2026-01-01T11:00:00Z"}
    assert (await clear.cpo.patch_session(session["id"], done))["ocpi"] == 1000
    await same_everywhere(clear, session["id"])
    copy = await held(clear.emsp, session["id"])
    assert (copy["status"], copy["authorization_reference"]) == ("COMPLETED", "REF-1")


@pytest.mark.req("SE-05", "SE-09", "SE-10")
async def test_a_session_starts_anew_ends_and_changes_after_its_end(clear: Roaming) -> None:
    session_id = await begun(clear, status="PENDING", last_updated="2026-01-01T10:00:00Z")
    moments = [f"2026-01-01T1{hour}:00:00Z" for hour in range(1, 5)]
    changes: list[dict[str, Any]] = [
        {"status": "ACTIVE", "start_date_time": moments[0]},
        {"status": "COMPLETED", "kwh": 7.5},
        {"kwh": 7.25},
        {"status": "INVALID"},
    ]
    for moment, fields in zip(moments, changes, strict=True):
        changed = {**fields, "last_updated": moment}
        assert (await clear.cpo.patch_session(session_id, changed))["ocpi"] == 1000
        assert (await held(clear.emsp, session_id)).items() >= changed.items()
    assert (await held(clear.emsp, session_id))["start_date_time"] == moments[0]
    path = f"NL/CPO/{session_id}"
    deleted = await clear.cpo.send("DELETE", "sessions", role="RECEIVER", path=path)
    assert (deleted["http"], deleted["ocpi"]) == (405, 2000)
    assert await pushed(clear) == ["PATCH"] * 4
    late = [line for line in clear.hub.logs().splitlines() if "changed_after_its_end" in line]
    assert [moments[2].rstrip("Z") in line for line in late if session_id in line] == [True]


@pytest.mark.req("SE-03", "TF-20")
async def test_a_put_takes_periods_away(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.cpo.patch_session(session_id, make_session_patch(1))
    last = make_session(session_id, last_updated="2026-01-01T10:02:00Z")
    assert (await clear.cpo.push_session(last))["ocpi"] == 1000
    assert await held(clear.emsp, session_id) == last


async def test_the_same_patch_twice_adds_its_period_once(clear: Roaming) -> None:
    session_id = await begun(clear)
    patch = make_session_patch(1)
    for _ in range(2):
        answer = await clear.cpo.send(
            "PATCH", "sessions", role="RECEIVER", path=f"NL/CPO/{session_id}", body=patch
        )
        assert answer["ocpi"] == 1000
    assert await pushed(clear) == ["PATCH"]
    assert len((await held(clear.emsp, session_id))["charging_periods"]) == 1


async def test_something_older_is_dropped(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.cpo.patch_session(session_id, make_session_patch(5))
    old = {"kwh": 0.1, "last_updated": "2026-01-01T10:01:00Z"}
    answer = await clear.cpo.send(
        "PATCH", "sessions", role="RECEIVER", path=f"NL/CPO/{session_id}", body=old
    )
    assert (answer["ocpi"], "newer" in answer["body"]) == (1000, True)
    await same_everywhere(clear, session_id)


# The receiver has difficulties -------------------------------------------------------------------


async def test_an_emsp_that_was_away_gets_one_put(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.emsp.fault(refuse=True)
    for number in range(1, 11):
        answer = await clear.cpo.patch_session(session_id, make_session_patch(number))
        assert answer["ocpi"] == 1000
        assert "hub holds" in json.loads(answer["body"])["status_message"]
    await clear.emsp.clear_faults()
    await same_everywhere(clear, session_id)
    assert await pushed(clear) == ["PUT"]
    assert len((await held(clear.emsp, session_id))["charging_periods"]) == 10


@pytest.mark.parametrize(
    ("fault", "methods"),
    [
        ({"drop": True}, ["PATCH", "PUT", "PUT"]),
        ({"drop_before": True}, ["PATCH", "PUT", "PUT"]),
        ({"http": 500, "after": True}, ["PATCH", "PUT", "PUT"]),
        ({"ocpi": 3000}, ["PATCH", "PUT"]),
        ({"delay_s": 2.5}, ["PATCH", "PUT", "PUT"]),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
async def test_a_patch_of_unknown_fate_is_followed_by_the_whole(
    clear: Roaming, fault: dict[str, Any], methods: list[str]
) -> None:
    session_id = await begun(clear)
    await clear.emsp.fault(match={**SESSIONS, "method": "PATCH"}, times=1, **fault)
    answer = await clear.cpo.patch_session(session_id, make_session_patch(1))
    assert answer["ocpi"] == 1000

    async def is_delivered() -> bool:
        return (await in_custody(clear, session_id)).state == "delivered"

    await eventually(is_delivered, "the whole session is delivered")
    await same_everywhere(clear, session_id)
    assert sorted(await pushed(clear)) == methods


@pytest.mark.req("TF-23")
@pytest.mark.parametrize("http", [404, 405])
async def test_an_emsp_that_cannot_patch_gets_the_whole_at_once(clear: Roaming, http: int) -> None:
    session_id = await begun(clear)
    await clear.emsp.fault(match={**SESSIONS, "method": "PATCH"}, http=http, times=1)
    answer = await clear.cpo.patch_session(session_id, make_session_patch(1))
    assert (answer["ocpi"], "hub" in answer["body"]) == (1000, False)
    assert await pushed(clear) == ["PATCH", "PUT"]
    await same_everywhere(clear, session_id)


@pytest.mark.req("RT-17")
async def test_a_refusal_is_answered_as_received_and_takes_the_change_back(clear: Roaming) -> None:
    session_id = await begun(clear)
    path = f"NL/CPO/{session_id}"
    match = {**SESSIONS, "method": "PATCH"}
    await clear.emsp.fault(match=match, ocpi=2001, message="what a period!", times=1)
    wrong = make_session_patch(1)
    answer = await clear.cpo.send("PATCH", "sessions", role="RECEIVER", path=path, body=wrong)
    assert (answer["ocpi"], "what a period!" in answer["body"]) == (2001, True)
    answer = await clear.cpo.patch_session(session_id, make_session_patch(2))
    assert answer["ocpi"] == 1000
    await same_everywhere(clear, session_id)
    assert await pushed(clear) == ["PATCH", "PATCH"]


async def test_patches_that_come_at_once_are_all_there(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.emsp.fault(match={**SESSIONS, "method": "PATCH"}, delay_s=0.3, times=1)
    first = asyncio.ensure_future(clear.cpo.patch_session(session_id, make_session_patch(1)))

    async def is_on_its_way() -> bool:
        return (await in_custody(clear, session_id)).version == 2

    await eventually(is_on_its_way, "the first is on its way")
    for number in range(2, 6):
        answer = await clear.cpo.patch_session(session_id, make_session_patch(number))
        assert answer["ocpi"] == 1000
    assert (await first)["ocpi"] == 1000
    await same_everywhere(clear, session_id)
    assert len((await held(clear.emsp, session_id))["charging_periods"]) == 5


# Who gets it -------------------------------------------------------------------------------------


@pytest.mark.req("SE-06", "SE-17")
async def test_what_is_addressed_to_others_than_the_payer_is_relayed(clear: Roaming) -> None:
    """A copy for a party that cdr_token does not name is the CPO's affair; the hub keeps none."""
    async with PartyProcess.of([("EMSP", "FR*OTH")]) as other:
        await clear.hub.onboard(other, "Another")
        session = make_session(new_id())
        answer = await clear.cpo.push_session(session, to="FR*OTH")
        assert answer["ocpi"] == 1000
        assert await held(other, session["id"]) == session
        assert await held(clear.emsp, session["id"]) == {}
        assert await clear.hub.run("session", "list", "--receiver", "FR*OTH") == []
        pulled = await other.pull("sessions", to="EU*HUB", query=SINCE)
        assert pulled["objects"] == []


async def test_operators_see_sessions(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.cpo.patch_session(session_id, make_session_patch(1))
    listed = await clear.hub.run("session", "list", "--owner", "NL*CPO", "--state", "delivered")
    assert listed[0]["id"] == session_id
    shown = await clear.hub.run("session", "show", "NL*CPO", session_id)
    assert (shown["state"], shown["version"], len(shown["attempt_history"])) == ("delivered", 2, 2)
    assert json.loads(shown["body"]) == await held(clear.emsp, session_id)


async def test_a_quirk_spares_an_emsp_patches(clear: Roaming) -> None:
    session_id = await begun(clear)
    await clear.hub.run("platform", "set", clear.emsp_platform, "--quirk", "no_patch=true")
    try:
        assert (await clear.cpo.patch_session(session_id, make_session_patch(1)))["ocpi"] == 1000
    finally:
        await clear.hub.run("platform", "set", clear.emsp_platform, "--quirk", "no_patch=false")
    assert await pushed(clear) == ["PUT"]
    await same_everywhere(clear, session_id)


# Bad input and routing ---------------------------------------------------------------------------


@pytest.mark.req("ER-10", "ER-09", "TF-25", "TF-26", "RT-28", "ER-08", "RT-36")
@pytest.mark.parametrize(
    ("method", "path", "options", "answer"),
    [
        ("PATCH", "NL/CPO/NONE", {"body": make_session_patch(1)}, (404, 2001)),
        ("PATCH", "NL/CPO/NONE", {"body": make_session_patch(1), "to": "DE*MSP"}, (404, 2001)),
        ("PATCH", "NL/CPO/NONE", {"body": {"kwh": 1}}, (200, 2001)),
        ("PUT", "NL/CPO/OTHER", {"body": make_session("SES")}, (200, 2001)),
        ("PUT", "NL/CPO/SES", {"body": make_session("SES"), "to": "EU*HUB"}, (200, 2001)),
        ("PUT", "DE/MSP/SES", {"body": make_session("SES", "DE*MSP")}, (404, 2001)),
        ("PUT", "NL/CPO/SES", {"body": make_session("SES", receiver="FR*NOP")}, (200, 4001)),
        ("PUT", "NL/CPO/SES", {"body": {"id": "SES"}}, (200, 2001)),
        ("PUT", "NL/CPO/SES", {"raw_body": "{"}, (400, 2001)),
        ("GET", "NL/CPO/NONE", {"to": "EU*HUB"}, (404, 2000)),
        ("GET", "NL/CPO/NONE", {}, (404, 2000)),
        ("POST", "NL/CPO/SES", {"body": {}}, (405, 2000)),
        ("DELETE", "NL/CPO/SES", {}, (405, 2000)),
        ("PATCH", "NL/CPO/SES/charging_periods", {"body": {}}, (404, 2000)),
    ],
)
async def test_what_cannot_be_done_is_refused(
    clear: Roaming, method: str, path: str, options: dict[str, Any], answer: tuple[int, int]
) -> None:
    got = await clear.cpo.send(method, "sessions", role="RECEIVER", path=path, **options)
    assert (got["http"], got["ocpi"]) == answer, got["body"]


@pytest.mark.req("RT-30", "RT-35")
async def test_an_owner_looks_at_the_hubs_copy_or_at_the_receivers(clear: Roaming) -> None:
    session_id = await begun(clear, note="ä/ö")
    copies = []
    for to in ("EU*HUB", "DE*MSP", None):
        answer = await clear.cpo.send(
            "GET", "sessions", role="RECEIVER", path=f"NL/CPO/{session_id}", to=to
        )
        copies.append(json.loads(answer["body"])["data"])
    assert copies == [await held(clear.cpo, session_id, "own")] * 3
    assert await pushed(clear) == ["GET", "GET"]


@pytest.mark.req("SE-02", "RT-35", "RT-38", "RT-39", "RT-40")
async def test_an_emsp_lists_its_own_sessions(clear: Roaming) -> None:
    session_ids = [await begun(clear) for _ in range(3)]
    pulled = await clear.emsp.pull("sessions", to="EU*HUB", query={**SINCE, "limit": "2"})
    assert [each["id"] for each in pulled["objects"]][-3:] == session_ids
    assert pulled["failed"] is None
    answer = await clear.emsp.send("GET", "sessions", role="SENDER", to="EU*HUB")
    assert (answer["http"], answer["ocpi"]) == (200, 2001)
    answer = await clear.emsp.send("GET", "sessions", role="SENDER", query=SINCE)
    assert (answer["http"], answer["ocpi"]) == (200, 4001)
    direct = await clear.emsp.pull("sessions", to="NL*CPO", query=SINCE)
    assert {each["id"] for each in direct["objects"]} >= set(session_ids)


@pytest.mark.req("SE-14", "SE-15", "RT-37")
async def test_charging_preferences_go_to_the_cpo_of_the_session(clear: Roaming) -> None:
    session_id = await begun(clear)
    body = {"profile_type": "GREEN", "energy_need": 12.5}
    for to in ("NL*CPO", None):
        answer = await clear.emsp.send(
            "PUT",
            "sessions",
            role="SENDER",
            path=f"{session_id}/charging_preferences",
            body=body,
            to=to,
        )
        assert json.loads(answer["body"])["data"] == "ACCEPTED"
    for path, sent, expected in (
        ("NONE/charging_preferences", body, (200, 4001)),
        (f"{session_id}/charging_preferences", {"energy_need": 1}, (200, 2001)),
        (session_id, body, (404, 2000)),
    ):
        answer = await clear.emsp.send("PUT", "sessions", role="SENDER", path=path, body=sent)
        assert (answer["http"], answer["ocpi"]) == expected


@pytest.mark.req("SE-16")
async def test_preferences_that_an_evse_cannot_take_are_relayed_with_both_codes(
    clear: Roaming,
) -> None:
    session_id = await begun(clear)
    await clear.cpo.fault(match=SESSIONS, http=404, ocpi=2001, times=1)
    answer = await clear.emsp.send(
        "PUT",
        "sessions",
        role="SENDER",
        path=f"{session_id}/charging_preferences",
        body={"profile_type": "FAST"},
    )
    assert (answer["http"], answer["ocpi"]) == (404, 2001)


# The hub has difficulties ------------------------------------------------------------------------


async def _until_answered(roam: Roaming, session_id: str, patch: dict[str, Any]) -> None:
    """As a CPO does: the same PATCH again until it has an answer."""
    path = f"NL/CPO/{session_id}"
    while True:
        answer = await roam.cpo.send("PATCH", "sessions", role="RECEIVER", path=path, body=patch)
        if answer.get("ocpi") == 1000:
            return
        assert answer.get("ocpi") in (None, 3000, 4000), answer
        await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
@pytest.mark.req("TF-37")
async def test_kills_of_the_hub_lose_and_double_no_period(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", settings={"relay_timeout_s": "1"})
    async with roaming(hub) as roam:
        session_id = await begun(roam)
        enough = asyncio.Event()
        sent = 0

        async def charge() -> None:
            nonlocal sent
            while not enough.is_set():
                sent += 1
                await _until_answered(roam, session_id, make_session_patch(sent))

        charging = asyncio.ensure_future(charge())
        for number in range(1, 4):
            await eventually(_reached(lambda: sent, number * 8), "the session goes on")
            await hub.kill()
            await hub.start()
        enough.set()
        await charging

        async def is_complete() -> bool:
            copy = await held(roam.emsp, session_id)
            return bool(copy) and len(copy["charging_periods"]) >= sent

        await eventually(is_complete, "the eMSP has all of it")
        periods = (await held(roam.emsp, session_id))["charging_periods"]
        wanted = [make_session_patch(n)["charging_periods"][0] for n in range(1, sent + 1)]
        assert periods == wanted
    assert "Traceback" not in hub.logs()
    await postgres_server.drop_database(address)


def _reached(count: Any, number: int) -> Any:
    async def reached() -> bool:
        return bool(count() >= number)

    return reached


@pytest.mark.req("TF-37")
async def test_what_happened_while_the_hub_was_down_is_fetched(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    settings = {"still_alive_s": "1", "handshake_timeout_s": "1"}
    async with roaming(HubProcess(address, tmp_path / "hub.log", settings=settings)) as roam:
        session_id = await begun(roam)
        await roam.hub.stop()
        later = make_session(session_id, kwh=7.25, last_updated="2099-01-01T00:00:00Z")
        await roam.cpo.load_sessions(later)
        await roam.hub.start()
        await same_everywhere(roam, session_id)
    await postgres_server.drop_database(address)
