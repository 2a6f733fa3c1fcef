"""Requests whose body does not end, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

WITHIN_S = 20.0
LAST_CHUNK = b"0\r\n\r\n"


class Unfinished:
    """A request that a hub has taken, and whose body it waits for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def go_on(self, more: bytes) -> None:
        """Send more of the body, as it goes over the wire (chunked)."""
        self._writer.write(more)
        await self._writer.drain()

    async def end(self, body: bytes) -> int:
        """Send this as the rest of the body; the HTTP status of the answer."""
        await self.go_on(b"%x\r\n%s\r\n%s" % (len(body), body, LAST_CHUNK))
        return await self.status()

    async def status(self) -> int:
        """Wait for an answer; its HTTP status."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), WITHIN_S)
        return int(head.split()[1])

    def end_sending(self) -> None:
        """Close half of the connection, within the body."""
        self._writer.write_eof()

    def leave(self) -> None:
        """Close the connection, within the body."""
        self._writer.transport.abort()


@asynccontextmanager
async def unfinished(url: str, authorization: str) -> AsyncIterator[Unfinished]:
    """A PUT to this URL. The hub has let it in, or refused it, when this is entered: it says
    `100 Continue` in the same turn of its event loop.
    """
    parts = urlsplit(url)
    if parts.hostname is None:
        raise AssertionError("it names a host")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        request = Unfinished(reader, writer)
        await request.go_on(
            f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: {authorization}\r\nTransfer-Encoding: chunked\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert await request.status() == 100
        yield request
    finally:
        writer.transport.abort()
