"""Keeps the circuits of all processes in step, and finds out who is back.

Which circuits are open stands in the database; each process reads that every `POLL_S` seconds, or
when it is woken, and writes at once what it has found out itself. Whoever claims an open circuit
asks the platform for its versions, one process at a time, with pauses that double. While the
database is away each process goes on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

from ocpi_hub.authorization.circuits import Circuits, News
from ocpi_hub.clock import Clock
from ocpi_hub.directory.snapshot import Directory, PartyStatus, platform_status
from ocpi_hub.domain.party import Platform, PlatformId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

POLL_S = 0.5
TRIAL_S = 2.0
"""Seconds in which an authorization should come to be let through."""


@value
class OpenCircuit:
    """A circuit that is open.

    Attributes:
        failed_probes: how often the platform did not answer since.
        probe_at: when it is asked again.
    """

    opened_at: datetime
    failed_probes: int
    probe_at: datetime


class CircuitStore(Protocol):
    """Where all processes see which circuits are open. All methods raise StoreError."""

    async def due_in_s(self) -> Mapping[PlatformId, float]:
        """Every open circuit, with the seconds until it is to be probed."""
        ...

    async def open(self, platform_id: PlatformId) -> None: ...

    async def claim(self, platform_id: PlatformId) -> bool:
        """Whether this process is to probe the platform now; nobody else is for a while."""
        ...

    async def failed(self, platform_id: PlatformId) -> None:
        """The platform did not answer: it is probed again after a longer pause."""
        ...

    async def close(self, platform_id: PlatformId) -> None: ...


class CircuitKeeper:
    """The loop beside `Circuits`.

    Args:
        probe: asks a platform for its versions; whether it answered.
        pause_s: seconds until the first probe.
    """

    def __init__(
        self,
        circuits: Circuits,
        store: CircuitStore,
        probe: Callable[[Platform], Awaitable[bool]],
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        pause_s: float,
    ) -> None:
        self._circuits = circuits
        self._store = store
        self._probe = probe
        self._directory = directory
        self._clock = clock
        self._pause_s = pause_s
        self._due_at: dict[PlatformId, float] = {}
        self._probing: dict[PlatformId, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Keep in step until `stop` is set."""
        if not self._circuits.enabled:
            await stop.wait()
            return
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                await self._rest(stop)
                await self.follow(group)
            for task in self._probing.values():
                task.cancel()

    async def _rest(self, stop: asyncio.Event) -> None:
        waits = {
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(self._circuits.wake.wait()),
        }
        await asyncio.wait(waits, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._circuits.wake.clear()

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Tell and learn what is new, and probe who is due."""
        news = self._circuits.take_news()
        try:
            for platform_id, what in news.items():
                await self._write(platform_id, what)
            due_in_s = await self._store.due_in_s()
        except StoreError as error:
            self._circuits.put_back(news)
            log.warning("circuits_wait_for_database", error=str(error))
        else:
            now = self._clock.monotonic()
            self._due_at = {who: now + seconds for who, seconds in due_in_s.items()}
            self._circuits.follow(due_in_s.keys())
        self._probe_due(group)

    async def _write(self, platform_id: PlatformId, what: News) -> None:
        match what:
            case News.OPENED:
                await self._store.open(platform_id)
                log.warning("circuit_opened", platform=platform_id)
            case News.REOPENED:
                await self._store.failed(platform_id)
            case News.CLOSED:
                await self._store.close(platform_id)
                log.info("circuit_closed", platform=platform_id)

    def _probe_due(self, group: asyncio.TaskGroup) -> None:
        now, platforms = self._clock.monotonic(), self._directory().platforms
        for platform_id in self._circuits.open:
            platform = platforms.get(platform_id)
            if platform is None or platform_status(platform) is not PartyStatus.CONNECTED:
                # From here on others look after it: liveness, or an operator.
                self._circuits.forget(platform_id)
                continue
            due_at = self._due_at.setdefault(platform_id, now + self._pause_s)
            if now >= due_at and platform_id not in self._probing:
                self._probing[platform_id] = group.create_task(self._look(platform))

    async def _look(self, platform: Platform) -> None:
        """Probe a platform, if it is this process's turn."""
        platform_id = platform.platform_id
        try:
            if not await self._is_mine(platform_id):
                return
            if await self._probe(platform):
                self._circuits.try_out(platform_id)
                await self._clock.sleep(TRIAL_S)
                self._circuits.end_trial(platform_id)
            else:
                await self._note_failed(platform_id)
        finally:
            self._probing.pop(platform_id, None)

    async def _is_mine(self, platform_id: PlatformId) -> bool:
        try:
            return await self._store.claim(platform_id)
        except StoreError:
            return True

    async def _note_failed(self, platform_id: PlatformId) -> None:
        self._due_at[platform_id] = self._clock.monotonic() + self._pause_s
        try:
            await self._store.failed(platform_id)
        except StoreError as error:
            log.warning("circuits_wait_for_database", error=str(error))
