"""Reading a partner's answer: capped, also after decompression, and in plain values."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import aiohttp

from ocpi_hub.domain.exchange import Answer

# 32 more than the largest window: zlib or gzip, told apart by their headers.
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity"})
_OF_ENCODED_BODY = frozenset({"content-encoding", "content-length"})


class UnusableAnswer(Exception):
    """The partner answered, but not with something that can be used; the text is the reason."""


async def read_answer(response: aiohttp.ClientResponse, *, max_bytes: int) -> Answer:
    """Read an answer whose header has arrived. On failure its connection is closed.

    Raises:
        UnusableAnswer: larger than `max_bytes`, wrongly encoded, or no final answer.
        aiohttp.ClientError: the connection broke.
    """
    try:
        if not 200 <= response.status <= 599:
            raise UnusableAnswer(f"the answer has HTTP status {response.status}")
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        body = await _read_body(response, encoding, max_bytes)
    except BaseException:
        # The rest of the answer must not arrive as the beginning of the next one.
        response.close()
        raise
    headers = plain_headers(response.headers)
    if encoding in _COMPRESSED:
        # They describe what travelled, not the body that is handed on.
        headers = {name: text for name, text in headers.items() if name not in _OF_ENCODED_BODY}
    return Answer(response.status, headers, body)


async def _read_body(response: aiohttp.ClientResponse, encoding: str, max_bytes: int) -> bytes:
    if encoding not in _PLAIN | _COMPRESSED:
        raise UnusableAnswer("the answer has a Content-Encoding that was not asked for")
    if (response.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    inflate = _Inflate(max_bytes) if encoding in _COMPRESSED else None
    chunks: list[bytes] = []
    size = 0
    while received := await response.content.readany():
        chunk = received if inflate is None else inflate.feed(received, max_bytes - size)
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    if inflate is not None and size:
        inflate.finish()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Inflate:
    """Decompresses for partners that compress unasked, never far beyond what may be kept."""

    def __init__(self, max_bytes: int) -> None:
        self._inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
        self._max_bytes = max_bytes

    def feed(self, data: bytes, room: int) -> bytes:
        """At most one byte more than `room`, which tells that there is too much."""
        try:
            return self._inflate.decompress(data, room + 1)
        except zlib.error:
            raise UnusableAnswer("the answer cannot be decompressed") from None

    def finish(self) -> None:
        if not self._inflate.eof or self._inflate.unused_data:
            raise UnusableAnswer("the answer cannot be decompressed")


def _too_large(max_bytes: int) -> UnusableAnswer:
    return UnusableAnswer(f"answer larger than {max_bytes} bytes")


def plain_headers(received: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names; the values of repeated headers joined by commas (RFC 9110 5.3)."""
    headers: dict[str, str] = {}
    for name, value in received.items():
        key = name.lower()
        text = value if value.isascii() else _utf8(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _utf8(value: str) -> str:
    """Bytes that are no UTF-8 arrive as lone surrogates, which no JSON or database takes."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
