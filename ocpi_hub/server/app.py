"""The OCPI-facing application: one pipeline for every request.

    request ─► gate, ids ─► credentials, rate limit ─► body ─► configuration module, or
               Message ─► module's handler ─► Reply ─► response with ids and routing headers

Whatever fails on the way becomes an envelope in one place (`server/replies.py`), is logged once
with its correlation id, and nothing else leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.messages import Recorder
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.exchange import LegInfo, LegKind
from ocpi_hub.domain.message import MessageIds, Reply
from ocpi_hub.domain.party import PartyId, Platform
from ocpi_hub.errors import NotFound, OcpiError, Overloaded
from ocpi_hub.ocpi import headers
from ocpi_hub.server.configuration import ConfigurationHandler
from ocpi_hub.server.http import OCPI
from ocpi_hub.server.inbound import (
    ROLES,
    Authenticator,
    Inbound,
    Target,
    decoded,
    read_authorization,
    read_body,
    read_message,
    read_target,
)
from ocpi_hub.server.limits import Gate, RateLimit
from ocpi_hub.server.plain import HttpRequest, PlainRequest, PlainResponse
from ocpi_hub.server.replies import error_reply
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import RequestLog, bind

Handler = Callable[[Inbound], Awaitable[Reply]]

_CONFIGURATION = frozenset({"versions", "credentials", "hubclientinfo"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OTHER = "other"
_CDR_INTAKE = "receiver/cdrs"


@dataclass(slots=True)
class _Exchange:
    """What the pipeline learns about one request on its way.

    Attributes:
        context: what log lines carry from now on.
        interface: what was called, in words that may be logged and recorded.
        sender, to: of the request; the response's routing headers follow from the sender.
        error: why it failed, in the hub's words.
    """

    ids: MessageIds
    context: dict[str, str]
    functional: bool = False
    interface: str = _OTHER
    sender: PartyId | None = None
    to: PartyId | None = None
    platform: Platform | None = None
    body: bytes = b""
    error: str | None = None


class OcpiServer:
    """Serves `/ocpi/...`.

    Args:
        handlers: functional modules by identifier.
        custom: serves the modules that an operator agreed on with single platforms.
        seen: told about every authenticated message.
        recorder: notes every request of a platform.
        turned_away: told the HTTP status of every other request.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        keeper: DirectoryKeeper,
        authenticator: Authenticator,
        configuration: ConfigurationHandler,
        handlers: Mapping[str, Handler],
        custom: Handler,
        seen: Callable[[Platform], None],
        recorder: Recorder,
        turned_away: Callable[[int], None],
    ) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._read_timeout_s = settings.request_read_timeout_s
        self._clock = clock
        self._keeper = keeper
        self._authenticator = authenticator
        self._configuration = configuration
        self._handlers = handlers
        self._custom = custom
        self._seen = seen
        self._recorder = recorder
        self._turned_away = turned_away
        self._log_request = RequestLog(settings, __name__, "request_served")
        self._gate = Gate(settings.max_requests_in_flight)
        self._rate = RateLimit(settings.rate_limit_rps, clock, lambda: keeper.processes)

    async def handle(self, request: HttpRequest) -> PlainResponse:
        """Serve one request. Never raises but for cancellation."""
        started = self._clock.monotonic()
        ids = headers.message_ids(request.headers)
        context = {"request_id": ids.request_id, "correlation_id": ids.correlation_id}
        exchange = _Exchange(ids, context)
        bind(exchange.context)
        try:
            with self._gate:
                reply = await self._serve(request, exchange, started)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
            reply = error_reply(error, functional=exchange.functional)
            exchange.error = error.message if isinstance(error, OcpiError) else type(error).__name__
        elapsed_s = self._clock.monotonic() - started
        self._log(request, exchange, reply, elapsed_s)
        response = self._response(reply, exchange)
        self._record(request, exchange, reply, response, elapsed_s)
        return response

    async def _serve(self, request: HttpRequest, exchange: _Exchange, started: float) -> Reply:
        target = read_target(request.raw_path)
        exchange.functional = _is_functional(target)
        exchange.interface = self._interface(target, functional=exchange.functional)
        if not self._keeper.fresh():
            raise Overloaded(
                "The hub cannot read its directory at the moment", headers={"Retry-After": "2"}
            )
        presented = read_authorization(request)
        caller = self._authenticator.known(presented)
        if caller is None:
            caller = await self._authenticator.caller(presented)
        platform = exchange.platform = caller.platform
        exchange.context["platform"] = platform.platform_id
        self._seen(platform)
        self._keeper.note_use(caller.issued)
        self._gate.admit(platform.platform_id)
        try:
            custom = exchange.functional and target.segments[3] in platform.custom_modules
            if custom:
                exchange.interface = f"{target.segments[2]}/{target.segments[3]}"
            if self._rate.is_on:
                await self._limit_rate(request.method, exchange.interface, platform)
            body = b""
            if custom or request.method in _WITH_BODY:
                most = self._max_body_bytes
                body = exchange.body = (
                    decoded(request, request.body, max_bytes=most)
                    if isinstance(request, PlainRequest)
                    else await read_body(request, timeout_s=self._read_timeout_s, max_bytes=most)
                )
            if not exchange.functional:
                return await self._configuration.handle(request.method, target, caller, body)
            message = read_message(request, target, caller, exchange.ids, body)
            exchange.sender, exchange.to = message.sender, message.to
            self._configuration.require_served(message.version, platform)
            handler = self._handlers.get(message.module, self._custom)
            return await handler(Inbound(message, caller.directory, started))
        finally:
            self._gate.leave(platform.platform_id)

    async def _limit_rate(self, method: str, interface: str, platform: Platform) -> None:
        _, _, module = interface.rpartition("/")
        # Nobody but its owner ever sends a CDR again: those are slowed first.
        patient = method == "POST" and interface == _CDR_INTAKE
        await self._rate.admit(platform.platform_id, module, patient=patient)

    def _response(self, reply: Reply, exchange: _Exchange) -> PlainResponse:
        """Ids always; routing headers on functional modules only (RT-01, RT-02, RT-16)."""
        ids = exchange.ids
        all_headers = {
            **reply.headers,
            headers.REQUEST_ID: ids.request_id,
            headers.CORRELATION_ID: ids.correlation_id,
        }
        if exchange.functional and exchange.platform is not None:
            sender = reply.sender or self._keeper.current.hub
            all_headers |= _routing_headers(exchange.sender, sender)
        return _plain(reply, all_headers)

    def _record(
        self,
        request: HttpRequest,
        exchange: _Exchange,
        reply: Reply,
        response: PlainResponse,
        elapsed_s: float,
    ) -> None:
        """Requests of nobody known are not recorded: anybody could fill the table."""
        if exchange.platform is None:
            self._turned_away(reply.http_status)
            return
        role, _, module = exchange.interface.rpartition("/")
        about = LegInfo(
            LegKind.INBOUND,
            exchange.platform.platform_id,
            exchange.sender,
            exchange.to,
            module,
            ROLES.get(role),
            exchange.ids,
        )
        self._recorder.inbound(
            about,
            request.method,
            request.raw_path,
            exchange.body,
            reply,
            elapsed_s=elapsed_s,
            error=exchange.error,
            headers=request.headers,
            answer_headers=response.headers,
        )

    def _log(
        self, request: HttpRequest, exchange: _Exchange, reply: Reply, elapsed_s: float
    ) -> None:
        self._log_request.line(
            self._clock.now(),
            request_id=exchange.ids.request_id,
            correlation_id=exchange.ids.correlation_id,
            platform=exchange.platform.platform_id if exchange.platform else None,
            method=request.method,
            interface=exchange.interface,
            sender=str(exchange.sender) if exchange.sender else None,
            http_status=reply.http_status,
            duration_ms=round(elapsed_s * 1000, 1),
        )

    def _interface(self, target: Target, *, functional: bool) -> str:
        """What is called. Paths of tokens hold uids, and wrong paths whatever was thought up."""
        segments = target.segments
        if functional:
            known = segments[3] in self._handlers
            return f"{segments[2]}/{segments[3]}" if known else _OTHER
        named = (segment for segment in reversed(segments[1:]) if segment in _CONFIGURATION)
        return next(named, _OTHER)


def _is_functional(target: Target) -> bool:
    """`/ocpi/{version}/{sender|receiver}/{module}/...` is routed; everything else is not."""
    segments = target.segments
    return (
        len(segments) >= 4
        and segments[2] in ("sender", "receiver")
        and (segments[3] not in _CONFIGURATION)
    )


@functools.lru_cache(maxsize=4096)
def _routing_headers(to: PartyId | None, sender: PartyId) -> Mapping[str, str]:
    return headers.routing_headers(to=to, sender=sender)


@web.middleware
async def _as_envelope(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What the library refuses by itself, such as a target that is no path, in an envelope."""
    try:
        return await handler(request)
    except web.HTTPException:
        reply = error_reply(NotFound("There is no such path: see /ocpi/versions"), functional=False)
        ids = headers.id_headers(headers.message_ids(request.headers))
        return _for_library(_plain(reply, {**reply.headers, **ids}))


def _plain(reply: Reply, all_headers: dict[str, str]) -> PlainResponse:
    all_headers["Server"] = "ocpi-hub"
    return PlainResponse(reply.http_status, all_headers, reply.body)


def _for_library(response: PlainResponse) -> web.Response:
    return web.Response(
        status=response.status,
        body=response.body,
        headers=response.headers,
        content_type="application/json",
    )


async def _continue_if_expected(request: web.Request) -> None:
    """Other expectations than 100-continue are left out of account (RFC 9110 10.1.1)."""
    if request.version >= (1, 1) and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The library takes what was written for the beginning of the answer.
        request.writer.output_size = 0


def _probe(text: str, http_status: int) -> web.Response:
    headers = {"Cache-Control": "no-store", "Server": "ocpi-hub"}
    return web.Response(text=f"{text}\n", status=http_status, headers=headers)


def build_app(
    server: OcpiServer,
    *,
    max_body_bytes: int,
    ready: Callable[[], Awaitable[str | None]],
    admin: Callable[[web.Request], Awaitable[web.StreamResponse]],
    metrics: Callable[[web.Request], Awaitable[web.StreamResponse]],
    console: web.Application | None = None,
) -> web.Application:
    """The aiohttp application.

    Args:
        ready: None when the service can serve, else the reason why not.
        admin: serves `/admin/...`.
        metrics: serves `/metrics`.
        console: serves `/console/...`.
    """
    app = web.Application(client_max_size=max_body_bytes, middlewares=[_as_envelope])

    async def ocpi(request: web.Request) -> web.Response:
        return _for_library(await server.handle(request))

    async def healthz(_: web.Request) -> web.Response:
        return _probe("ok", 200)

    async def readyz(_: web.Request) -> web.Response:
        reason = await ready()
        return _probe(reason or "ready", 503 if reason else 200)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app[OCPI] = server.handle
    if console is not None:
        app.add_subapp("/console", console)
    # `.` stands for no line break, and even a path with one gets its answer from us.
    app.router.add_route("*", r"/admin/{path:[\s\S]*}", admin, expect_handler=_continue_if_expected)
    app.router.add_route("*", r"/{path:[\s\S]*}", ocpi, expect_handler=_continue_if_expected)
    return app
