"""Server-sent events: parts of pages that are made anew every few seconds.

A stream ends with its session, with the process, or after an hour; the browser comes back by
itself. There are so many for an account, one for each tab as a rule, and so many in all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import web

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.clock import Clock
from ocpi_hub.console.visit import Live, Visit
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST, MOST_OF_ACCOUNT = 50, 8
LONGEST_S = 3600.0
_RETRY_MS = 5000
_WRITE_S = 30.0

log = get_logger(__name__)


class Streams:
    """All streams of this process.

    Args:
        is_open: whether a session still is.
        reads: so many look something up at a time, pages too.
    """

    def __init__(
        self,
        is_open: Callable[[Secret], Awaitable[bool]],
        clock: Clock,
        reads: asyncio.Semaphore,
    ) -> None:
        self._is_open = is_open
        self._clock = clock
        self._reads = reads
        self._of_account: Counter[str] = Counter()
        self._stop = asyncio.Event()

    async def close(self, _: web.Application) -> None:
        """The process stops."""
        self._stop.set()

    async def send(
        self,
        request: web.Request,
        visit: Visit,
        live: Live,
        fill: Callable[[str, Mapping[str, object]], str],
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Send until one of the ends. Too many: 204, which tells browsers to give up.

        Args:
            fill: a template and its context become HTML.
        """
        with self._slot(visit.viewer.account_id) as free:
            if not free:
                return web.Response(status=204, headers=headers)
            # What goes wrong from the start is told as for any page.
            first = await self._part(live, fill)
            response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
            try:
                await response.prepare(request)
                await _write(response, f"retry: {_RETRY_MS}\n\n{first}")
                await self._go_on(response, visit.session, live, fill)
            except ConnectionError:
                pass  # nobody looks any more
            except Exception as error:  # noqa: BLE001 - no other answer can be given any more
                log.warning("console_stream_broken_off", reason=str(error) or type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
            return response

    async def _go_on(
        self,
        response: web.StreamResponse,
        session: Secret,
        live: Live,
        fill: Callable[[str, Mapping[str, object]], str],
    ) -> None:
        end = self._clock.monotonic() + LONGEST_S
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), live.every_s)
            over = self._stop.is_set() or self._clock.monotonic() >= end
            if over or not await self._is_open(session):
                return
            await _write(response, await self._part(live, fill))

    async def _part(self, live: Live, fill: Callable[[str, Mapping[str, object]], str]) -> str:
        async with self._reads:
            context = await live.render()
        lines = fill(live.template, context).splitlines()
        return "".join(["event: part\n", *(f"data: {line}\n" for line in lines), "\n"])

    @contextmanager
    def _slot(self, account: str) -> Iterator[bool]:
        if self._of_account.total() >= MOST or self._of_account[account] >= MOST_OF_ACCOUNT:
            yield False
            return
        self._of_account[account] += 1
        try:
            yield True
        finally:
            self._of_account[account] -= 1
            if not self._of_account[account]:
                del self._of_account[account]


async def _write(response: web.StreamResponse, text: str) -> None:
    """Raises: TimeoutError: nobody reads."""
    async with asyncio.timeout(_WRITE_S):
        await response.write(text.encode())
