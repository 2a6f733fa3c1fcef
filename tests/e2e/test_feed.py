"""Tokens reach every related CPO, whatever happened in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

HUB = "EU*HUB"


@pytest_asyncio.fixture
async def hub(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[HubProcess]:
    address = await postgres_server.create_database()
    settings = {"catch_up_rps": "20", "lane_lease_s": "2", "still_alive_s": "2"}
    yield HubProcess(address, tmp_path / "hub.log", settings=settings)
    await postgres_server.drop_database(address)


async def push(roam: Roaming, token: dict[str, Any], to: str = HUB) -> dict[str, Any]:
    answer = await roam.emsp.send(
        "PUT", "tokens", role="RECEIVER", path=f"DE/MSP/{token['uid']}", to=to, body=token
    )
    assert answer["ocpi"] == 1000, answer
    return answer


async def pushes(party: PartyProcess, uid: str) -> list[dict[str, Any]]:
    """What the hub PUT of one token at a party."""
    items = await party.record(module="tokens", direction="in")
    return [item for item in items if item["method"] == "PUT" and uid in item["path"]]


async def holds(party: PartyProcess, uid: str, **fields: Any) -> bool:
    cached = (await party.tokens())["cached"]
    return any(token["uid"] == uid and fields.items() <= token.items() for token in cached)


@pytest.mark.req("RT-21", "RT-24", "RT-31", "TK-18", "TF-24")
async def test_a_broadcast_token_reaches_the_cpo_from_the_hub(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        answer = await push(roam, make_token("T1"))
        await eventually(partial(holds, roam.cpo, "T1"), "the CPO has the token")
        (leg,) = await pushes(roam.cpo, "T1")
        assert leg["headers"]["OCPI-from-party-id"] == "HUB"
        assert leg["headers"]["OCPI-to-party-id"] == "CPO"
        assert leg["headers"]["X-Correlation-ID"] == answer["headers"]["x-correlation-id"]
        assert leg["headers"]["X-Request-ID"] != answer["headers"]["x-request-id"]
        assert json.loads(leg["body"]) == make_token("T1")


@pytest.mark.req("RT-23", "TF-23")
async def test_a_cpo_that_was_away_gets_each_token_once_in_its_newest_state(
    hub: HubProcess,
) -> None:
    async with roaming(hub) as roam:
        await roam.cpo.fault(refuse=True)
        for minute in range(6):
            for number in range(5):
                newest = make_token(
                    f"T{number}", last_updated=f"2026-03-01T00:0{minute}:00Z", issuer=f"i{minute}"
                )
                await push(roam, newest)
        await roam.cpo.clear_faults()
        for number in range(5):
            await eventually(partial(holds, roam.cpo, f"T{number}", issuer="i5"), "caught up")
            assert len(await pushes(roam.cpo, f"T{number}")) == 1


async def test_one_object_that_fails_blocks_nobody_and_is_tried_again(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await roam.cpo.fault(match={"module": "tokens", "path": "BAD"}, http=500, times=3)
        await push(roam, make_token("BAD"))
        for number in range(5):
            await push(roam, make_token(f"GOOD{number}"))
            await eventually(partial(holds, roam.cpo, f"GOOD{number}"), "others go on")
        await eventually(partial(holds, roam.cpo, "BAD"), "the gap is closed")


async def test_what_a_receiver_refuses_waits_for_its_next_change(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await roam.cpo.fault(match={"module": "tokens", "path": "ODD"}, ocpi=2001, times=1)
        await push(roam, make_token("ODD"))
        await push(roam, make_token("NEXT"))
        await eventually(partial(holds, roam.cpo, "NEXT"), "others go on")
        assert not await holds(roam.cpo, "ODD")
        await push(roam, make_token("ODD", last_updated="2026-05-01T00:00:00Z"))
        await eventually(partial(holds, roam.cpo, "ODD"), "a changed object is tried anew")


async def test_a_new_party_and_a_new_relation_bring_what_was_there_before(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    closed = HubProcess(address, tmp_path / "hub.log", settings={"default_relation": "none"})
    async with roaming(closed) as roam:
        await push(roam, make_token("T1"))
        await asyncio.sleep(1)
        assert await pushes(roam.cpo, "T1") == []
        await closed.run("relation", "set", "NL*CPO", "DE*MSP", "--mode", "realtime")
        await eventually(partial(holds, roam.cpo, "T1"), "the relation brings the token")
        async with PartyProcess.of([("CPO", "BE*TWO")]) as late:
            await closed.run("relation", "set", "BE*TWO", "DE*MSP", "--mode", "whitelist")
            await closed.onboard(late, "a late CPO")
            await eventually(partial(holds, late, "T1"), "a new party gets all")
            await closed.run("relation", "set", "BE*TWO", "DE*MSP", "--mode", "none")
            await push(roam, make_token("T2"))
            await eventually(partial(holds, roam.cpo, "T2"), "the other still gets changes")
            assert await pushes(late, "T2") == []
    await postgres_server.drop_database(address)


async def test_lanes_go_on_after_a_kill(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await push(roam, make_token("T1"))
        await eventually(partial(holds, roam.cpo, "T1"), "the first one")
        await hub.kill()
        await hub.start()
        await push(roam, make_token("T2"))
        await eventually(partial(holds, roam.cpo, "T2"), "the new process takes the lane over")


async def test_an_addressed_token_is_delivered_once_and_by_its_owner(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await push(roam, make_token("T1"), to="NL*CPO")
        (leg,) = await pushes(roam.cpo, "T1")
        assert leg["headers"]["OCPI-from-party-id"] == "MSP"
        await push(roam, make_token("T2"))
        await eventually(partial(holds, roam.cpo, "T2"), "the feed goes on")
        async with roam.database.connection() as connection:
            assert await connection.fetchval("select count(*) from lane_gap") == 0
        assert len(await pushes(roam.cpo, "T1")) == 1


async def test_an_addressed_token_that_could_not_be_relayed_comes_later(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await roam.cpo.fault(match={"module": "tokens"}, http=503, times=1)
        answer = await roam.emsp.send(
            "PUT", "tokens", role="RECEIVER", path="DE/MSP/T1", to="NL*CPO", body=make_token("T1")
        )
        assert answer["ocpi"] == 4000
        await eventually(partial(holds, roam.cpo, "T1"), "the feed brings it")
        first, second = await pushes(roam.cpo, "T1")
        for leg in (first, second):
            assert leg["headers"]["OCPI-from-party-id"] == "MSP"
        assert first["headers"]["X-Correlation-ID"] == second["headers"]["X-Correlation-ID"]


@pytest.mark.req("TF-23")
async def test_a_patch_of_what_the_receiver_lacks_is_followed_by_the_whole_object(
    hub: HubProcess,
) -> None:
    async with roaming(hub) as roam:
        await roam.cpo.fault(match={"module": "tokens", "method": "PUT"}, ocpi=2001, times=1)
        answer = await roam.emsp.send(
            "PUT", "tokens", role="RECEIVER", path="DE/MSP/T1", to="NL*CPO", body=make_token("T1")
        )
        assert answer["ocpi"] == 2001
        patch = {"valid": False, "last_updated": "2026-06-01T00:00:00Z"}
        answer = await roam.emsp.send(
            "PATCH", "tokens", role="RECEIVER", path="DE/MSP/T1", to="NL*CPO", body=patch
        )
        assert answer["http"] == 404
        await eventually(partial(holds, roam.cpo, "T1", **patch), "it gets all of it")


async def test_a_platform_that_takes_no_patch_gets_the_whole_object(hub: HubProcess) -> None:
    async with roaming(hub) as roam:
        await roam.hub.run("platform", "set", roam.cpo_platform, "--quirk", "no_patch=true")
        await push(roam, make_token("T1"), to="NL*CPO")
        patch = {"valid": False, "last_updated": "2026-06-01T00:00:00Z"}
        answer = await roam.emsp.send(
            "PATCH", "tokens", role="RECEIVER", path="DE/MSP/T1", to="NL*CPO", body=patch
        )
        assert answer["ocpi"] == 1000
        assert await holds(roam.cpo, "T1", **patch)
        assert [item["method"] for item in await pushes(roam.cpo, "T1")] == ["PUT", "PUT"]
