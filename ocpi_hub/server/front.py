"""The first to see what arrives on a connection.

Plain requests (`server/plain.py`) are served at once, one after the other. The first thing that is
no plain request hands the whole connection over to aiohttp, with everything not yet served. So the
usual request costs a third, and the unusual one is read by a library that has seen them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import cast

from aiohttp.tcp_helpers import tcp_keepalive

from ocpi_hub.clock import Clock
from ocpi_hub.server.plain import MAX_HEAD_BYTES, Head, PlainRequest, PlainResponse, read_head
from ocpi_hub.server.slow_readers import WriteWatch
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

Serve = Callable[[PlainRequest], Awaitable[PlainResponse]]
"""Serves a plain request. Never raises but for cancellation."""

BUFFER_BYTES = 131_072
"""Bytes that may wait behind a request that is being served."""
SWEEP_S = 1.0

_Request = tuple[PlainRequest, bool]
"""A request, and whether the connection stays open after it."""

_HEAD_END = b"\r\n\r\n"


class Fronts:
    """All connections that have sent plain requests only.

    Args:
        beyond: makes the protocol for everything else.
        keep_alive_s: after which an idle connection is closed.
        read_s: within which a request has to arrive, and some of an answer has to be taken.
    """

    def __init__(
        self,
        serve: Serve,
        beyond: Callable[[], asyncio.Protocol],
        clock: Clock,
        *,
        keep_alive_s: float,
        read_s: float,
    ) -> None:
        self.serve = serve
        self.beyond = beyond
        self.clock = clock
        self.closing = False
        self._keep_alive_s = keep_alive_s
        self.read_s = read_s
        self._connections: set[Front] = set()
        self._date = ""
        self._dated_until = 0.0
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, front: Front) -> None:
        self._connections.add(front)
        if self._sweeping is None:
            self._sweep_later()

    def discard(self, front: Front) -> None:
        self._connections.discard(front)

    def date(self) -> str:
        """For `Date`: the same for all answers of a second."""
        monotonic = self.clock.monotonic()
        if monotonic >= self._dated_until:
            now = self.clock.now().timestamp()
            self._date = formatdate(now, usegmt=True)
            self._dated_until = monotonic + 1.0 - now % 1.0
        return self._date

    def close_idle(self) -> None:
        """Take no more requests: idle connections are closed, others after their answer."""
        self.closing = True
        for front in tuple(self._connections):
            if not front.is_busy:
                front.abort()

    async def shutdown(self, grace_s: float) -> None:
        """Wait for requests that are being served, then cut what takes longer."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        tasks = [front.task for front in self._connections if front.task and front.is_busy]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for front in tuple(self._connections):
            front.abort()

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now = self.clock.monotonic()
        for front in tuple(self._connections):
            if front.is_busy:
                continue
            if front.is_reading and front.since < now - self.read_s:
                front.give_up_reading()
            elif front.since < now - self._keep_alive_s:
                front.abort()
        self._sweeping = None
        if self._connections:
            self._sweep_later()


class Front(asyncio.Protocol):
    """A connection as long as only plain requests came.

    One task serves them all, one after the other: a task for each would cost more than all that is
    done here.

    Attributes:
        since: monotonic seconds of the last sign of life.
        task: serves; made for the first request.
        is_busy: a request is being served.
    """

    def __init__(self, fronts: Fronts) -> None:
        self._fronts = fronts
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._head: Head | None = None
        self._writable: asyncio.Event | None = None
        self._watch: WriteWatch | None = None
        self._paused = False
        self.since = fronts.clock.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.is_busy = False
        self._request: _Request | None = None
        self._arrived: asyncio.Future[None] | None = None
        self._left = False

    @property
    def is_reading(self) -> bool:
        """A part of a request is here."""
        return bool(self._buffer)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def give_up_reading(self) -> None:
        """The rest of a request does not come. Whose head is here gets an answer that says so."""
        if self._head is not None:
            self._hand_over()
        else:
            self.abort()

    # asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tcp_keepalive(self._transport)
        self._fronts.add(self)
        if self._fronts.closing:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left = True
        if not self.is_busy:  # else the server waits for it when it ends
            self._fronts.discard(self)
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()
        if self._transport is not None:
            self._watch = WriteWatch(self._transport, self._fronts.read_s)

    def resume_writing(self) -> None:
        if self._watch is not None:
            self._watch.end()
        writable, self._writable = self._writable, None
        if writable is not None:
            writable.set()

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self.since = self._fronts.clock.monotonic()
        self._buffer = self._buffer + data if self._buffer else data
        if not self.is_busy:
            self._next()
        elif len(self._buffer) > BUFFER_BYTES and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    # Requests ------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Serve the next request if it is complete."""
        head = self._head
        if head is None:
            end = self._buffer.find(_HEAD_END, 0, MAX_HEAD_BYTES)
            if end < 0:
                if len(self._buffer) >= MAX_HEAD_BYTES or not _may_be_plain(self._buffer):
                    self._hand_over()
                return
            head = self._head = read_head(self._buffer[: end + len(_HEAD_END)])
            if head is None:
                self._hand_over()
                return
        whole = head.size + head.length
        if len(self._buffer) < whole:
            return
        request = head.request(self._buffer[head.size : whole], self._transport)
        self._buffer, self._head = self._buffer[whole:], None
        self._request = request, head.keep_alive
        self.is_busy = True
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._run())
        else:
            self._wake()

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    async def _run(self) -> None:
        """Serve requests until the connection is closed or handed over."""
        transport = self._transport
        if transport is None:
            raise AssertionError("a request has come over it")
        loop = asyncio.get_running_loop()
        while True:
            arrived, self._request = self._request, None
            if arrived is None:
                if self._left or transport.is_closing():
                    return
                self._arrived = loop.create_future()
                await self._arrived
                continue
            serving = self._serve(transport, *arrived)
            del arrived  # An idle connection holds nothing of its last request.
            await serving

    async def _serve(
        self, transport: asyncio.Transport, request: PlainRequest, keep_alive: bool
    ) -> None:
        try:
            response = await self._fronts.serve(request)
            keep_alive = keep_alive and not self._fronts.closing
            keep_alive = keep_alive and response.headers.get("Connection") != "close"
            if not transport.is_closing():
                transport.write(response.as_bytes(self._fronts.date(), keep_alive=keep_alive))
                if self._writable is not None:
                    await self._writable.wait()
        except Exception as error:
            log.error("http_server_failed", exc_info=error)
            transport.abort()
            return
        except BaseException:
            transport.abort()
            raise
        finally:
            self.is_busy = False
            if transport.is_closing():
                self._fronts.discard(self)
        if not keep_alive:
            transport.close()
        elif not transport.is_closing():
            self._go_on(transport)

    def _go_on(self, transport: asyncio.Transport) -> None:
        self.since = self._fronts.clock.monotonic()
        if len(self._buffer) <= BUFFER_BYTES:
            self._read_on(transport)
        if self._buffer:
            self._next()

    def _read_on(self, transport: asyncio.Transport) -> None:
        if self._paused:
            self._paused = False
            transport.resume_reading()

    def _hand_over(self) -> None:
        """The library takes the connection, and what has come and was not served."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._fronts.discard(self)
        self._left = True
        self._wake()
        beyond, buffer = self._fronts.beyond(), self._buffer
        self._buffer, self._head = b"", None
        transport.set_protocol(beyond)
        beyond.connection_made(transport)
        self._read_on(transport)
        beyond.data_received(buffer)


def _may_be_plain(start: bytes) -> bool:
    """Whether what has come so far can be the beginning of a plain request."""
    line, ended, _ = start.partition(b"\n")
    return line[:1] in (b"G", b"P", b"D") and (not ended or line.endswith(b"\r"))
