"""Open circuits in the database: shared, claimed by one process, seen by operators."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.circuits import CHANNEL, LONGEST_PAUSE, PostgresCircuitStore
from ocpi_hub.store.database import Database
from tests.support.admin import admin_hub
from tests.support.directory import insert_platform, make_directory_store
from tests.support.stores import execute

P = PlatformId("p-2")


@pytest_asyncio.fixture
async def store(database: Database) -> PostgresCircuitStore:
    """Of one process; an eMSP's platform is there."""
    await insert_platform(database, P, roles=(("EMSP", "DE*MSP"),))
    return make_store(database)


def make_store(database: Database, *, pause_s: float = 5.0) -> PostgresCircuitStore:
    return PostgresCircuitStore(
        database, pause=timedelta(seconds=pause_s), lease=timedelta(seconds=20)
    )


async def test_the_first_to_open_it_counts(store: PostgresCircuitStore) -> None:
    await store.open(P)
    due = await store.due_in_s()
    assert 4 < due[P] <= 5
    await store.failed(P)
    later = (await store.due_in_s())[P]
    await store.open(P)
    assert abs((await store.due_in_s())[P] - later) < 1, "it is open already"
    await store.close(P)
    assert await store.due_in_s() == {}


async def test_a_platform_that_is_gone_opens_nothing(store: PostgresCircuitStore) -> None:
    await store.open(PlatformId("p-gone"))
    assert await store.due_in_s() == {}


async def test_only_one_process_probes(database: Database, store: PostgresCircuitStore) -> None:
    await store.open(P)
    assert not await store.claim(P)
    await execute(database, "update platform_circuit set probe_at = now()")
    others = [make_store(database) for _ in range(5)]
    assert sorted(await asyncio.gather(*(each.claim(P) for each in others))) == [False] * 4 + [True]
    assert 10 < (await store.due_in_s())[P] <= 20


async def test_pauses_grow_up_to_the_longest(store: PostgresCircuitStore) -> None:
    await store.open(P)
    pauses = []
    for _ in range(6):
        await store.failed(P)
        pauses.append(round((await store.due_in_s())[P]))
    longest = round(LONGEST_PAUSE.total_seconds())
    assert pauses == sorted(pauses)
    assert pauses[0] in (9, 10)
    assert pauses[-1] in (longest - 1, longest)


async def test_a_removed_platform_takes_its_circuit_along(
    database: Database, store: PostgresCircuitStore
) -> None:
    await store.open(P)
    await execute(database, "delete from platform")
    assert await store.due_in_s() == {}


async def test_operators_see_it(database: Database, store: PostgresCircuitStore) -> None:
    async with (
        admin_hub(database, metrics_public=True, circuit_failures=0) as hub,
        hub.client(await hub.make_key(Scope.READ)) as client,
    ):
        before = (await client.get(f"/admin/api/platforms/{P}")).json()
        await store.open(P)
        await store.failed(P)
        after = (await client.get(f"/admin/api/platforms/{P}")).json()
        metrics = (await client.get("/metrics")).text
    assert before["circuit"] is None
    assert after["circuit"]["failed_probes"] == 1
    assert after["circuit"]["opened_at"] < after["circuit"]["next_probe_at"]
    assert 'ocpi_hub_circuit_open{platform="p-2"} 1.0' in metrics


async def test_other_processes_hear_of_a_circuit_that_opens_or_closes(
    database: Database, store: PostgresCircuitStore
) -> None:
    directory, stop = make_directory_store(database), asyncio.Event()
    listens, heard = asyncio.Event(), asyncio.Event()
    directory.also_listen(CHANNEL, heard.set)
    listening = asyncio.ensure_future(directory.listen(listens.set, stop))
    async with asyncio.timeout(10):
        await listens.wait()
        await store.open(P)
        await heard.wait()
        heard.clear()
        await store.close(P)
        await heard.wait()
    stop.set()
    await listening
