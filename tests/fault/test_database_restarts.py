"""PostgreSQL restarts again and again under load: nothing acknowledged is lost, nobody helps.

In the suite a few restarts in quick succession; `make soak` takes two minutes, one every 10 s.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import make_cdr, make_token
from tests.support.thorough import rounds
from tests.support.waiting import eventually

RESTARTS = rounds(2, 12)
EVERY_S = rounds(2, 10)
ENDINGS = (signal.SIGKILL, signal.SIGINT, signal.SIGQUIT)
"""Killed; stopped with connections cut; stopped without a word to anybody."""


@pytest.fixture
async def server(disk_directory: Path) -> AsyncIterator[tuple[EmbeddedServer, DatabaseAddress]]:
    """A durable server, started again whenever it ends."""
    running = EmbeddedServer(disk_directory / "postgres")
    address = await running.start()
    stop = asyncio.Event()
    watching = asyncio.ensure_future(running.run(stop))
    yield running, address
    stop.set()
    await watching
    await running.stop()


class Load:
    """Two partners that push without pause. What was answered 1000 has to be kept for ever.

    Attributes:
        cdrs: ids of CDRs that were acknowledged.
        tokens: the latest acknowledged state of each token.
        doubtful: tokens whose last push got no answer: the hub may have it or not.
    """

    def __init__(self, roam: Roaming) -> None:
        self._roam = roam
        self.cdrs: list[str] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.doubtful: set[str] = set()
        self._serial = 0

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for work in (self._push_cdr, self._push_cdr, self._push_token, self._push_token):
                group.create_task(self._again(work, stop))

    async def _again(self, work: Callable[[int], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._serial += 1
            await work(self._serial)

    async def _push_cdr(self, serial: int) -> None:
        cdr = make_cdr(f"CDR-{serial}")
        while (answer := await self._roam.cpo.push_cdr(cdr)).get("ocpi") != 1000:
            assert answer.get("ocpi") in (None, 3000, 4000), answer
            await asyncio.sleep(0.1)
        self.cdrs.append(cdr["id"])

    async def _push_token(self, serial: int) -> None:
        uid = f"T{serial % 40}"
        token = make_token(uid, issuer=f"Issuer {serial}", last_updated=_moment(serial))
        answer = await self._roam.emsp.send(
            "PUT", "tokens", role="RECEIVER", path=f"DE/MSP/{uid}", body=token
        )
        if answer.get("ocpi") == 1000:
            self.tokens[uid] = token
            self.doubtful.discard(uid)
        else:
            assert answer.get("ocpi") in (None, 3000, 4000), answer
            self.doubtful.add(uid)
            await asyncio.sleep(0.1)


def _moment(serial: int) -> str:
    return f"2026-01-01T{serial // 3600:02}:{serial // 60 % 60:02}:{serial % 60:02}Z"


@pytest.mark.timeout(300)
@pytest.mark.req("TF-37")
async def test_restarts_of_the_database_under_load_lose_nothing(
    server: tuple[EmbeddedServer, DatabaseAddress], tmp_path: Path
) -> None:
    postgres, address = server
    hub = HubProcess(address, tmp_path / "hub.log", settings={"workers": "1"})
    async with roaming(hub) as roam:
        process = hub.process.pid
        load, stop = Load(roam), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(stop))
            for number in range(RESTARTS):
                await asyncio.sleep(EVERY_S)
                await restart(postgres, ENDINGS[number % len(ENDINGS)], load)
            stop.set()
        assert hub.process.pid == process, "the hub went on by itself"
        assert len(load.cdrs) > RESTARTS
        await roam.all_delivered()
        received = {item["id"] for item in await roam.emsp.received_cdrs()}
        assert set(load.cdrs) <= received

        async def up_to_date() -> bool:
            cached = {token["uid"]: token for token in (await roam.cpo.tokens())["cached"]}
            sure = {uid: t for uid, t in load.tokens.items() if uid not in load.doubtful}
            return sure.items() <= cached.items()

        await eventually(up_to_date, "the CPO has every acknowledged token", within_s=60)


async def restart(postgres: EmbeddedServer, ending: signal.Signals, load: Load) -> None:
    """End the server, and wait until both kinds of objects are acknowledged again."""
    pid = postgres.pid
    assert pid is not None
    os.kill(pid, ending)

    async def another() -> bool:
        return postgres.pid not in (None, pid)

    await eventually(another, "PostgreSQL runs again", within_s=60)
    cdrs, tokens = len(load.cdrs), dict(load.tokens)

    async def recovered() -> bool:
        return len(load.cdrs) > cdrs and load.tokens != tokens

    await eventually(recovered, "objects are acknowledged again", within_s=60)
