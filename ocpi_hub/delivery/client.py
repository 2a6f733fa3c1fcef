"""The outbound client: the only way the hub calls a partner.

One call is: wait for a slot of the receiver, connect (or take a connection that was kept), send,
read the answer; all of it within one deadline. What matters most about a failure is whether the
partner may have received the request, because that decides between "try again" and "the outcome
is unknown". So the client follows how far a call got: as long as it has no connection the request
cannot have left (`Unreachable`), from then on it may have (`NoAnswer`).

Nothing is sent twice, except a GET whose kept connection turns out to be closed
(docs/decisions/0003).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.answers import read_answer
from ocpi_hub.delivery.connection import CallBroken, ConnectionLost, RawAnswer, Tell
from ocpi_hub.delivery.limit import Limit
from ocpi_hub.delivery.slots import Slots
from ocpi_hub.delivery.transport import Connections, ConnectTimeout, Progress, Stage, tls_context
from ocpi_hub.delivery.url_safety import (
    REMEDY,
    CheckedResolver,
    ForbiddenAddress,
    Lookup,
    Place,
    Server,
    UrlPolicy,
)
from ocpi_hub.domain.exchange import (
    Answer,
    Busy,
    Exchange,
    NoAnswer,
    OutboundRequest,
    Unreachable,
)
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

_DEFAULT_HEADERS = "User-Agent: ocpi-hub\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
_WITHOUT_BODY = frozenset({"GET", "DELETE"})


class HttpClient:
    """Calls partners. Satisfies `OutboundClient`.

    Args:
        clock: measures how long failed calls took, for the log.
        lookup: resolves host names; None: the system's resolver.
    """

    def __init__(self, settings: Settings, *, clock: Clock, lookup: Lookup | None = None) -> None:
        self._settings = settings
        self._max_bytes = settings.max_answer_bytes
        self._max_object_bytes = min(settings.max_object_bytes, settings.max_answer_bytes)
        self._clock = clock
        self._policy = UrlPolicy(
            allow_http=settings.allow_http, allow_networks=settings.allow_networks
        )
        self._lookup = lookup
        self._slots = Slots(settings.max_in_flight_per_receiver)
        self._resolver: CheckedResolver | None = None
        self._connections: Connections | None = None

    async def start(self) -> None:
        """Get ready to call.

        Raises:
            ConfigError: a certificate file cannot be used.
        """
        context = tls_context(self._settings)
        self._resolver = CheckedResolver(self._policy, lookup=self._lookup)
        self._connections = Connections(self._settings, self._resolver, context, self._clock)

    async def close(self) -> None:
        """Close all connections; calls that still run end as failed."""
        if self._connections is not None:
            self._connections.close()
        if self._resolver is not None:
            self._resolver.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def send(self, request: OutboundRequest) -> Exchange:
        """Call a partner. Whatever the partner does comes back as a value.

        Raises:
            ValueError: the hub built a method or header that cannot be sent.
        """
        connections = self._connections
        if connections is None:
            raise RuntimeError("start() comes first")
        place = self._policy.place(request.url)
        if isinstance(place, str):
            log.warning(
                "outbound_url_forbidden", receiver=request.limit_key, reason=place, remedy=REMEDY
            )
            return Unreachable(place)
        if request.deadline_s <= 0:
            return Unreachable("no time was left for a connection")
        head = _head(request, place)
        started = self._clock.monotonic()
        progress = Progress()
        cause: Exception
        exchange: Exchange
        try:
            limit = Limit(request.deadline_s, connections.loop)
            if request.late is not None:
                progress.overtime = partial(self._overtime, limit, request.late)
            slots, key, sender = self._slots, request.limit_key, request.sender_key
            with limit:
                if not slots.take(key, sender, urgent=request.urgent):
                    await slots.acquire(key, sender, urgent=request.urgent)
                try:
                    raw = await _call(connections, request, place.server, head, progress)
                finally:
                    slots.release(key, sender)
            return read_answer(raw, max_bytes=self._most(request))
        except CallBroken as error:
            cause, exchange = error, NoAnswer(str(error))
        except ConnectTimeout as error:
            cause = error
            exchange = Unreachable(f"no connection within {self._settings.connect_timeout_s:g} s")
        except (TimeoutError, OSError, ForbiddenAddress) as error:
            cause = error
            late = isinstance(error, TimeoutError) and error.errno is None
            exchange = self._late(request, progress) if late else self._broken(progress, error)
        return self._failed(request, exchange, cause, self._clock.monotonic() - started)

    def _most(self, request: OutboundRequest) -> int:
        """Bytes of an answer. Lists alone are long: parsing what else comes would hold up all."""
        return self._max_bytes if request.method == "GET" else self._max_object_bytes

    def _overtime(self, limit: Limit, late: Callable[[Answer], None]) -> Tell | None:
        """See `Overtime`."""
        if not limit.expired():
            return None

        def tell(raw: RawAnswer) -> None:
            try:
                answer = read_answer(raw, max_bytes=self._max_object_bytes)
            except CallBroken as error:
                log.info("late_answer_broken", reason=str(error))
            else:
                late(answer)

        return tell

    def _late(self, request: OutboundRequest, progress: Progress) -> Exchange:
        match progress.stage:
            case Stage.QUEUED:
                return Busy(
                    f"too many requests in flight to this receiver for {request.deadline_s:g} s"
                )
            case Stage.CONNECTING:
                return Unreachable(f"no connection within {request.deadline_s:g} s")
            case Stage.CONNECTED:
                return NoAnswer(f"no answer within {request.deadline_s:g} s")

    def _broken(self, progress: Progress, error: Exception) -> Exchange:
        if progress.stage is Stage.CONNECTED:
            return NoAnswer("the connection was lost before the answer")
        return Unreachable(_connect_fault(error))

    def _failed(
        self,
        request: OutboundRequest,
        exchange: Exchange,
        cause: Exception,
        duration_s: float,
    ) -> Exchange:
        # Neither the URL nor the text of the error: both may contain a token's uid.
        log.info(
            "partner_call_failed",
            receiver=request.limit_key,
            method=request.method,
            outcome=type(exchange).__name__,
            reason=getattr(exchange, "reason", None),
            cause=type(cause).__name__,
            duration_ms=round(duration_s * 1000),
        )
        return exchange


async def _call(
    connections: Connections,
    request: OutboundRequest,
    server: Server,
    head: bytes,
    progress: Progress,
) -> RawAnswer:
    """Send and read the answer; a GET once more if its kept connection was closed."""
    again = request.method == "GET"
    while True:
        connection = connections.take(server)
        kept = connection is not None
        if connection is None:
            progress.stage = Stage.CONNECTING
            connection = await connections.dial(server)
        progress.stage = Stage.CONNECTED
        try:
            return await connection.exchange(head, request.body or b"", progress.overtime)
        except ConnectionLost:
            if not (again and kept) or connections.closed:
                raise
            again = False
        finally:
            connections.give_back(server, connection)


def _head(request: OutboundRequest, place: Place) -> bytes:
    """Request line and headers.

    Raises:
        ValueError: the hub built a method or header that cannot be sent.
    """
    method = request.method
    if not (method.isascii() and method.isalpha() and method.isupper()):
        raise ValueError("a method is upper-case letters")
    given = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
    lines = len(request.headers)
    if given.count("\n") != lines or given.count("\r") != lines or "\0" in given:
        raise ValueError("a header contains a line break")
    length = ""
    if request.body is not None or method not in _WITHOUT_BODY:
        length = f"Content-Length: {len(request.body or b'')}\r\n"
    return (
        f"{method} {place.target} HTTP/1.1\r\nHost: {place.server.header}\r\n"
        f"{given}{_DEFAULT_HEADERS}{length}\r\n"
    ).encode()


def _connect_fault(error: Exception) -> str:
    """Why there is no connection, in words fit for a partner: no addresses, no URLs."""
    match error:
        case ForbiddenAddress():
            return str(error)
        case socket.gaierror():
            return "the host name cannot be resolved"
        case ssl.SSLCertVerificationError():
            return f"TLS: {error.verify_message or 'the certificate does not match'}"
        case ssl.SSLError():
            return f"TLS: {(error.reason or 'the handshake failed').lower().replace('_', ' ')}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return "the connection failed"
