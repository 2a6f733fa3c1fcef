"""Files that are made while they are sent.

However slowly somebody reads, others get theirs: the database works for a few at a time, and for
none while its browser takes what it has. Whoever takes nothing any more is cut off, and so is
whoever is logged out meanwhile; what breaks off never looks complete.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.console.visit import Visit
from ocpi_hub.errors import Overloaded
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MOST, MOST_OF_ACCOUNT, MADE_AT_ONCE = 30, 3, 2
WRITE_S = 30.0
"""Seconds in which a part has to be taken."""
LOOK_S = 5.0
"""Seconds between two looks at the session."""


class Files:
    """All that this process sends.

    Args:
        is_open: whether a session still is.
    """

    def __init__(self, is_open: Callable[[Secret], Awaitable[bool]]) -> None:
        self._is_open = is_open
        self._of_account: Counter[str] = Counter()
        self._making = asyncio.Semaphore(MADE_AT_ONCE)

    async def send(
        self,
        request: web.Request,
        visit: Visit,
        response: web.StreamResponse,
        chunks: AsyncIterator[str],
    ) -> web.StreamResponse:
        """Send all of it, or break off.

        Raises:
            Overloaded: there are too many; nothing was sent.
        """
        with self._slot(visit.viewer.account_id):
            try:
                await response.prepare(request)
                async for chunk in self._made(visit, chunks):
                    async with asyncio.timeout(WRITE_S):
                        await response.write(chunk.encode())
                async with asyncio.timeout(WRITE_S):
                    await response.write_eof()
            except ConnectionError:
                pass  # nobody waits for it any more
            except Exception as error:  # noqa: BLE001 - no other answer can be given any more
                log.warning("console_file_broken_off", reason=str(error) or type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
            finally:
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()
        return response

    async def _made(self, visit: Visit, chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        """The parts, while the session lasts.

        Raises:
            PermissionError: it is over.
        """
        loop, looked_at = asyncio.get_running_loop(), None
        while True:
            async with self._making:
                if looked_at is None or loop.time() - looked_at >= LOOK_S:
                    if not await self._is_open(visit.session):
                        raise PermissionError("logged out meanwhile")
                    looked_at = loop.time()
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk

    @contextmanager
    def _slot(self, account: str) -> Iterator[None]:
        if self._of_account.total() >= MOST or self._of_account[account] >= MOST_OF_ACCOUNT:
            raise Overloaded("As many files as may be sent at a time are under way")
        self._of_account[account] += 1
        try:
            yield
        finally:
            self._of_account[account] -= 1
            if not self._of_account[account]:
                del self._of_account[account]
