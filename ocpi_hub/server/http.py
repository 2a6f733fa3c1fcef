"""The HTTP server below the application: what is no valid HTTP also gets an envelope.

The library answers such requests itself, in plain text, and logs the offending line, which may be
an Authorization header. Both are replaced here. Spec: 2.2.1 transport_and_format_response_format.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from ocpi_hub.clock import Clock
from ocpi_hub.errors import ServerFault
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.envelope import envelope
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.server.front import Front, Fronts, Serve
from ocpi_hub.server.slow_readers import WriteWatch
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MAX_HEADER_BYTES = 16_384
"""Bytes of the request line and of each header field."""
MAX_HEADERS = 100
LINGER_S = 2.0
"""Seconds for which the rest of a refused body is read, so that the client sees the answer."""

_UNREADABLE = (
    "This is no HTTP request that the hub can read: it breaks the rules of HTTP/1.1,"
    " or its URL or headers are too long"
)


OCPI: web.AppKey[Serve] = web.AppKey("ocpi")
"""What serves partners' plain requests, past the application's router."""


class _Connection(web.RequestHandler):
    """One connection of a client, read by the library."""

    __slots__ = ("_watch", "_within_s")

    def __init__(self, manager: web.Server, *, within_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._within_s = within_s
        self._watch: WriteWatch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Whatever the client does not take is watched, however little it is.
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=0)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._watch is not None:
            self._watch.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._break_off()

    def _break_off(self) -> None:
        """No more of a body can be read; the library would let whoever reads it wait on."""
        bodies = [body for _, body in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError("wrongly chunked"))

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.transport is not None:
            self._watch = WriteWatch(self.transport, self._within_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._watch is not None:
            self._watch.end()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request, and close the connection.

        Raises:
            ConnectionError: an answer is already under way.
        """
        if status >= 500:
            log.error("http_server_failed", exc_info=exc)
            code, text = ServerFault.status_code, ServerFault.default_message
        else:
            log.info("http_request_unreadable", cause=type(exc).__name__)
            code, text = StatusCode.CLIENT_ERROR, _UNREADABLE
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is already under way")
        response = web.Response(
            status=status,
            body=envelope(status_code=code, message=text),
            headers={
                **headers.id_headers(headers.message_ids(request.headers)),
                "Server": "ocpi-hub",
            },
            content_type="application/json",
        )
        response.force_close()
        return response

    def log_exception(self, *args: Any, **fields: Any) -> None:
        """A body that breaks off while the rest of it is thrown away is the client's doing."""
        if not isinstance(fields.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **fields)


class _HttpServer(web.Server):
    """Both kinds of connections: plain ones, and those of the library."""

    fronts: Fronts

    def beyond(self) -> web.RequestHandler:
        within_s = self.fronts.read_s
        return _Connection(self, within_s=within_s, loop=self._loop, **self._kwargs)

    def __call__(self) -> web.RequestHandler:
        # To those who listen, any protocol is good.
        return cast(web.RequestHandler, Front(self.fronts))

    def pre_shutdown(self) -> None:
        self.fronts.close_idle()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:
        await asyncio.gather(self.fronts.shutdown(timeout or 0.0), super().shutdown(timeout))


class HubRunner(web.AppRunner):
    """Runs the application on a socket, with this server's limits.

    Args:
        grace_s: seconds that running requests get at the end.
        keep_alive_s: seconds after which an idle connection is closed.
        read_s: seconds within which a request has to arrive, and some of an answer has to be taken.
    """

    def __init__(
        self,
        app: web.Application,
        clock: Clock,
        *,
        grace_s: float,
        keep_alive_s: float,
        read_s: float,
    ) -> None:
        options: dict[str, Any] = {
            "access_log": None,
            "keepalive_timeout": keep_alive_s,
            "max_line_size": MAX_HEADER_BYTES,
            "max_field_size": MAX_HEADER_BYTES,
            "max_headers": MAX_HEADERS,
            "auto_decompress": False,
            "lingering_time": LINGER_S,
        }
        super().__init__(app, handle_signals=False, shutdown_timeout=grace_s, **options)
        self._clock = clock
        self._keep_alive_s = keep_alive_s
        self._read_s = read_s

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _HttpServer(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **self._kwargs,
        )
        server.fronts = Fronts(
            self.app[OCPI],
            server.beyond,
            self._clock,
            keep_alive_s=self._keep_alive_s,
            read_s=self._read_s,
        )
        return server
