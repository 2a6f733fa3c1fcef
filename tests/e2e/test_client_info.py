"""HubClientInfo: who is told what when, and the list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_cdr, make_location, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.wire import Wire

LIST = "/2.2.1/sender/hubclientinfo"


@pytest_asyncio.fixture
async def open_hub(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Roaming]:
    """Everybody works with everybody; silent partners are checked after a second."""
    address = await postgres_server.create_database()
    settings = {"still_alive_s": "1", "handshake_timeout_s": "1", "relay_timeout_s": "1"}
    hub = HubProcess(address, tmp_path / "hub.log", settings=settings)
    async with roaming(hub) as running:
        yield running
    await postgres_server.drop_database(address)


@pytest_asyncio.fixture
async def closed_hub(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Roaming]:
    """Nobody works with anybody yet."""
    address = await postgres_server.create_database()
    settings = {"default_relation": "none", "client_info_verify_s": "0.3"}
    hub = HubProcess(address, tmp_path / "hub.log", settings=settings)
    async with roaming(hub) as running:
        yield running
    await postgres_server.drop_database(address)


async def told(party: PartyProcess) -> list[dict[str, Any]]:
    """What a party was pushed, each checked to be a complete PUT without routing headers."""
    result = []
    for item in await party.record(module="hubclientinfo", direction="in"):
        if item["method"] == "GET":  # the hub reads back what it told
            continue
        assert item["method"] == "PUT"
        assert not any(name.lower().startswith("ocpi-") for name in item["headers"])
        assert item["headers"].keys() == {"X-Request-ID", "X-Correlation-ID"}
        body = json.loads(item["body"])
        assert body.keys() == {"party_id", "country_code", "role", "status", "last_updated"}
        assert item["path"].endswith(f"/hubclientinfo/{body['country_code']}/{body['party_id']}")
        result.append(body)
    return result


def brief(info: dict[str, Any]) -> str:
    return f"{info['country_code']}*{info['party_id']} {info['role']} {info['status']}"


async def until_told(party: PartyProcess, *expected: str) -> None:
    """Wait until this, in this order, is what a party was pushed since its record was cleared."""

    async def as_expected() -> bool:
        return [brief(info) for info in await told(party)] == list(expected)

    try:
        await eventually(as_expected, "pushed")
    except AssertionError:
        raise AssertionError(f"{expected} but {await told(party)}") from None


@pytest.mark.req("HC-03", "HC-04", "HC-05", "HC-07", "HC-14", "HC-15", "HC-16", "RT-02")
async def test_parties_that_come_and_go_are_pushed_and_who_returns_gets_all(
    open_hub: Roaming,
) -> None:
    cpo, emsp = open_hub.cpo, open_hub.emsp
    await until_told(cpo, "DE*MSP EMSP CONNECTED")
    await until_told(emsp, "NL*CPO CPO CONNECTED")
    await cpo.clear_record()
    await emsp.clear_record()
    await emsp.fault(refuse=True)
    await until_told(cpo, "DE*MSP EMSP OFFLINE")
    async with (
        PartyProcess.of([("CPO", "BE*TWO"), ("EMSP", "BE*TWO")]) as late,
        PartyProcess.of([("CPO", "FR*MUT")], "--no-module", "hubclientinfo:RECEIVER") as mute,
    ):
        await open_hub.hub.onboard(late, "Both Co")
        await until_told(cpo, "DE*MSP EMSP OFFLINE", "BE*TWO EMSP CONNECTED")
        await open_hub.hub.onboard(mute, "Mute Co")
        await cpo.clear_record()
        await emsp.clear_faults()
        await until_told(cpo, "DE*MSP EMSP CONNECTED")
        # What it missed, and what it had been told before.
        await eventually(lambda: told_of(emsp, 3), "everything is pushed on return")
        assert {brief(info) for info in await told(emsp)} == {
            "NL*CPO CPO CONNECTED",
            "BE*TWO CPO CONNECTED",
            "FR*MUT CPO CONNECTED",
        }
        assert await told(mute) == []


async def told_of(party: PartyProcess, parties: int) -> bool:
    return len({brief(info) for info in await told(party)}) >= parties


@pytest.mark.req("HC-01", "HC-03", "HC-07", "HC-08")
async def test_a_relation_shows_a_party_and_its_end_or_a_suspension_withdraws_it(
    closed_hub: Roaming,
) -> None:
    hub, cpo, emsp = closed_hub.hub, closed_hub.cpo, closed_hub.emsp
    pair = ("relation", "set", "NL*CPO", "DE*MSP", "--mode")
    async with await Wire.of(hub, cpo) as wire:
        assert (await wire.send("GET", LIST)).data == []
        assert await told(cpo) == []
        await hub.run(*pair, "whitelist")
        # The list is complete whatever was pushed so far.
        (shown,) = (await wire.send("GET", LIST)).data
        assert brief(shown) == "DE*MSP EMSP CONNECTED"
        await until_told(cpo, "DE*MSP EMSP CONNECTED")
        assert await told(cpo) == [shown]
        await until_told(emsp, "NL*CPO CPO CONNECTED")
        await hub.run("platform", "suspend", closed_hub.emsp_platform)
        await until_told(cpo, "DE*MSP EMSP CONNECTED", "DE*MSP EMSP SUSPENDED")
        await hub.run("platform", "resume", closed_hub.emsp_platform)
        await until_told(
            cpo, "DE*MSP EMSP CONNECTED", "DE*MSP EMSP SUSPENDED", "DE*MSP EMSP CONNECTED"
        )
        await cpo.clear_record()
        await hub.run(*pair, "none")
        await until_told(cpo, "DE*MSP EMSP SUSPENDED")
        (gone,) = (await wire.send("GET", LIST)).data
        assert [gone] == await told(cpo)


@pytest.mark.req("HC-03")
async def test_a_push_that_fails_is_made_up_for_with_the_current_state(
    closed_hub: Roaming,
) -> None:
    cpo = closed_hub.cpo
    pair = ("relation", "set", "NL*CPO", "DE*MSP", "--mode")
    await cpo.fault(match={"module": "hubclientinfo"}, http=500)
    await closed_hub.hub.run(*pair, "realtime")
    await cpo.wait_for_record(module="hubclientinfo", http=500)
    await closed_hub.hub.run("platform", "suspend", closed_hub.emsp_platform)
    await cpo.clear_faults()
    taken = await cpo.wait_for_record(module="hubclientinfo", http=201, acked=True)
    assert brief(json.loads(taken["body"])) == "DE*MSP EMSP SUSPENDED"


@pytest.mark.req("HC-01", "HC-02", "ER-08", "RT-02", "TF-07")
async def test_the_list_is_paged_filtered_read_only_and_not_routed(open_hub: Roaming) -> None:
    hub = open_hub.hub
    async with (
        PartyProcess.of([("EMSP", "AT*ONE"), ("EMSP", "AT*TWO")]) as more,
        await Wire.of(hub, open_hub.cpo) as wire,
        await Wire.of(hub, open_hub.emsp) as other,
    ):
        await hub.onboard(more, "More")
        whole = await wire.send("GET", LIST)
        assert whole.codes == (200, 1000)
        assert not any(name.startswith("ocpi-") for name in whole.headers)
        assert whole.headers["x-total-count"] == "3"
        assert {brief(info) for info in whole.data} == {
            f"{party} EMSP CONNECTED" for party in ("DE*MSP", "AT*ONE", "AT*TWO")
        }
        page = await wire.send("GET", LIST, query={"limit": "2"})
        assert (page.headers["x-total-count"], page.headers["x-limit"]) == ("3", "2")
        assert page.link is not None
        rest = await wire.send("GET", page.link)
        assert page.data + rest.data == whole.data
        assert rest.link is None
        last = max(info["last_updated"] for info in whole.data)
        newest = await wire.send("GET", LIST, query={"date_from": last})
        assert newest.data == [info for info in whole.data if info["last_updated"] == last]
        before = await wire.send("GET", LIST, query={"date_to": last})
        assert before.data == [info for info in whole.data if info["last_updated"] < last]
        assert (await wire.send("GET", LIST, query={"limit": "0"})).codes == (200, 2001)
        assert [brief(info) for info in (await other.send("GET", LIST)).data] == [
            "NL*CPO CPO CONNECTED"
        ]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            refused = await wire.send(method, LIST, {})
            assert refused.codes == (405, 2000)
            assert refused.headers["allow"] == "GET"
        assert (await wire.send("GET", f"{LIST}/DE/MSP")).codes == (404, 2000)
        assert (await wire.send("GET", "/2.2.1/receiver/hubclientinfo")).codes == (404, 2000)
    invited = await hub.run("platform", "invite", "--name", "Not yet")
    async with Wire(hub, invited["token"]) as stranger:
        assert (await stranger.send("GET", "/2.2.1")).codes[0] == 200
        assert (await stranger.send("GET", LIST)).codes[0] == 401


async def test_a_party_is_announced_although_it_sends_its_first_object_at_once(
    open_hub: Roaming,
) -> None:
    async with PartyProcess.of([("EMSP", "AT*NEW")]) as new:
        await open_hub.hub.onboard(new, "New")
        token = make_token("FIRST", "AT*NEW")
        path = "AT/NEW/FIRST"
        sent = await new.send("PUT", "tokens", role="RECEIVER", path=path, body=token, to="EU*HUB")
        assert sent["ocpi"] == 1000
        await open_hub.cpo.wait_for_record(module="tokens", method="PUT")
        await until_told(open_hub.cpo, "DE*MSP EMSP CONNECTED", "AT*NEW EMSP CONNECTED")


@pytest.mark.req("HC-02", "HC-09", "HC-10", "HC-12", "RT-13")
async def test_an_invited_party_is_planned_for_whom_it_concerns_and_connected_before_it_sends(
    closed_hub: Roaming,
) -> None:
    hub, cpo = closed_hub.hub, closed_hub.cpo
    expected = ("--name", "New Co", "--party", "AT*NEW:EMSP")
    invited = await hub.run("platform", "invite", *expected)
    (shown,) = [item for item in await hub.run("platform", "list") if item["name"] == "New Co"]
    assert shown["parties"] == [{"party": "AT*NEW", "role": "EMSP", "status": "PLANNED"}]
    assert await told(cpo) == []
    await hub.run("relation", "set", "NL*CPO", "AT*NEW", "--mode", "realtime")
    await until_told(cpo, "AT*NEW EMSP PLANNED")
    async with await Wire.of(hub, cpo) as wire, await Wire.of(hub, closed_hub.emsp) as other:
        assert (await wire.send("GET", LIST)).data == await told(cpo)
        # Who has nothing to do with it does not hear of it.
        assert (await other.send("GET", LIST)).data == []
        asked = await wire.send(
            "GET", "/2.2.1/sender/tokens", sender="NL*CPO", to="AT*NEW", query={"limit": "1"}
        )
        assert asked.codes == (200, 4003)
    cdr = make_cdr("TOO-EARLY", receiver="AT*NEW")
    assert (await cpo.push_cdr(cdr))["ocpi"] == 4003
    async with PartyProcess.of([("EMSP", "AT*NEW")]) as new:
        await new.register(invited["versions_url"], invited["token"])
        # Without waiting: with its credentials it may send, and the CPO knows of it by then.
        assert [brief(info) for info in await told(cpo)] == [
            "AT*NEW EMSP PLANNED",
            "AT*NEW EMSP CONNECTED",
        ]
        read = await cpo.wait_for_record(module="hubclientinfo", method="GET", direction="in")
        assert read["http"] == 200
    assert await told(closed_hub.emsp) == []


@pytest.mark.req("HC-11")
async def test_who_is_offline_is_sent_nothing_and_gets_each_object_once_on_return(
    open_hub: Roaming,
) -> None:
    cpo, emsp = open_hub.cpo, open_hub.emsp
    location = make_location("AWAY")
    path = "NL/CPO/AWAY"

    async def push(name: str, moment: int, **request: str) -> int:
        body = {**location, "name": name, "last_updated": f"2026-01-02T00:00:{moment:02}Z"}
        sent = await cpo.send("PUT", "locations", role="RECEIVER", path=path, body=body, **request)
        return int(sent["ocpi"])

    # It would take what it is sent; only the check of whether it is there fails.
    await emsp.fault(match={"module": "versions"}, http=500)
    await until_told(cpo, "DE*MSP EMSP CONNECTED", "DE*MSP EMSP OFFLINE")
    await emsp.clear_record()
    for number in range(5):
        assert await push(f"state {number}", number, to="EU*HUB") == 1000
    async with open_hub.database.connection() as connection:
        # What waits is the object, once; there is no message for each push.
        assert await connection.fetchval("select count(*) from shared_object") == 1
    checks = await emsp.wait_for_record(module="versions", method="GET", direction="in")
    assert checks["http"] == 500
    assert await emsp.record(module="locations") == []
    await emsp.clear_faults()
    await emsp.wait_for_record(module="locations", method="PUT", direction="in")
    await until_told(cpo, "DE*MSP EMSP CONNECTED", "DE*MSP EMSP OFFLINE", "DE*MSP EMSP CONNECTED")
    # One more change, so that whatever else was queued would have come before it.
    assert await push("after", 30, to="EU*HUB") == 1000

    async def names() -> list[str]:
        got = await emsp.record(module="locations", direction="in")
        assert {item["method"] for item in got} <= {"PUT"}
        return [json.loads(item["body"])["name"] for item in got]

    async def arrived() -> bool:
        return "after" in await names()

    await eventually(arrived, "the last change")
    assert await names() == ["state 4", "after"]
