"""PostgreSQL dies in the middle: what was acknowledged is there, what was judged is recorded."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from ocpi_hub.delivery.custody import Attempt
from ocpi_hub.delivery.verdict import Delivered
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.migrate import migrate
from tests.support.cdr_lives import lives_are_whole
from tests.support.postgres import make_settings
from tests.support.stores import OK, custody_store, ended, eventually, make_intake, state_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scene:
    server: EmbeddedServer
    store: PostgresCustodyStore
    database: Database

    def kill(self) -> int:
        """Kill PostgreSQL's first process; returns its id."""
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    async def is_back(self) -> bool:
        try:
            await self.store.find(make_intake("NONE").key)
        except StoreUnavailable:
            return False
        return True

    async def when_back(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of work, tried until no connection of the killed server is left."""
        results: list[T] = []

        async def is_done() -> bool:
            try:
                results.append(await work())
            except StoreUnavailable:
                return False
            return True

        await eventually(is_done)
        return results[0]


@pytest.fixture
async def scene(disk_directory: Path) -> AsyncIterator[Scene]:
    """Custody on a durable server of its own, which is started again when it dies."""
    server = EmbeddedServer(disk_directory / "postgres")
    address = await server.start()
    stop = asyncio.Event()
    watching = asyncio.ensure_future(server.run(stop))
    settings = make_settings()
    try:
        await migrate(address, settings)
        async with AsyncExitStack() as stack:
            database = await Database.open(address, settings)
            stack.push_async_callback(database.close)
            store = await stack.enter_async_context(custody_store(database))
            yield Scene(server, store, database)
    finally:
        stop.set()
        await watching
        await server.stop()


async def test_an_acknowledged_object_survives_a_killed_server(scene: Scene) -> None:
    acknowledged: list[Attempt] = []
    enough = asyncio.Event()

    async def bring(sender: int) -> None:
        for number in range(10_000):
            try:
                result = await scene.store.take_in(make_intake(f"C{sender}-{number}"))
            except StoreUnavailable:
                return
            assert result.attempt is not None
            acknowledged.append(result.attempt)
            if len(acknowledged) > 200:
                enough.set()

    senders = asyncio.gather(*[bring(sender) for sender in range(8)])
    await enough.wait()
    scene.kill()
    await senders
    await eventually(scene.is_back)
    for attempt in acknowledged:
        row = await scene.when_back(partial(scene.store.find, attempt.key))
        assert row is not None
        assert (row.state, row.attempt_id) == (DirectedState.IN_FLIGHT, attempt.attempt_id)
    await scene.when_back(lambda: lives_are_whole(scene.database))


async def test_verdicts_wait_for_the_server_and_are_recorded(scene: Scene) -> None:
    attempts = []
    for number in range(20):
        result = await scene.store.take_in(make_intake(f"C{number}"))
        assert result.attempt is not None
        attempts.append(result.attempt)
    scene.kill()
    states = await asyncio.gather(*[scene.store.record(ended(a, Delivered(OK))) for a in attempts])
    assert set(states) == {DirectedState.DELIVERED}
    state = await scene.when_back(lambda: state_of(scene.store, "C19"))
    assert state is DirectedState.DELIVERED
    numbers = count()  # one that met the killed server may have been taken in all the same
    after = await scene.when_back(lambda: scene.store.take_in(make_intake(f"AFTER{next(numbers)}")))
    assert after.attempt is not None
    await scene.when_back(lambda: lives_are_whole(scene.database))
