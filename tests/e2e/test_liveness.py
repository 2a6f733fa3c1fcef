"""OFFLINE and back, and fetching what could not be pushed meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.joining import Joined, joined
from tests.support.outage import outage
from tests.support.party import make_cdr
from tests.support.postgres import PostgresServer
from tests.support.scripted_partner import envelope
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def alert(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Roaming]:
    """A hub that looks after partners that are silent for a second."""
    address = await postgres_server.create_database()
    settings = {"still_alive_s": "1", "handshake_timeout_s": "1", "relay_timeout_s": "1"}
    async with roaming(HubProcess(address, tmp_path / "hub.log", settings=settings)) as running:
        yield running
    await postgres_server.drop_database(address)


async def until_online(roam: Roaming, platform: str, expected: bool) -> None:
    async def as_expected() -> bool:
        async with roam.database.connection() as connection:
            online = await connection.fetchval(
                "select online from platform where platform_id = $1", platform
            )
        return online is expected

    await eventually(as_expected, f"online is {expected}")


@pytest.mark.req("HC-13", "HC-14", "RT-13", "VE-04")
async def test_a_silent_platform_is_checked_goes_offline_and_comes_back(alert: Roaming) -> None:
    checked = await alert.emsp.wait_for_record(direction="in", module="versions", method="GET")
    assert checked["http"] == 200
    await alert.emsp.fault(refuse=True)
    await until_online(alert, alert.emsp_platform, False)

    async def is_known() -> bool:
        """To the process that answers: a connection that is refused is 4003, too."""
        answer = await alert.cpo.send("GET", "tokens", role="SENDER", to="DE*MSP")
        assert (answer["http"], answer["ocpi"]) == (200, 4003)
        return str(json.loads(answer["body"])["status_message"]).endswith("is OFFLINE")

    await eventually(is_known, "the hub answers that the eMSP is OFFLINE")
    cdr = make_cdr("CDR-OFFLINE")
    assert (await alert.cpo.push_cdr(cdr))["ocpi"] == 1000
    assert (await alert.cdr(cdr["id"]))["attempts"] == 0
    await alert.emsp.clear_faults()
    await until_online(alert, alert.emsp_platform, True)
    await alert.cdr_in(cdr["id"], "delivered")
    assert await alert.received(cdr["id"]) == 1


@pytest.mark.req("HC-14")
async def test_any_message_of_an_offline_platform_brings_it_back(alert: Roaming) -> None:
    await alert.cpo.fault(match={"module": "versions"}, http=500)
    await until_online(alert, alert.cpo_platform, False)
    assert (await alert.cpo.push_cdr(make_cdr("CDR-1")))["ocpi"] == 1000
    await until_online(alert, alert.cpo_platform, True)


@pytest.mark.req("TF-37")
async def test_cdrs_made_while_a_cpo_was_away_are_fetched_when_it_returns(alert: Roaming) -> None:
    await alert.cpo.fault(refuse=True)
    await until_online(alert, alert.cpo_platform, False)
    now = "2099-01-01T00:00:00Z"
    missed, broken = make_cdr("CDR-MISSED", last_updated=now), make_cdr("CDR-BROKEN")
    del broken["currency"]
    broken["last_updated"] = now
    foreign = make_cdr("CDR-FOREIGN", receiver="FR*XXX", last_updated=now)
    await alert.cpo.load_cdrs(missed, broken, foreign)
    await alert.cpo.clear_faults()
    await until_online(alert, alert.cpo_platform, True)
    await eventually(lambda: alert.received("CDR-MISSED"), "the CDR is fetched")
    assert {item["id"] for item in await alert.emsp.received_cdrs()} == {"CDR-MISSED"}


@pytest.mark.req("TF-19", "TF-37")
async def test_cdrs_made_while_the_hub_was_down_are_fetched_after_its_start(
    alert: Roaming,
) -> None:
    delivered = make_cdr("CDR-BEFORE", last_updated="2099-01-01T00:00:00Z")
    assert (await alert.cpo.push_cdr(delivered))["ocpi"] == 1000
    await alert.hub.kill()
    missed = make_cdr("CDR-DURING", last_updated="2099-01-01T00:00:00Z")
    await alert.cpo.load_cdrs(delivered, missed)
    await alert.hub.start()
    await eventually(lambda: alert.received("CDR-DURING"), "the CDR is fetched")
    assert await alert.received("CDR-BEFORE") == 1


@pytest.mark.req("TF-37")
async def test_a_cdr_fetched_while_its_receiver_is_suspended_is_delivered_later(
    alert: Roaming,
) -> None:
    await alert.hub.run("platform", "suspend", alert.emsp_platform)
    await alert.hub.kill()
    await alert.cpo.load_cdrs(make_cdr("CDR-KEPT", last_updated="2099-01-01T00:00:00Z"))
    await alert.hub.start()

    async def kept() -> bool:
        async with alert.database.connection() as connection:
            return bool(await connection.fetchval("select count(*) from directed_object"))

    await eventually(kept, "the CDR is in custody")
    assert await alert.received("CDR-KEPT") == 0
    await alert.hub.run("platform", "resume", alert.emsp_platform)
    await eventually(lambda: alert.received("CDR-KEPT"), "the CDR is delivered")


@pytest.mark.req("TF-37")
async def test_cdrs_refused_while_the_database_was_away_are_fetched_afterwards(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    missed = make_cdr("CDR-REFUSED", last_updated="2099-01-01T00:00:00Z")

    async def lists(_: web.Request) -> web.StreamResponse:
        return web.Response(body=envelope([missed]))

    async def takes(_: web.Request) -> web.StreamResponse:
        return web.Response(body=envelope(None))

    async def arrived(emsp: Joined) -> bool:
        return bool(emsp.partner.calls("POST", "/cdrs"))

    address = await postgres_server.create_database()
    async with (
        HubProcess(address, tmp_path / "hub.log") as hub,
        joined(hub, lists=lists) as cpo,
        joined(hub, "DE*MSP", takes=takes) as emsp,
    ):
        async with outage(postgres_server, address):
            assert await cpo.push_cdr(missed) == (503, 3000)
        await eventually(lambda: arrived(emsp), "the CDR is fetched and delivered")
    await postgres_server.drop_database(address)


@pytest.mark.req("TF-37")
async def test_an_endless_list_holds_up_nobody_elses(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        following = int(request.query.get("offset", "0")) + 1
        link = f'<{request.url.with_query(offset=following)}>; rel="next"'
        return web.Response(body=envelope([]), headers={"Link": link})

    async def one(_: web.Request) -> web.StreamResponse:
        return web.Response(body=envelope([]))

    async def read(cpo: Joined) -> bool:
        return cpo.lists_read > 0

    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log")
    await hub.start()
    async with joined(hub, "NL*BAD", lists=endless) as bad, joined(hub, lists=one) as good:
        await hub.stop()
        await hub.start()
        await eventually(lambda: read(bad), "the endless list is begun")
        await eventually(lambda: read(good), "the other list is read", within_s=30)
        before = bad.lists_read
        await eventually(lambda: more(bad, before), "the endless list goes on")
        await hub.stop()
    await postgres_server.drop_database(address)


async def more(cpo: Joined, than: int) -> bool:
    return cpo.lists_read > than
