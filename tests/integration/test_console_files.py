"""Files of the console: slow readers, logouts and faults in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestServer

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console import files
from ocpi_hub.console.files import MADE_AT_ONCE, MOST_OF_ACCOUNT, Files
from ocpi_hub.console.visit import Visit
from ocpi_hub.errors import Overloaded, StoreUnavailable

LARGE = "x" * 1_000_000


class _Visitor:
    """As much of a visit as is looked at."""

    def __init__(self, account: str) -> None:
        self.session = Secret(account)
        self.viewer = cast("Viewer", self)
        self.account_id = account


@asynccontextmanager
async def serving(
    chunks: Callable[[], AsyncIterator[str]],
    is_open: Callable[[Secret], Awaitable[bool]] | None = None,
) -> AsyncIterator[TestServer]:
    async def always(_: Secret) -> bool:
        return True

    sender = Files(is_open or always)

    async def handle(request: web.Request) -> web.StreamResponse:
        visit = cast("Visit", _Visitor(request.query.get("account", "anna")))
        try:
            return await sender.send(request, visit, web.StreamResponse(), chunks())
        except Overloaded:
            return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/", handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield server
    finally:
        await server.close()


async def endless() -> AsyncIterator[str]:
    while True:
        yield LARGE


async def short() -> AsyncIterator[str]:
    yield "a,b\n"


async def _hold(server: TestServer, account: str) -> asyncio.StreamWriter:
    """Ask for a file, and take only its beginning."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(f"GET /?account={account} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n")
    return writer


async def test_slow_readers_keep_nobody_from_a_file() -> None:
    held: list[asyncio.StreamWriter] = []

    async def either() -> AsyncIterator[str]:
        async for chunk in endless() if len(held) < MADE_AT_ONCE + 1 else short():
            yield chunk

    async with serving(either) as server, ClientSession() as client, asyncio.timeout(20):
        for number in range(MADE_AT_ONCE + 1):
            held.append(await _hold(server, f"slow {number}"))
        async with client.get(server.make_url("/")) as answer:
            assert await answer.text() == "a,b\n"
        for writer in held:
            writer.close()


async def test_an_account_gets_so_many_files_and_those_who_do_not_read_are_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(endless) as server, ClientSession() as client, asyncio.timeout(20):
        held = [await _hold(server, "anna") for _ in range(MOST_OF_ACCOUNT)]
        async with client.get(server.make_url("/")) as answer:
            assert answer.status == 503
        for writer in held:
            writer.close()
    monkeypatch.setattr(files, "WRITE_S", 0.05)
    ended = asyncio.Event()

    async def watched() -> AsyncIterator[str]:
        try:
            while True:
                yield LARGE
        finally:
            ended.set()

    async with serving(watched) as server, asyncio.timeout(20):
        writer = await _hold(server, "anna")
        await ended.wait()
        writer.close()


@pytest.mark.parametrize("fault", ["database", "logout"])
async def test_what_breaks_off_does_not_look_complete(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOOK_S", 0.0)
    asked = 0

    async def is_open(_: Secret) -> bool:
        nonlocal asked
        asked += 1
        return fault != "logout" or asked < 2

    async def breaking() -> AsyncIterator[str]:
        yield "a,b\n"
        if fault == "database":
            raise StoreUnavailable("gone")
        yield "c,d\n"

    async with serving(breaking, is_open) as server, ClientSession() as client:
        with pytest.raises(ClientError):
            async with client.get(server.make_url("/")) as answer:
                assert "c,d" not in await answer.text()
