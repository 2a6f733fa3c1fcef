"""Whether a process can serve now: what `/readyz` says."""

from __future__ import annotations

import asyncio

from ocpi_hub.clock import Clock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.store.database import Database
from ocpi_hub.store.migrate import pending
from ocpi_hub.store.refused_writes import probe_write

LOOK_S = 3.0
"""Seconds that whoever asks waits at most: load balancers and container runtimes give few."""

PROBE_S = 5.0
"""Seconds between two tries to write, while writes are refused."""

QUIET_PROBE_S = 30.0
"""The same while none was refused: a process that has nothing to write would not know."""


class Readiness:
    """Looks at the database once at a time, however many ask.

    A look that a silent database keeps goes on until the database's own timeouts end it: to cancel
    it would have to wait for that database too.
    """

    def __init__(
        self, database: Database, keeper: DirectoryKeeper, clock: Clock, *, look_s: float = LOOK_S
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock
        self._look_s = look_s
        self._looking: asyncio.Future[str | None] | None = None
        self._probed_at: float | None = None

    async def reason(self) -> str | None:
        """Why the service cannot serve now; None if it can."""
        if not self._keeper.fresh():
            return "the directory could not be verified lately"
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        looking = self._looking
        await asyncio.wait({looking}, timeout=self._look_s)
        if not looking.done():
            return f"the database does not answer within {self._look_s:g} s"
        return looking.result()

    async def _look(self) -> str | None:
        try:
            async with self._database.connection() as connection:
                missing = await pending(connection)
        except StoreError as error:
            return f"the database cannot be used: {error}"
        if missing:
            return f"migrations are missing: {', '.join(missing)}"
        return await self._refusal()

    async def _refusal(self) -> str | None:
        """Why nothing is written, if the last try was refused."""
        refused, now = self._database.refused, self._clock.monotonic()
        pause_s = QUIET_PROBE_S if refused.last is None else PROBE_S
        if self._probed_at is None or now - self._probed_at >= pause_s:
            self._probed_at = now
            try:
                await probe_write(self._database)
            except StoreUnavailable as error:
                return f"the database refuses to write: {error}"
            except StoreError:
                pass  # This account may not try: the next write that is refused tells.
            refused.over()
            return None
        return f"the database refuses to write: {refused.last}" if refused.last else None
