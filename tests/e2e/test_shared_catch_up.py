"""What owners could not push, of what everybody is to know: tokens, locations, tariffs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

LATER = "2099-01-01T00:00:00Z"


@pytest_asyncio.fixture
async def roam(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Roaming]:
    address = await postgres_server.create_database()
    settings = {"still_alive_s": "1", "handshake_timeout_s": "1", "lane_lease_s": "1"}
    async with roaming(HubProcess(address, tmp_path / "hub.log", settings=settings)) as running:
        yield running
    await postgres_server.drop_database(address)


async def authorized(roam: Roaming, uid: str) -> str | int:
    """What an authorization comes to: `allowed`, or the status code without one."""
    answer = await roam.cpo.send(
        "POST", "tokens", role="SENDER", path=f"{uid}/authorize", to="DE*MSP"
    )
    if answer["ocpi"] != 1000:
        return int(answer["ocpi"])
    return str(json.loads(answer["body"])["data"]["allowed"])


async def stored(roam: Roaming, module: str, object_id: str) -> dict[str, Any]:
    """What the hub holds; {} for nothing."""
    async with roam.database.connection() as connection:
        body = await connection.fetchval(
            "select body from shared_object where module = $1 and object_id = $2 and not deleted",
            module,
            object_id,
        )
    return dict(json.loads(body)) if body else {}


async def push(roam: Roaming, token: dict[str, Any]) -> None:
    path = f"DE/MSP/{token['uid']}"
    answer = await roam.emsp.send("PUT", "tokens", role="RECEIVER", path=path, body=token)
    assert answer["ocpi"] == 1000


@pytest.mark.req("TF-37")
@pytest.mark.parametrize("mode", ["whitelist", "realtime"])
async def test_a_token_revoked_while_the_hub_was_down_is_refused_after_its_start(
    roam: Roaming, mode: str
) -> None:
    await roam.hub.run("relation", "set", "NL*CPO", "DE*MSP", "--mode", mode)
    await push(roam, make_token("REVOKED"))
    await push(roam, make_token("KEPT"))
    # Nobody but the hub answers: by the whitelist, or in the eMSP's place.
    await roam.emsp.fault(match={"module": "tokens", "method": "POST"}, http=503)
    assert await authorized(roam, "REVOKED") == "ALLOWED"
    await roam.hub.kill()
    await roam.emsp.load_tokens(make_token("REVOKED", valid=False, last_updated=LATER))
    await roam.emsp.clear_record()
    await roam.hub.start()

    async def refused() -> bool:
        return await authorized(roam, "REVOKED") == "BLOCKED"

    await eventually(refused, "the hub has asked the eMSP for its tokens")
    assert await authorized(roam, "KEPT") == "ALLOWED"
    sent = await roam.emsp.record(direction="out", module="tokens")
    assert sent == [], "the eMSP pushed nothing"

    async def told() -> bool:
        record = await roam.cpo.record(direction="in", module="tokens")
        bodies = (item["body"] or "" for item in record if item["method"] == "PUT")
        return any("REVOKED" in body and LATER in body for body in bodies)

    await eventually(told, "the CPO is told")


@pytest.mark.req("TF-37")
async def test_tokens_changed_while_their_emsp_was_away_are_fetched_when_it_returns(
    roam: Roaming,
) -> None:
    await roam.emsp.fault(refuse=True)

    async def online(expected: bool) -> bool:
        async with roam.database.connection() as connection:
            query = "select online from platform where platform_id = $1"
            return bool(await connection.fetchval(query, roam.emsp_platform)) is expected

    await eventually(lambda: online(False), "the eMSP is OFFLINE")
    broken = make_token("BROKEN", last_updated=LATER)
    del broken["issuer"]
    await roam.emsp.load_tokens(make_token("NEW", last_updated=LATER), broken)
    await roam.emsp.clear_faults()
    await eventually(lambda: stored(roam, "tokens", "NEW"), "the token is fetched")
    assert await stored(roam, "tokens", "BROKEN") == {}


@pytest.mark.req("TF-37")
async def test_a_new_partners_lists_are_read_in_full_unless_it_is_to_catch_up_nothing(
    roam: Roaming,
) -> None:
    async with (
        PartyProcess.of([("EMSP", "FR*MSP")]) as emsp,
        PartyProcess.of([("EMSP", "FR*NIL")]) as mute,
    ):
        await emsp.load_tokens(*(make_token(f"OLD-{n}", "FR*MSP") for n in range(120)))
        await mute.load_tokens(make_token("UNREAD", "FR*NIL"))
        invited = await roam.hub.run("platform", "invite", "--name", "to be left alone")
        await roam.hub.run("platform", "set", invited["platform"], "--catch-up", "none")
        await mute.register(invited["versions_url"], invited["token"])
        await roam.hub.onboard(emsp)
        for number in (0, 119):
            name = f"OLD-{number}"
            await eventually(
                lambda name=name: stored(roam, "tokens", name),  # type: ignore[misc]
                "every page is read",
            )
        assert await stored(roam, "tokens", "UNREAD") == {}
