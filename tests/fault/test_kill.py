"""`kill -9` of the hub while CDRs arrive: what was acknowledged arrives, whatever happens when."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdr_lives import lives_are_whole
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.killing_hub import POINTS
from tests.support.party import make_cdr
from tests.support.postgres import PostgresServer
from tests.support.thorough import rounds

ROUNDS = rounds(7, 63)
PROGRAM = "tests.support.killing_hub"


class Charging:
    """A CPO that sends CDRs one after the other and keeps those without an answer to send again,
    as any CPO does."""

    def __init__(self, roam: Roaming) -> None:
        self._roam = roam
        self.acknowledged: list[str] = []
        self._next = 0

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(self._send(stop))

    async def _send(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._next += 1
            await self._until_acknowledged(make_cdr(f"CDR-{self._next}"))

    async def _until_acknowledged(self, cdr: dict[str, Any]) -> None:
        while True:
            answer = await self._roam.cpo.push_cdr(cdr)
            if answer.get("ocpi") == 1000:
                self.acknowledged.append(cdr["id"])
                return
            assert answer.get("ocpi") in (None, 3000, 4000), answer
            await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
@pytest.mark.req("TF-37")
async def test_acknowledged_cdrs_survive_kills_at_any_moment(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    chance = random.Random(20_26)  # noqa: S311 - repeatable, not secret
    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", program=PROGRAM, settings={"workers": "1"})
    async with roaming(hub) as roam:
        charging, stop = Charging(roam), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(charging.run(stop))
            for number in range(ROUNDS):
                await one_kill(hub, number, chance)
            stop.set()
        await roam.all_delivered()
        await check(roam, charging.acknowledged)
        await lives_are_whole(roam.database)
    assert "Traceback" not in hub.logs()
    await postgres_server.drop_database(address)


async def one_kill(hub: HubProcess, number: int, chance: random.Random) -> None:
    """Kill the hub at a random moment, or have it kill itself at a point; start it again."""
    point = (*POINTS, "")[number % (len(POINTS) + 1)]
    await hub.kill()
    hub.environment |= {"KILL_AT": point, "KILL_AFTER": str(chance.randrange(3))}
    await hub.start()
    await asyncio.wait({asyncio.ensure_future(hub.process.wait())}, timeout=chance.uniform(0.2, 1))
    await hub.kill()
    hub.environment |= {"KILL_AT": ""}
    await hub.start()


async def check(roam: Roaming, acknowledged: list[str]) -> None:
    received = {item["id"]: item for item in await roam.emsp.received_cdrs()}
    assert len(acknowledged) > ROUNDS, "the CPO got through"
    for cdr_id in acknowledged:
        assert cdr_id in received
        assert json.loads(received[cdr_id]["body"]) == make_cdr(cdr_id)
        assert received[cdr_id]["conflicts"] == 0
        if received[cdr_id]["count"] > 1:
            story = await roam.cdr(cdr_id)
            outcomes = [attempt["outcome"] for attempt in story["attempt_history"]]
            assert outcomes.count("unknown") >= received[cdr_id]["count"] - 1, story
