"""Server-sent events: parts of pages that are made anew every few seconds.

A stream ends with its session, with the process, or after an hour; the browser comes back by
itself. There are so many for a session, one for each tab as a rule, and so many in all.
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
from ocpi_hub.console.visit import Live

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST, MOST_OF_SESSION = 50, 8
LONGEST_S = 3600.0
_RETRY_MS = 5000


class Streams:
    """All streams of this process.

    Args:
        is_open: whether a session still is.
    """

    def __init__(self, is_open: Callable[[Secret], Awaitable[bool]], clock: Clock) -> None:
        self._is_open = is_open
        self._clock = clock
        self._of_session: Counter[bytes] = Counter()
        self._stop = asyncio.Event()

    async def close(self, _: web.Application) -> None:
        """The process stops."""
        self._stop.set()

    async def send(
        self,
        request: web.Request,
        session: Secret,
        live: Live,
        fill: Callable[[str, Mapping[str, object]], str],
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Send until one of the ends. Too many: 204, which tells browsers to give up.

        Args:
            fill: a template and its context become HTML.
        """
        with self._slot(session) as free:
            if not free:
                return web.Response(status=204, headers=headers)
            response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write(f"retry: {_RETRY_MS}\n\n".encode())
                await self._go_on(response, session, live, fill)
            return response

    async def _go_on(
        self,
        response: web.StreamResponse,
        session: Secret,
        live: Live,
        fill: Callable[[str, Mapping[str, object]], str],
    ) -> None:
        end = self._clock.monotonic() + LONGEST_S
        while self._clock.monotonic() < end and await self._is_open(session):
            text = fill(live.template, await live.render())
            lines = "".join(f"data: {line}\n" for line in text.splitlines())
            await response.write(f"event: part\n{lines}\n".encode())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), live.every_s)
            if self._stop.is_set():
                return

    @contextmanager
    def _slot(self, session: Secret) -> Iterator[bool]:
        key = session.sha256
        if self._of_session.total() >= MOST or self._of_session[key] >= MOST_OF_SESSION:
            yield False
            return
        self._of_session[key] += 1
        try:
            yield True
        finally:
            self._of_session[key] -= 1
            if not self._of_session[key]:
                del self._of_session[key]
