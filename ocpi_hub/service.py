"""One process of the hub, running.

    writers   shared objects, intakes, verdicts, evidence     stop last, empty
    loops     directory, liveness, errands, worker, catch-up  stop second
    HTTP      accepts requests                                stops first

Requests get `grace_s` to end, then the loops do; what takes longer is cancelled, so that the
process ends in time whoever does not answer: a partner, or the database.

Every task belongs to one task group; a loop that fails or ends early stops the service loudly, so
that whoever supervises it starts a healthy one. `supervisor.py` runs several of these.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from datetime import timedelta

from aiohttp import web

from ocpi_hub.assembly import Loop, Parts, Roles, Surroundings, Wrappers, assemble
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.directory.protocols import ProcessRow
from ocpi_hub.listening import BACKLOG, server_tls
from ocpi_hub.server.http import HubRunner
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.secret_key import Keyring
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LAST_WRITES_S = 0.5
"""Seconds in which what was cut short at the end of the grace is recorded, and then written."""


class Service:
    """One process of the hub.

    Args:
        listener: a bound socket; None for a process without the role `api`.
        public_url: base of every URL the hub hands out.
        first: the hub is only just started on this machine: what ran here before does no more.
        wrappers: for tests.
    """

    def __init__(
        self,
        settings: Settings,
        address: DatabaseAddress,
        keyring: Keyring,
        *,
        listener: socket.socket | None,
        public_url: str,
        roles: Roles,
        first: bool = True,
        wrappers: Wrappers | None = None,
    ) -> None:
        self._settings = settings
        self._address = address
        self._keyring = keyring
        self._listener = listener
        self._public_url = public_url
        self._roles = roles
        self._first = first
        self._wrappers = wrappers or Wrappers()

    async def run(self, stop: asyncio.Event, *, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` is set.

        Args:
            ready: called once requests are accepted.

        Raises:
            ConfigError: a certificate file cannot be used.
            StoreUnavailable: the database cannot be reached at the start.
            ExceptionGroup: a loop failed.
        """
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            database = await Database.open(self._address, self._settings)
            stack.push_async_callback(database.close)
            client = await stack.enter_async_context(HttpClient(self._settings, clock=clock))
            parts = assemble(
                Surroundings(
                    settings=self._settings,
                    database=database,
                    keyring=self._keyring,
                    client=client,
                    clock=clock,
                    public_url=self._public_url,
                    serves=self._listener is not None,
                    wrappers=self._wrappers,
                )
            )
            await parts.keeper.start()
            await parts.follow_settings()
            await self._ask_for_what_was_missed(parts)
            await self._run(parts, database, stop, ready)
        log.info("service_stopped")

    async def _ask_for_what_was_missed(self, parts: Parts) -> None:
        """After the hub was down; in doubt too, because asking in vain costs little."""
        mine, store = parts.keeper.process, parts.liveness_store
        alive = timedelta(seconds=self._settings.directory_max_age_s)
        earlier = await store.earlier_processes(mine.process_id, alive)
        gone = [other for other in earlier if not self._runs(other, mine)]
        await store.free_lanes(gone)
        if len(gone) == len(earlier):
            await store.request_catch_up()

    def _runs(self, other: ProcessRow, mine: ProcessRow) -> bool:
        """Whether a process with a young heartbeat runs, instead of having been killed just now."""
        if other.host != mine.host:
            return True
        return not self._first and other.pid != mine.pid and _exists(other.pid)

    async def _run(
        self, parts: Parts, database: Database, stop: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        loops_stop, writers_stop = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            writers = [
                group.create_task(_steady(writer.name, writer.run, writers_stop), name=writer.name)
                for writer in parts.writers
            ]
            loops = [
                group.create_task(_steady(name, loop, loops_stop), name=name)
                for name, loop in parts.loops(self._roles)
            ]
            runner = await self._listen(parts.app)
            # What was loaded so far lives as long as the process: the collector need not look.
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            log.info("process_ready", url=self._public_url)
            ready()
            await stop.wait()
            log.info("service_stopping")
            if runner is not None:
                await runner.cleanup()
            loops_stop.set()
            in_time = await _ended(loops, self._settings.grace_s + LAST_WRITES_S)
            writers_stop.set()
            if not await _ended(writers, LAST_WRITES_S) or not in_time:
                database.terminate()  # what is cancelled must not wait for it either

    async def _listen(self, app: web.Application) -> web.AppRunner | None:
        if self._listener is None:
            return None
        settings = self._settings
        runner = HubRunner(
            app,
            SystemClock(),
            grace_s=settings.grace_s,
            keep_alive_s=settings.keep_alive_s,
            read_s=settings.request_read_timeout_s,
        )
        await runner.setup()
        site = web.SockSite(
            runner, self._listener, backlog=BACKLOG, ssl_context=server_tls(self._settings)
        )
        await site.start()
        return runner


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _ended(tasks: Collection[asyncio.Task[None]], within_s: float) -> bool:
    """Wait for tasks that were told to stop; cancel those that take longer. True: none did."""
    _, late = await asyncio.wait(tasks, timeout=within_s)
    for task in late:
        log.warning("cut_short", task=task.get_name())
        task.cancel()
    return not late


async def _steady(name: str, loop: Loop, stop: asyncio.Event) -> None:
    """Run a loop that has to last until it is told to stop."""
    await loop(stop)
    if not stop.is_set():
        raise RuntimeError(f"the loop {name!r} ended by itself")
