"""Clients that do not read what they asked for, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ocpi_hub.clock import SystemClock
from ocpi_hub.server.http import OCPI, HubRunner
from ocpi_hub.server.plain import HttpRequest, PlainResponse
from ocpi_hub.server.slow_readers import LEAST_BYTES, WriteWatch
from tests.support.waiting import eventually

LARGE = 16 * 1024 * 1024
"""More than the buffers of both ends hold."""
PLAIN = b"GET /ocpi/x HTTP/1.1\r\nHost: hub\r\n\r\n"
UNUSUAL = b"GET /ocpi/x HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@asynccontextmanager
async def server(*, within_s: float, size: int = LARGE) -> AsyncIterator[HubRunner]:
    async def serve(_request: HttpRequest) -> PlainResponse:
        return PlainResponse(200, {}, b"x" * size)

    async def library(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * size)

    app = web.Application()
    app[OCPI] = serve
    app.router.add_route("*", r"/{path:.*}", library)
    runner = HubRunner(app, SystemClock(), grace_s=5, keep_alive_s=60, read_s=within_s)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner
    finally:
        await runner.cleanup()


def connect(runner: HubRunner) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", runner.addresses[0][1]))
    client.setblocking(False)
    return client


def connections(runner: HubRunner) -> int:
    served = runner.server
    assert served is not None
    return len(served.connections) + len(served.fronts)  # type: ignore[attr-defined]  # ours


@pytest.mark.parametrize("request_bytes", [PLAIN, UNUSUAL], ids=["plain", "unusual"])
async def test_a_client_that_never_reads_is_cut_off(request_bytes: bytes) -> None:
    async with server(within_s=0.2) as runner:
        loop, client = asyncio.get_running_loop(), connect(runner)
        with client:
            await loop.sock_sendall(client, request_bytes)

            async def is_cut() -> bool:
                return connections(runner) == 0

            async def is_served() -> bool:
                return connections(runner) == 1

            await eventually(is_served, "it is connected")
            await eventually(is_cut, "it is cut off")
            received = 0
            with contextlib.suppress(ConnectionResetError):  # after what was on its way
                while piece := await loop.sock_recv(client, 1 << 20):
                    received += len(piece)
            assert received < LARGE


@pytest.mark.parametrize("request_bytes", [PLAIN, UNUSUAL], ids=["plain", "unusual"])
async def test_a_client_that_reads_slowly_gets_its_whole_answer(request_bytes: bytes) -> None:
    async with server(within_s=1.0) as runner:
        loop, client = asyncio.get_running_loop(), connect(runner)
        with client:
            await loop.sock_sendall(client, request_bytes)
            received = 0
            while received < LARGE:
                received += len(await loop.sock_recv(client, LEAST_BYTES * 4))
                await asyncio.sleep(0)


class _Transport(asyncio.Transport):
    """One whose client takes as much as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.left = LARGE
        self.looks = 0
        self.takes = 0
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        self.left -= self.takes
        return self.left

    def abort(self) -> None:
        self.aborted.set()


async def test_who_takes_next_to_nothing_is_cut_off_too() -> None:
    transport = _Transport()
    transport.takes = LEAST_BYTES - 1
    WriteWatch(transport, 0.001)
    await asyncio.wait_for(transport.aborted.wait(), 10)
    assert transport.looks == 2


async def test_who_takes_enough_each_time_is_left_alone_until_the_end() -> None:
    transport = _Transport()
    transport.takes = LEAST_BYTES
    watch = WriteWatch(transport, 0.001)

    async def looked_often() -> bool:
        return transport.looks > 5

    await eventually(looked_often, "it was looked after")
    watch.end()
    looks = transport.looks
    await asyncio.sleep(0.01)
    assert (transport.looks, transport.aborted.is_set()) == (looks, False)
