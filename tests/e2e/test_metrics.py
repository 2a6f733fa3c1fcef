"""Metrics of several worker processes behind one port."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

REQUESTS = 10


async def test_whichever_worker_is_asked_tells_what_all_have_counted(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    async with HubProcess(address, tmp_path / "hub.log", settings={"workers": "2"}) as hub:
        for _ in range(REQUESTS):
            assert (await hub.get("/ocpi/versions")).status_code == 401
        for _ in range(5):
            assert await turned_away(hub) == REQUESTS

        before = await workers_of(hub)
        os.kill(before[0], signal.SIGKILL)

        async def replaced() -> bool:
            now = await workers_of(hub)
            return len(now) == 2 and before[0] not in now

        await eventually(replaced, "another worker takes its place")
        assert await turned_away(hub) == REQUESTS
    await postgres_server.drop_database(address)


async def turned_away(hub: HubProcess) -> float:
    answer = await hub.get("/metrics")
    assert answer.status_code == 200
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "ocpi_hub_requests_turned_away_total"
    )


async def workers_of(hub: HubProcess) -> list[int]:
    """Process ids of the workers."""
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children")
    return [int(pid) for pid in (await asyncio.to_thread(children.read_text)).split()]
