"""Makes objects due that wait to be pulled although their receiver takes pushes by now.

A registration makes everything due that waits for its platform. A request that another process
serves at that moment may still act on the directory before it: it finds no RECEIVER endpoint and
commits an object that waits to be pulled, just after. Nothing would ever send that one. So what
waits is compared with what is announced, now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOOK_S = 10.0
"""Seconds between comparisons."""

MODULES = (Module.CDRS, Module.SESSIONS)
"""Modules of directed objects."""


class WaitingStore(Protocol):
    """What waits to be pulled."""

    async def make_announced_due(self, announced: Sequence[tuple[str, PartyId]]) -> int:
        """Make due what these receivers, given with a module, were to pull; returns how much.

        Raises:
            StoreError: nothing is changed.
        """
        ...


class LateEndpoints:
    """The loop that compares.

    Args:
        found: called when objects became due.
    """

    def __init__(
        self,
        store: WaitingStore,
        directory: Callable[[], Directory],
        *,
        found: Callable[[], None],
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._directory = directory
        self._found = found
        self._look_s = look_s

    async def run(self, stop: asyncio.Event) -> None:
        """Compare until `stop` is set."""
        while not stop.is_set():
            try:
                await self.look()
            except StoreError as error:
                log.warning("late_endpoints_wait_for_database", error=str(error))
            try:
                await asyncio.wait_for(stop.wait(), self._look_s)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Compare once.

        Raises:
            StoreError: the database cannot be reached.
        """
        directory = self._directory()
        announced = [
            (module.value, party)
            for party in directory.parties()
            for module in MODULES
            if (platform := directory.platform_of(party)) is not None
            and (module.value, InterfaceRole.RECEIVER) in platform.endpoints
        ]
        due = await self._store.make_announced_due(announced)
        if due:
            log.info("waiting_objects_made_due", count=due)
            self._found()
