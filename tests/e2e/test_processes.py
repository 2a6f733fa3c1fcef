"""Several processes on one database behave as one hub."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ocpi_hub.ocpi.headers import authorization
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_cdr
from tests.support.postgres import PostgresServer
from tests.support.program import executed
from tests.support.waiting import eventually


async def test_a_token_issued_by_one_process_is_accepted_by_another_at_once(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    slow = {"directory_poll_s": "4", "directory_max_age_s": "20"}
    async with (
        HubProcess(address, tmp_path / "one.log", settings=slow) as one,
        HubProcess(address, tmp_path / "two.log", settings=slow) as two,
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
    ):
        await one.onboard(cpo)
        header = await authorization_of(cpo)
        for hub in (two, one):
            answer = await hub.get("/ocpi/versions", headers=header)
            assert answer.status_code == 200
    await postgres_server.drop_database(address)


async def test_suspend_returns_when_every_process_refuses(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    async with (
        HubProcess(address, tmp_path / "one.log") as one,
        HubProcess(address, tmp_path / "two.log", settings={"workers": "2"}) as two,
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
    ):
        platform = await one.onboard(cpo)
        header = await authorization_of(cpo)
        await one.run("platform", "suspend", platform)
        for hub in (one, *[two] * 6):
            answer = await hub.get("/ocpi/versions", headers=header)
            assert answer.status_code == 403
        await one.run("platform", "resume", platform)
        for hub in (one, *[two] * 6):
            answer = await hub.get("/ocpi/versions", headers=header)
            assert answer.status_code == 200
    await postgres_server.drop_database(address)


async def test_a_worker_that_dies_is_replaced_and_loses_nothing(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", settings={"workers": "2"}, start=executed)
    async with roaming(hub) as roam:
        first = await workers_of(hub)
        assert len(first) == 2
        for number, pid in enumerate(first):
            os.kill(pid, signal.SIGKILL)
            cdr = make_cdr(f"CDR-{number}")
            await eventually(partial(acknowledged, roam, cdr), "the CDR is acknowledged")
            await roam.cdr_in(cdr["id"], "delivered")
        await eventually(lambda: has_workers(hub, 2), "dead workers are replaced")
        assert not set(first) & set(await workers_of(hub))
    await postgres_server.drop_database(address)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_killing_the_supervisor_ends_its_workers(
    postgres_server: PostgresServer, tmp_path: Path, workers: str
) -> None:
    address = await postgres_server.create_database()
    settings = {"workers": workers}
    hub = HubProcess(address, tmp_path / "hub.log", settings=settings, start=executed)
    await hub.start()
    pids = await workers_of(hub)
    await hub.kill()
    await eventually(lambda: gone(pids), "the workers end")
    await postgres_server.drop_database(address)


async def workers_of(hub: HubProcess) -> list[int]:
    """Process ids of the workers."""
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children")
    return [int(pid) for pid in (await asyncio.to_thread(children.read_text)).split()]


async def authorization_of(party: PartyProcess) -> dict[str, str]:
    """The header with which a party calls the hub."""
    return {"Authorization": authorization((await party.credentials())["our_token"])}


async def acknowledged(roam: Roaming, cdr: dict[str, Any]) -> bool:
    return bool((await roam.cpo.push_cdr(cdr)).get("ocpi") == 1000)


async def has_workers(hub: HubProcess, number: int) -> bool:
    return len(await workers_of(hub)) == number


async def gone(pids: list[int]) -> bool:
    def look() -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in pids)

    return await asyncio.to_thread(look)
