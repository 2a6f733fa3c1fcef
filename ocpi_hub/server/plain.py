"""Plain HTTP requests: read from bytes and answered with bytes, without a web framework.

Most of what partners send is a small request on a kept connection, with all of its head and body at
hand. That is read here. Whatever is unusual (no HTTP/1.1, chunked, `Expect`, `Upgrade`, a path that
is not OCPI's, too large, broken) is `None` here and goes, untouched, to the library that knows all
of HTTP (`server/front.py`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

import httptools
from multidict import CIMultiDict, CIMultiDictProxy, istr

from ocpi_hub.domain.value import value

MAX_HEAD_BYTES = 16_384
"""Bytes of a plain request's head."""
MAX_BODY_BYTES = 65_536
"""Bytes of a plain request's body."""
MAX_HEADERS = 100

_LENGTH_DIGITS = 10
_PATH = b"/ocpi/"
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE")}
_UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade", b"trailer", b"te"})
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class HttpRequest(Protocol):
    """A request, whoever has read it.

    `complete` is the body when all of it is at hand; else `read` waits for it.
    """

    @property
    def method(self) -> str: ...

    @property
    def raw_path(self) -> str: ...

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def transport(self) -> asyncio.BaseTransport | None: ...

    async def read(self) -> bytes: ...


@value
class PlainRequest:
    """A plain request, complete."""

    method: str
    raw_path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    transport: asyncio.BaseTransport | None

    async def read(self) -> bytes:
        return self.body


@value
class PlainResponse:
    """An answer. `body` is JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def as_bytes(self, date: str, *, keep_alive: bool) -> bytes:
        """What goes over the wire, with this `Date`."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        close = "" if keep_alive or "Connection" in self.headers else "Connection: close\r\n"
        return (
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}\r\n{lines}{close}"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\nDate: {date}\r\n\r\n"
        ).encode("utf-8", "surrogateescape") + self.body


@functools.lru_cache(maxsize=128)
def _header_name(name: bytes) -> istr:
    """The same few names come with every request.

    Raises:
        ValueError: of a header that no plain request has.
    """
    if name.lower() in _UNUSUAL:
        raise ValueError
    return istr(name.decode("latin-1"))


@dataclass(slots=True)
class Head:
    """The head of a plain request. Its parser's callbacks fill it.

    Attributes:
        size: bytes of the head.
        length: bytes of the body.
    """

    size: int
    method: str = ""
    raw_path: str = ""
    length: int = 0
    keep_alive: bool = True
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    parser: httptools.HttpRequestParser | None = None

    def on_headers_complete(self) -> None:
        if self.parser is not None:  # who forgets at the end of a message
            self.keep_alive = self.parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        if self.raw_path or not url.startswith(_PATH):
            raise ValueError
        self.raw_path = url.decode("utf-8", "surrogateescape")

    def on_header(self, name: bytes, value: bytes) -> None:
        # To name how errors are treated doubles the price, and most values need none.
        text = value.decode() if value.isascii() else value.decode("utf-8", "surrogateescape")
        self.headers.add(_header_name(name), text)

    def request(self, body: bytes, transport: asyncio.BaseTransport | None) -> PlainRequest:
        return PlainRequest(
            self.method, self.raw_path, CIMultiDictProxy(self.headers), body, transport
        )


def read_head(head: bytes) -> Head | None:
    """The head of a request; None when it is not plain.

    Args:
        head: all of it, up to and including the empty line.
    """
    read = Head(len(head))
    parser = read.parser = httptools.HttpRequestParser(read)
    try:
        parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    method = _METHODS.get(parser.get_method())
    if method is None or not read.raw_path or parser.get_http_version() != "1.1":
        return None
    if len(read.headers) > MAX_HEADERS:
        return None
    length = read.headers.get("Content-Length", "0")
    if not length.isdecimal() or len(length) > _LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
        return None
    read.method, read.length, read.parser = method, int(length), None
    return read
