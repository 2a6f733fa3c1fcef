"""The outbound client: the only way the hub calls a partner.

One call is: wait for a slot of the receiver, connect (or take a connection that was kept), send,
read the answer; all of it within one deadline. What matters most about a failure is whether the
partner may have received the request, because that decides between "try again" and "the outcome
is unknown". No exception class of the library tells that, so the client follows how far a call
got: as long as no connection was handed to it the request cannot have left (`Unreachable`), from
then on it may have (`NoAnswer`).

The library repeats PUT, DELETE and GET by itself when a connection breaks. Here nothing is sent
twice, except a GET whose kept connection turns out to be closed (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import io
import os
import re
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.answers import UnusableAnswer, read_answer
from ocpi_hub.delivery.slots import Slots
from ocpi_hub.delivery.transport import ConnectionLost, Progress, Stage, open_session, tls_context
from ocpi_hub.delivery.url_safety import (
    REMEDY,
    CheckedResolver,
    ForbiddenAddress,
    Lookup,
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

LARGE_BODY_BYTES = 256 * 1024
"""Larger bodies are sent in pieces."""

_METHOD = re.compile(r"[A-Z]+")
_LINE_BREAK = re.compile(r"[\r\n\0]")


class HttpClient:
    """Calls partners over aiohttp. Satisfies `OutboundClient`.

    Args:
        clock: measures how long failed calls took, for the log.
        lookup: resolves host names; None: the system's resolver.
    """

    def __init__(self, settings: Settings, *, clock: Clock, lookup: Lookup | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._policy = UrlPolicy(
            allow_http=settings.allow_http, allow_networks=settings.allow_networks
        )
        self._lookup = lookup
        self._slots = Slots(settings.max_in_flight_per_receiver)
        self._resolver: CheckedResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session.

        Raises:
            ConfigError: a certificate file cannot be used.
        """
        context = tls_context(self._settings)
        self._resolver = CheckedResolver(self._policy, lookup=self._lookup)
        self._session = open_session(self._settings, self._resolver, context)

    async def close(self) -> None:
        """Close all connections; calls that still run end as failed."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

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
        _check_ours(request)
        reason = self._policy.check(request.url)
        if reason is not None:
            log.warning(
                "outbound_url_forbidden", receiver=request.limit_key, reason=reason, remedy=REMEDY
            )
            return Unreachable(reason)
        started = self._clock.monotonic()
        progress = Progress()
        cause: Exception
        exchange: Exchange
        try:
            async with (
                asyncio.timeout(request.deadline_s),
                self._slots.hold(request.limit_key, request.sender_key, urgent=request.urgent),
            ):
                return await self._call(request, progress)
        except TimeoutError as error:
            # aiohttp's own time limit for connecting is a TimeoutError as well.
            cause = error
            exchange = self._timed_out(request, progress, error)
        except (
            aiohttp.ClientError,
            HttpProcessingError,
            OSError,
            ForbiddenAddress,
            UnusableAnswer,
        ) as error:
            cause = error
            exchange = (
                NoAnswer(_answer_fault(error))
                if progress.stage is Stage.CONNECTED
                else Unreachable(_connect_fault(error))
            )
        return self._failed(request, exchange, cause, self._clock.monotonic() - started)

    async def _call(self, request: OutboundRequest, progress: Progress) -> Answer:
        if self._session is None:
            raise RuntimeError("start() comes first")
        progress.stage = Stage.CONNECTING
        try:
            return await self._attempt(self._session, request, progress)
        except ConnectionLost:
            if request.method != "GET" or not progress.kept or self._session.closed:
                raise
        progress.stage = Stage.CONNECTING
        return await self._attempt(self._session, request, progress)

    async def _attempt(
        self, session: aiohttp.ClientSession, request: OutboundRequest, progress: Progress
    ) -> Answer:
        response = await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=_in_pieces(request.body),
            allow_redirects=False,
            trace_request_ctx=progress,
        )
        return await read_answer(response, max_bytes=self._settings.max_answer_bytes)

    def _timed_out(
        self, request: OutboundRequest, progress: Progress, error: TimeoutError
    ) -> Exchange:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Unreachable(f"no connection within {self._settings.connect_timeout_s:g} s")
        match progress.stage:
            case Stage.QUEUED:
                return Busy(
                    f"too many requests in flight to this receiver for {request.deadline_s:g} s"
                )
            case Stage.CONNECTING:
                return Unreachable(f"no connection within {request.deadline_s:g} s")
            case Stage.CONNECTED:
                return NoAnswer(f"no answer within {request.deadline_s:g} s")

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


def _in_pieces(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body as a stream, which is sent piece by piece while other calls go on."""
    return io.BytesIO(body) if body is not None and len(body) > LARGE_BODY_BYTES else body


def _check_ours(request: OutboundRequest) -> None:
    if not _METHOD.fullmatch(request.method):
        raise ValueError("a method is upper-case letters")
    headers = request.headers
    if _LINE_BREAK.search("".join((*headers, *headers.values()))):
        raise ValueError("a header contains a line break")


def _connect_fault(error: Exception) -> str:
    """Why there is no connection, in words fit for a partner: no addresses, no URLs."""
    match error:
        case ForbiddenAddress():
            return str(error)
        case aiohttp.ClientConnectorDNSError():
            return "the host name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            fault = error.certificate_error
            words = getattr(fault, "verify_message", "") or "the certificate does not match"
            return f"TLS: {words}"
        case aiohttp.ClientConnectorSSLError():
            words = getattr(error.os_error, "reason", None) or "the handshake failed"
            return f"TLS: {words.lower().replace('_', ' ')}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return "the connection failed"


def _answer_fault(error: Exception) -> str:
    """Why there is no usable answer, in words fit for a partner."""
    match error:
        case UnusableAnswer():
            return str(error)
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the answer is not valid HTTP, or its header is too large"
        case _:
            return "the connection was lost before the answer"
