"""`ocpi-hub ready`, against whatever answers where the hub listens."""

from __future__ import annotations

import argparse
import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ocpi_hub.cli.ready import run_ready
from ocpi_hub.errors import OperatorError
from tests.support.pki import make_certificate, write_pair
from tests.support.postgres import make_settings


@asynccontextmanager
async def answering(
    status: str, text: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /readyz ")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        writer.write((head + text).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, **overrides: object) -> str:
    return await run_ready(argparse.Namespace(), make_settings(port=port, **overrides))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - nothing is bound
async def test_a_hub_that_can_serve_is_ready(host: str) -> None:
    async with answering("200 OK", "ready\n") as port:
        assert await ask(port, host=host) == "ready"


async def test_a_hub_with_tls_is_asked_over_tls(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "hub", make_certificate("hub.example", None))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with answering("200 OK", "ready\n", context) as port:
        told = await ask(port, tls_certificate_file=str(certificate), tls_key_file=str(key))
    assert told == "ready"


async def test_the_reason_is_told_when_it_cannot_serve() -> None:
    async with answering("503 Service Unavailable", "the database is away\n") as port:
        with pytest.raises(OperatorError, match="503: the database is away"):
            await ask(port)


async def test_no_hub_is_not_ready() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(OperatorError, match="no hub answers"):
            await ask(nobody.getsockname()[1])
