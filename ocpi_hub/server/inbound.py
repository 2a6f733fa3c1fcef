"""From an HTTP request to a `Message`: path, credentials, routing headers, body.

The order is deliberate: nothing of the body is read before the caller is known.
Spec: 2.2.1 transport_and_format_authorization_header, transport_and_format_message_routing.
"""

from __future__ import annotations

import asyncio
import functools
import re
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web

from ocpi_hub.directory.snapshot import CredentialsKind, Directory, IssuedCredentials
from ocpi_hub.domain.message import Message, MessageIds
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    Platform,
    PlatformState,
)
from ocpi_hub.domain.value import value
from ocpi_hub.errors import (
    BodyTooLarge,
    HubRoutingError,
    InvalidRequest,
    MalformedJson,
    NotFound,
    NotPermitted,
    Overloaded,
    Unauthenticated,
)
from ocpi_hub.ocpi import headers
from ocpi_hub.server.plain import HttpRequest

MAX_PARAMETERS = 50
"""Query parameters of a request."""
MOST_CALLERS = 10_000
"""Headers whose caller is remembered."""
REMEMBERED = 500
"""Characters: what is longer, anybody may have made up to fill the memory."""

ROLES = {role.value.lower(): role for role in InterfaceRole}
"""By their names in paths."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_CLOSE = {"Connection": "close"}
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
# 32 more than the largest window: zlib or gzip, told apart by their headers.
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS


@value
class Target:
    """A request target, taken apart: decoded path segments and query, and the query as it came."""

    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    raw_query: str = ""


@value
class Caller:
    """Who calls: the platform, the credentials it presented, and the directory that said so."""

    platform: Platform
    issued: IssuedCredentials
    presented: CredentialsToken
    directory: Directory


@value
class Inbound:
    """A message with what its handler needs besides it.

    Attributes:
        received_at: monotonic seconds when the request's head arrived; budgets count from there.
    """

    message: Message
    directory: Directory
    received_at: float


def read_target(raw_path: str) -> Target:
    """Split before decoding, so that ids may hold `/` (TF-39). A trailing slash means nothing.

    Raises:
        InvalidRequest: control characters, or bytes that are not UTF-8.
        NotFound: an empty segment within the path.
    """
    parts = urlsplit(raw_path) if not raw_path.startswith("/") else None
    path, _, query = (
        (parts.path, "", parts.query) if parts else raw_path.partition("#")[0].partition("?")
    )
    segments = tuple(path.strip("/").split("/"))
    try:
        if "%" in path:
            segments = tuple([unquote(segment, errors="strict") for segment in segments])
        pairs = (_parameters if len(query) <= REMEMBERED else _read_parameters)(query)
        # Bytes that were not percent-encoded arrive as lone surrogates when they are not UTF-8.
        raw_path.encode()
    except ValueError:
        raise InvalidRequest("The URL is not valid percent-encoded UTF-8") from None
    joined = "".join(segments)
    if not joined.isprintable() and _CONTROL.search(joined):
        raise InvalidRequest("The URL contains control characters")
    if "" in segments:
        if len(segments) == 1:
            raise NotFound("This is an OCPI hub: its versions are at /ocpi/versions")
        raise NotFound("There is no such path: it has an empty segment")
    if "." in segments or ".." in segments:
        # On the onward leg they would change the partner's path, however they are encoded.
        raise InvalidRequest("The URL has a path segment `.` or `..`, which cannot be an id")
    return Target(segments, pairs, query)


def _read_parameters(query: str) -> tuple[tuple[str, str], ...]:
    if not query:
        return ()
    if query.count("&") >= MAX_PARAMETERS:
        raise InvalidRequest(f"The URL has more than {MAX_PARAMETERS} query parameters")
    pairs = tuple(parse_qsl(query, keep_blank_values=True, errors="strict"))
    if _CONTROL.search("".join([part for pair in pairs for part in pair])):
        raise InvalidRequest("The URL contains control characters")
    return pairs


_parameters = functools.lru_cache(maxsize=1024)(_read_parameters)


def read_authorization(request: HttpRequest) -> str | None:
    """The Authorization header.

    Raises:
        Unauthenticated: there are several that differ, so somebody on the way may read another.
    """
    values = request.headers.getall(headers.AUTHORIZATION, ())
    if len(values) > 1 and len(set(values)) > 1:
        raise Unauthenticated(
            "Send one Authorization header", headers={"WWW-Authenticate": "Token"}
        )
    return values[0] if values else None


class Authenticator:
    """Turns an Authorization header into a caller.

    Args:
        directory: gives the current snapshot.
        look_up: asks the database for a digest the snapshot lacks; None when it is unknown.
        now: wall clock, for expiry.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        look_up: Callable[[CredentialsToken], Awaitable[Directory | None]],
        now: Callable[[], datetime],
    ) -> None:
        self._directory = directory
        self._look_up = look_up
        self._now = now
        self._accepted: dict[str | None, Caller] = {}
        self._accepted_in: Directory | None = None

    def known(self, header: str | None) -> Caller | None:
        """The platform behind an Authorization header that was accepted before, in the directory
        as it is; whose credentials never end, and which is not suspended."""
        return self._accepted.get(header) if self._directory() is self._accepted_in else None

    async def caller(self, header: str | None) -> Caller:
        """The platform behind an Authorization header.

        Raises:
            Unauthenticated: no usable header, or credentials nobody holds (TF-06).
            NotPermitted: the platform is suspended.
        """
        candidates = (_presented if len(header or "") <= REMEMBERED else _read_presented)(header)
        if not candidates:
            raise Unauthenticated(
                "Send `Authorization: Token <Base64 of the credentials token>`",
                headers={"WWW-Authenticate": "Token"},
            )
        directory: Directory | None = self._directory()
        for presented, digest in candidates:
            if caller := self._known(presented, digest, directory):
                return self._accept(header, _permitted(caller))
        for presented, digest in candidates:
            directory = await self._look_up(presented)
            if caller := self._known(presented, digest, directory):
                return _permitted(caller)
        raise Unauthenticated(
            "Unknown credentials token: that of an invitation works for one registration, and for"
            " some days only",
            headers={"WWW-Authenticate": "Token"},
        )

    def _accept(self, header: str | None, caller: Caller) -> Caller:
        if caller.directory is not self._accepted_in or len(self._accepted) >= MOST_CALLERS:
            self._accepted_in, self._accepted = caller.directory, {}
        if caller.issued.expires_at is None and len(header or "") <= REMEMBERED:
            self._accepted[header] = caller
        return caller

    def _known(
        self, presented: CredentialsToken, digest: bytes, directory: Directory | None
    ) -> Caller | None:
        if directory is None:
            return None
        issued = directory.credentials.get(digest)
        if issued is None or (issued.expires_at is not None and issued.expires_at <= self._now()):
            return None
        platform = directory.platforms.get(issued.platform_id)
        return Caller(platform, issued, presented, directory) if platform else None


def _read_presented(header: str | None) -> tuple[tuple[CredentialsToken, bytes], ...]:
    """What a header may stand for, each with its digest."""
    candidates = map(CredentialsToken, headers.token_candidates(header))
    return tuple([(candidate, candidate.sha256) for candidate in candidates])


_presented = functools.lru_cache(maxsize=1024)(_read_presented)


def _permitted(caller: Caller) -> Caller:
    if caller.platform.state is PlatformState.SUSPENDED:
        raise NotPermitted("This platform is suspended on this hub: ask the hub's operator")
    return caller


def read_message(
    request: HttpRequest,
    target: Target,
    caller: Caller,
    ids: MessageIds,
    body: bytes,
) -> Message:
    """A message on a functional module: `/ocpi/{version}/{sender|receiver}/{module}/...`.

    Raises:
        Unauthenticated: registration credentials open no functional module (TF-07).
        InvalidRequest: half, missing or repeated routing headers (RT-04).
        NotPermitted: FROM is not a party of this platform (RT-03).
        HubRoutingError: another hub sends on what it has from this one.
    """
    if caller.issued.kind is not CredentialsKind.ACCESS:
        raise Unauthenticated("A registration token opens credentials and versions only")
    given = [_once(request, name) for name in headers.ROUTING]
    is_short = sum(map(len, given)) <= REMEMBERED
    sender, to = (headers.routing if is_short else headers.read_routing)(*given)
    segments = target.segments
    return Message(
        caller.platform,
        _sender(sender, caller),
        to,
        OcpiVersion(segments[1]),
        segments[3],
        ROLES[segments[2]],
        request.method,
        segments[4:],
        target.query,
        body,
        ids,
        target.raw_query,
    )


def _once(request: HttpRequest, name: str) -> str:
    """The value of a header that must not contradict itself by coming twice; "" without one."""
    values = request.headers.getall(name, None)
    if values is None:
        return ""
    if len(values) > 1 and len(set(values)) > 1:
        raise InvalidRequest(f"The header {name} comes twice, with different values")
    return values[0]


def _sender(sender: PartyId | None, caller: Caller) -> PartyId:
    """The party that sends; who has only one need not say which (`sender`)."""
    for held in caller.platform.roles:
        if held.party == sender and held.active:
            return held.party
    if sender is None:
        own = sorted({held.party for held in caller.platform.roles if held.active})
        if len(own) == 1:
            return own[0]
        raise InvalidRequest(
            f"{headers.FROM_COUNTRY} and {headers.FROM_PARTY} are needed:"
            f" this platform has {len(own)} parties"
        )
    if _is_looping(sender, caller):
        raise HubRoutingError(
            f"A loop: {sender} is connected to this hub itself, so its messages do not come"
            " from another hub"
        )
    raise NotPermitted(f"{sender} is not a party of this platform")


def _is_looping(sender: PartyId, caller: Caller) -> bool:
    """Whether another hub sends on what has been here before (RT-43)."""
    if not caller.platform.is_hub:
        return False
    host = caller.directory.platform_of(sender)
    known_elsewhere = host is not None and host is not caller.platform
    return known_elsewhere or sender == caller.directory.hub


async def read_body(request: HttpRequest, *, timeout_s: float, max_bytes: int) -> bytes:
    """The body, decompressed.

    Raises:
        BodyTooLarge: longer than allowed, on the wire or decompressed.
        MalformedJson: it broke off, or is not encoded as it says.
        Overloaded: it did not arrive in time; sending it again may help.
    """
    try:
        async with asyncio.timeout(timeout_s):
            # The application limits what travels.
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes") from None
    except TimeoutError:
        raise Overloaded(
            f"The body did not arrive within {timeout_s:g} s: send the request again",
            headers=_CLOSE,
        ) from None
    except (web.RequestPayloadError, web.HTTPException, ConnectionError):
        raise _broken_off() from None
    except RuntimeError:
        if request.transport is not None:
            raise
        # How the library says that the client is gone.
        raise _broken_off() from None
    return decoded(request, body, max_bytes=max_bytes)


def decoded(request: HttpRequest, body: bytes, *, max_bytes: int) -> bytes:
    """The body that has come, decompressed.

    Raises:
        BodyTooLarge, MalformedJson: as `read_body`.
    """
    if len(body) > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes")
    encoding = request.headers.get("Content-Encoding")
    if encoding is None or (encoding := encoding.strip().lower()) in ("", "identity"):
        return body
    return _unpacked(body, encoding, max_bytes)


def _broken_off() -> MalformedJson:
    return MalformedJson("The body broke off or is wrongly chunked", headers=_CLOSE)


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding not in _COMPRESSED:
        raise MalformedJson("The Content-Encoding is none of gzip, deflate, identity")
    inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        unpacked = inflate.decompress(body, max_bytes + 1)
    except zlib.error:
        unpacked = b""
    if len(unpacked) > max_bytes:
        raise BodyTooLarge(f"The decompressed body is larger than {max_bytes} bytes")
    if not inflate.eof or inflate.unused_data:
        raise MalformedJson(f"The body is not {encoding}, as its Content-Encoding says")
    return unpacked
