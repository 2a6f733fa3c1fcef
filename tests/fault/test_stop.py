"""SIGTERM ends the hub in time, whatever it is doing and whoever does not answer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.hub import HubProcess
from tests.support.joining import Joined, joined
from tests.support.outage import Silence, outage
from tests.support.party import make_cdr
from tests.support.postgres import PostgresServer
from tests.support.scripted_partner import envelope
from tests.support.waiting import eventually

GRACE_S = 1.0
STOPPED_S = 2 * GRACE_S + 1.0 + 1.5
"""Twice the grace and a second, and what a busy machine adds."""

SLOW = {"grace_s": str(GRACE_S), "relay_timeout_s": "60", "custody_wait_s": "0.2"}


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def stop_in_time(hub: HubProcess) -> None:
    began = time.monotonic()
    assert await hub.stop() == 0, hub.logs()[-3000:]
    assert time.monotonic() - began < STOPPED_S, hub.logs()[-3000:]
    assert "Traceback" not in hub.logs()


@pytest.mark.parametrize("pages", ["endless", "none"])
async def test_a_catch_up_under_way_does_not_hold_up_the_stop(
    postgres_server: PostgresServer, tmp_path: Path, pages: str
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        following = int(request.query.get("offset", "0")) + 1
        link = f'<{request.url.with_query(offset=following)}>; rel="next"'
        return web.Response(body=envelope([]), headers={"Link": link})

    async def reading(cpo: Joined) -> bool:
        return cpo.lists_read > 0

    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", settings=SLOW)
    await hub.start()
    async with joined(hub, lists=endless if pages == "endless" else hang) as cpo:
        await hub.stop()
        await hub.start()
        await eventually(lambda: reading(cpo), "the list is read")
        await stop_in_time(hub)
        # What was interrupted is nobody's: the next process goes on at once.
        before = cpo.lists_read
        await hub.start()
        await eventually(lambda: more(cpo, before), "the list is read again", within_s=5)
        await hub.kill()
    await postgres_server.drop_database(address)


async def more(cpo: Joined, than: int) -> bool:
    return cpo.lists_read > than


async def test_an_attempt_under_way_while_the_database_is_away_does_not_hold_up_the_stop(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", settings=SLOW)
    await hub.start()
    async with joined(hub) as cpo, joined(hub, "DE*MSP", takes=hang):
        assert await cpo.push_cdr(make_cdr("CDR-1")) == (201, 1000)
        async with outage(postgres_server, address):
            await stop_in_time(hub)
    await postgres_server.drop_database(address)


async def test_a_database_that_says_nothing_does_not_hold_up_the_stop(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    async with Silence(address) as silence:
        hub = HubProcess(silence.address, tmp_path / "hub.log", settings=SLOW)
        await hub.start()
        async with joined(hub) as cpo, joined(hub, "DE*MSP", takes=hang):
            assert await cpo.push_cdr(make_cdr("CDR-1")) == (201, 1000)
            silence.begin()
            await stop_in_time(hub)
    await postgres_server.drop_database(address)
