"""The HTTP library set up for calls to partners: TLS, limits, no resending, how far a call got."""

from __future__ import annotations

import enum
import ssl
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from ocpi_hub.delivery.url_safety import CheckedResolver
from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings

MAX_HEADER_BYTES = 8190
"""Bytes of the status line and of each header of an answer."""

MAX_HEADERS = 100
"""Headers of an answer."""

_DEFAULT_HEADERS = {"User-Agent": "ocpi-hub", "Accept-Encoding": "identity"}


class Stage(enum.Enum):
    QUEUED = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()


@dataclass(slots=True)
class Progress:
    """How far a call got. `kept`: over a connection that served an earlier call."""

    stage: Stage = Stage.QUEUED
    kept: bool = False


class ConnectionLost(aiohttp.ClientError):
    """The connection broke before an answer began."""


def open_session(
    settings: Settings, resolver: CheckedResolver, context: ssl.SSLContext
) -> aiohttp.ClientSession:
    """A session that connects only to what `resolver` lets pass; closing it leaves `resolver`.

    Each request carries a `Progress` as its `trace_request_ctx`.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # Slots limits per receiver; a shared limit would let one starve others.
            keepalive_timeout=settings.keep_alive_s,
            resolver=resolver,
            ssl=context,
        ),
        headers=_DEFAULT_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout_s),
        auto_decompress=False,
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        middlewares=(_never_resend,),
        trace_configs=[_progress_trace()],
    )


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The one TLS context of all outgoing calls.

    Raises:
        ConfigError: a certificate file cannot be used.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if settings.extra_ca_file:
        try:
            context.load_verify_locations(cafile=settings.extra_ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"extra_ca_file cannot be used: {error}") from None
    if settings.client_certificate_file:
        try:
            context.load_cert_chain(
                settings.client_certificate_file,
                settings.client_certificate_key_file,
                password=lambda: "",  # else OpenSSL asks the terminal when the key is encrypted
            )
        except OSError as error:
            raise ConfigError(f"client_certificate_file cannot be used: {error}") from None
    return context


async def _never_resend(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Give a broken connection a name that aiohttp does not answer by sending again."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost from error


def _progress_trace() -> aiohttp.TraceConfig:
    async def created(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _params: aiohttp.TraceConnectionCreateEndParams,
    ) -> None:
        progress: Progress = context.trace_request_ctx
        progress.stage, progress.kept = Stage.CONNECTED, False

    async def reused(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _params: aiohttp.TraceConnectionReuseconnParams,
    ) -> None:
        progress: Progress = context.trace_request_ctx
        progress.stage, progress.kept = Stage.CONNECTED, True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(created)
    trace.on_connection_reuseconn.append(reused)
    return trace
