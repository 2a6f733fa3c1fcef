"""Cars come and go all the time: charging points become CHARGING and AVAILABLE again.

Each CPO tells the hub of every change with a PATCH of the charging point, once. What it cannot tell
it does not tell again: its own record is right, and the others have to catch up.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ocpi_hub.demo.chance import chance
from ocpi_hub.demo.locations import patch_status
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.sites import Evse, evses_of
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.ocpi.v2_2_1.locations import Status

CHANGES_AT_ONCE = 3
PAUSE_S = 0.25
"""Every CPO makes that many changes, then waits that long: some ten changes a second."""
CARS = 12
"""Cars that charge at a CPO at a time."""
BUSY_SHARE = 0.25
"""Part of the charging points that cars come to."""


class Sender(Protocol):
    """The platform of a CPO."""

    async def send_many(
        self, requests: Sequence[Mapping[str, object]], concurrency: int
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Change:
    """A charging point that changed. `told`: the hub has acknowledged it."""

    evse: Evse
    told: bool


class Cars:
    """The cars of one CPO; the same source of chance gives the same changes."""

    def __init__(self, evses: Sequence[Evse], source: random.Random) -> None:
        self._source = source
        self._free = source.sample(evses, max(2 * CARS, round(len(evses) * BUSY_SHARE)))
        self._charging: deque[Evse] = deque()

    def change(self, count: int) -> list[tuple[Evse, Status]]:
        """The next changes, each of another charging point: cars arrive until `CARS` charge, then
        whoever came first leaves."""
        changes, left = [], []
        for _ in range(count):
            if len(self._charging) < CARS:
                evse = self._free.pop(self._source.randrange(len(self._free)))
                self._charging.append(evse)
                changes.append((evse, Status.CHARGING))
            else:
                evse = self._charging.popleft()
                left.append(evse)
                changes.append((evse, Status.AVAILABLE))
        self._free += left
        return changes


class Traffic:
    """Changes of charging points, in the background.

    Attributes:
        changes: all that were made, oldest first.
    """

    def __init__(self, cpos: Mapping[Company, Sender], pause_s: float = PAUSE_S) -> None:
        self._cpos = cpos
        self._pause_s = pause_s
        self._turn = asyncio.Lock()
        self._end = asyncio.Event()
        self.changes: list[Change] = []

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Cars come and go meanwhile."""
        driving = asyncio.gather(*(self._drive(*each) for each in self._cpos.items()))
        try:
            yield
            self._end.set()
            await driving
        finally:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nothing changes meanwhile, and nothing is on its way to the hub."""
        async with self._turn:
            yield

    async def _drive(self, cpo: Company, sender: Sender) -> None:
        cars = Cars(evses_of(cpo), chance())
        while not self._end.is_set():
            async with self._turn:
                changes = cars.change(CHANGES_AT_ONCE)
                requests = [patch_status(*change, timestamp()) for change in changes]
                results = await sender.send_many(requests, CHANGES_AT_ONCE)
            for (evse, _), result in zip(changes, results, strict=True):
                told = result.get("ocpi") == StatusCode.SUCCESS and result["http"] < 300
                self.changes.append(Change(evse, told))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), self._pause_s)
