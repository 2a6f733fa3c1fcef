"""What goes on after a deed was answered: a handshake or a self-test that people watch.

What comes of it is in the database; an errand that ends with its process has said so there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from aiohttp import web

from ocpi_hub.errors import HubError, Overloaded
from ocpi_hub.telemetry import get_logger

MOST, MOST_OF_PARTNERS = 4, 2
"""Of one process; partners leave room for operators."""

log = get_logger(__name__)


class Errands:
    """The errands of this process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def require_room(self, *, of_partner: bool = False) -> None:
        """Raises: Overloaded: as many as may are under way."""
        if len(self._tasks) >= (MOST_OF_PARTNERS if of_partner else MOST):
            raise Overloaded("As many of these as may run at a time are running: try again shortly")

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Do it while this process lives, in the name of whoever acts now."""
        task = asyncio.get_running_loop().create_task(_carried_out(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done_within(self, wait_s: float, work: Coroutine[None, None, None]) -> bool:
        """As `start`, and wait a moment for its end.

        Returns:
            Whether it ended; else it goes on.

        Raises:
            Exception: what it ended with in this time.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.start(_watched(work, ended))
        try:
            await asyncio.wait({ended}, timeout=wait_s)
        finally:
            ended.cancel()
        if ended.cancelled():
            return False
        ended.result()
        return True

    async def close(self, _: web.Application) -> None:
        """The process stops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _watched(work: Coroutine[None, None, None], ended: asyncio.Future[None]) -> None:
    """How it ends is told to whoever still waits."""
    try:
        await work
    except Exception as error:
        if ended.done():
            raise
        ended.set_exception(error)
    else:
        if not ended.done():
            ended.set_result(None)
    finally:
        ended.cancel()


async def _carried_out(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except HubError as error:
        log.warning("errand_failed", reason=str(error))
    except Exception:
        log.exception("errand_failed")
