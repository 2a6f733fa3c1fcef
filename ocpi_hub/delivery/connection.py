"""One HTTP/1.1 connection to a partner, one request at a time.

Framing is llhttp's business, strictly: a message with two lengths, bare line feeds or folded
headers is no HTTP here. Ours are the limits, and the rule that a connection on which anything was
unusual is not used again: an answer that came early, bytes after its end, a request not sent to its
end.
"""

from __future__ import annotations

import asyncio
import functools
import select
import socket
from collections.abc import Callable
from typing import Any, cast

import httptools

from ocpi_hub.domain.value import value

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of an answer before its body, informational answers included; and of what is neither head
nor body."""
MAX_HEADER_BYTES = 8190
"""Bytes of the value of one header of an answer."""
MAX_HEADERS = 100
PIECE_BYTES = 256 * 1024
"""Larger bodies are sent in pieces, while other calls go on."""
OVERTIME_S = 10.0
OVERTIME_BYTES = 64 * 1024
"""Seconds after the deadline in which an answer is still taken note of, and bytes of its body."""
_SWITCHING_PROTOCOLS = 101


class CallBroken(Exception):
    """An exchange that began on a connection and yields no answer; the text is the reason."""


class ConnectionLost(CallBroken):
    """The connection ended before an answer began."""

    def __init__(self) -> None:
        super().__init__("the connection was lost before the answer")


class BrokeOff(CallBroken):
    """The connection ended within the answer."""

    def __init__(self) -> None:
        super().__init__("the answer broke off")


class NoHttp(CallBroken):
    """What came is no HTTP/1.1."""

    def __init__(self) -> None:
        super().__init__("the answer is not valid HTTP, or its header is too large")


class TooLarge(CallBroken):
    """More than the hub reads of one answer."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"answer larger than {max_bytes} bytes")


@functools.lru_cache(maxsize=128)
def _header_name(name: bytes) -> str:
    """The same few names come with every answer."""
    return name.decode("latin-1").lower()


@value
class RawAnswer:
    """An answer as it came; the body still encoded. Header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


Tell = Callable[[RawAnswer], None]
Overtime = Callable[[], Tell | None]
"""Asked when an exchange is cancelled: who takes the answer that comes after the deadline; None:
it was not the deadline that ended the exchange."""


class Connection(asyncio.Protocol):
    """A connection; `exchange` is called again only after it has returned an answer.

    Args:
        max_bytes: of an answer's body.
        connected: the socket it uses.

    Attributes:
        kept_since: monotonic seconds when it had served; its keeper's business.
    """

    def __init__(self, max_bytes: int, connected: socket.socket) -> None:
        self._max_bytes = max_bytes
        self._arrived = select.poll()
        self._arrived.register(connected, select.POLLIN)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[RawAnswer] | None = None
        self._resumed: asyncio.Future[None] | None = None
        self._lost = False
        self._reusable = True
        self.kept_since = 0.0
        self.overtime: asyncio.Future[RawAnswer] | None = None
        self._begin()

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._head_bytes = 0
        self._head_complete = False
        self._framed = False
        # One buffer: a list of tiny chunks would take many times their size.
        self._body = bytearray()
        self._bodiless = 0

    # For the pool --------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._reusable and not self._lost and self._answer is None

    def is_quiet(self) -> bool:
        """Whether nothing has come while it was kept: as a rule, that the partner has closed it.
        The loop may not have seen that yet."""
        return not self._arrived.poll(0)

    def abort(self) -> None:
        """Close at once; an exchange under way fails."""
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    async def exchange(
        self, head: bytes, body: bytes, overtime: Overtime | None = None
    ) -> RawAnswer:
        """Send a request and read its answer. When it fails, the connection is closed; with
        `overtime`, a while after the deadline.

        Raises:
            CallBroken: there is no answer; what was sent may have arrived.
        """
        transport = self._transport
        if transport is None or not self.usable:
            raise ConnectionLost
        self._begin()
        answer: asyncio.Future[RawAnswer] = self._loop.create_future()
        self._answer = answer
        try:
            if len(body) <= PIECE_BYTES:
                transport.write(head + body)
            else:
                await self._send_in_pieces(transport, head, body, answer)
            return await answer
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            tell = overtime() if overtime is not None and cancelled else None
            if tell is not None:
                self._wait_on(tell)
            else:
                self.abort()
            raise
        finally:
            if self._answer is answer:
                self._answer = None
            # Half a request may still be on its way when an answer came early.
            if transport.get_write_buffer_size():
                self.abort()

    def _wait_on(self, tell: Tell) -> None:
        """Tell what still comes; then the connection has served."""
        answer: asyncio.Future[RawAnswer] = self._loop.create_future()
        self._answer = self.overtime = answer
        self._reusable = False
        # It is only taken note of: many of these may wait at a time.
        self._max_bytes = min(self._max_bytes, OVERTIME_BYTES)
        timer = self._loop.call_later(OVERTIME_S, self.abort)

        def ended(done: asyncio.Future[RawAnswer]) -> None:
            timer.cancel()
            self.abort()
            if done.exception() is None:
                tell(done.result())

        answer.add_done_callback(ended)
        if self._lost:
            self._fail(ConnectionLost())

    async def _send_in_pieces(
        self,
        transport: asyncio.Transport,
        head: bytes,
        body: bytes,
        answer: asyncio.Future[RawAnswer],
    ) -> None:
        transport.write(head)
        pieces = memoryview(body)
        for start in range(0, len(body), PIECE_BYTES):
            while self._resumed is not None and not answer.done():
                waits: set[asyncio.Future[Any]] = {self._resumed, answer}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                self._reusable = False
                return
            transport.write(bytes(pieces[start : start + PIECE_BYTES]))
            await asyncio.sleep(0)

    # asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self._resumed = self._loop.create_future()

    def resume_writing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            # Nobody asked: whatever it is, it must not become the answer to the next request.
            self.abort()
            return
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ if isinstance(error.__context__, CallBroken) else NoHttp())
        except (NoHttp, httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(NoHttp())

    def _feed(self, data: bytes) -> None:
        if self._head_complete:
            self._feed_body(data)
            return
        room = MAX_HEAD_BYTES - self._head_bytes
        self._head_bytes += len(data)
        self._parser.feed_data(data[:room])
        if len(data) <= room:
            return
        if self._lacks_body():
            raise httptools.HttpParserError
        self._parser.feed_data(data[room:])

    def _feed_body(self, data: bytes) -> None:
        """The parser collects a trailer's field until its end, however far that is."""
        size = len(self._body)
        self._parser.feed_data(data)
        self._bodiless = self._bodiless + len(data) if len(self._body) == size else 0
        if self._bodiless > MAX_HEAD_BYTES:
            raise NoHttp

    def _lacks_body(self) -> bool:
        """Feeding the parser has changed it."""
        return not self._head_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self.resume_writing()
        if self._answer is None or self._answer.done():
            return
        if not self._head_complete:
            self._fail(ConnectionLost())
        elif self._framed or exc is not None:
            self._fail(BrokeOff())
        else:
            self.on_message_complete()

    def _fail(self, error: BaseException) -> None:
        self._reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._transport is not None:
            self._transport.abort()

    # llhttp --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            raise NoHttp  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > MAX_HEADERS or len(name) + len(value) > MAX_HEADER_BYTES:
            raise NoHttp
        key, text = _header_name(name), value.decode("utf-8", "replace")
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:
            return
        if not 200 <= status <= 599:
            raise CallBroken(f"the answer has HTTP status {status}")
        self._head_complete = True
        self._framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if int(self._headers.get("content-length", 0)) > self._max_bytes:
            raise TooLarge(self._max_bytes)

    def on_body(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._max_bytes:
            raise TooLarge(self._max_bytes)
        self._body += data

    def on_message_complete(self) -> None:
        if not self._head_complete:  # an informational answer: the real one follows
            self._headers.clear()
            self._header_count = 0
            return
        if not self._parser.should_keep_alive() or self._lost:
            self._reusable = False
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            self._answer.set_result(RawAnswer(status, self._headers, bytes(self._body)))
