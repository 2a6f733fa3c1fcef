"""Reading a partner's answer: decompressed, still capped, and in plain values."""

from __future__ import annotations

import zlib

from ocpi_hub.delivery.connection import CallBroken, RawAnswer, TooLarge
from ocpi_hub.domain.exchange import Answer

# 32 more than the largest window: zlib or gzip, told apart by their headers.
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity"})
_OF_ENCODED_BODY = frozenset({"content-encoding", "content-length"})


def read_answer(raw: RawAnswer, *, max_bytes: int) -> Answer:
    """The answer for those who asked.

    Partners that compress unasked are read all the same: an answer thrown away is an outcome
    unknown.

    Raises:
        TooLarge: larger than `max_bytes`, compressed or not.
        CallBroken: wrongly encoded.
    """
    if len(raw.body) > max_bytes:
        raise TooLarge(max_bytes)
    encoding = raw.headers.get("content-encoding")
    if encoding is None or (encoding := encoding.strip().lower()) in _PLAIN:
        return Answer(raw.status, raw.headers, raw.body)
    if encoding not in _COMPRESSED:
        raise CallBroken("the answer has a Content-Encoding that was not asked for")
    # They describe what travelled, not the body that is handed on.
    headers = {name: text for name, text in raw.headers.items() if name not in _OF_ENCODED_BODY}
    return Answer(raw.status, headers, _inflated(raw.body, max_bytes) if raw.body else b"")


def _inflated(body: bytes, max_bytes: int) -> bytes:
    inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        plain = inflate.decompress(body, max_bytes + 1)
    except zlib.error:
        raise CallBroken("the answer cannot be decompressed") from None
    if len(plain) > max_bytes:
        raise TooLarge(max_bytes)
    if not inflate.eof or inflate.unused_data:
        raise CallBroken("the answer cannot be decompressed")
    return plain
