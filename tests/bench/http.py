"""One request after the other over a kept connection, for what is not under load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Line:
    """A connection to a server of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """HTTP status, headers by lower-case name, body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers, body

    async def get_done(self, request: bytes) -> tuple[dict[str, str], bytes]:
        """Headers and body of an answer.

        Raises:
            AssertionError: HTTP status or OCPI status code tell no success.
        """
        status, headers, body = await self.ask(request)
        if status not in (200, 201) or b'"status_code":1000' not in body.replace(b" ", b""):
            raise AssertionError(f"answered {status}: {body[:500]!r}")
        return headers, body


@asynccontextmanager
async def line(port: int) -> AsyncIterator[Line]:
    """Connect to a port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
