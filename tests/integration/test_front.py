"""The server's front against real sockets: plain requests, and the way to the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from ocpi_hub.clock import SystemClock
from ocpi_hub.server.front import BUFFER_BYTES, Front, Fronts
from ocpi_hub.server.http import OCPI, HubRunner
from ocpi_hub.server.plain import HttpRequest, PlainRequest, PlainResponse

HEAD = b"PUT /ocpi/2.2.1/x?y=%20z HTTP/1.1\r\nHost: hub\r\nX-Id: a\r\nContent-Length: 5\r\n"
REQUEST = HEAD + b"\r\nhello"
CLOSING = HEAD + b"Connection: close\r\n\r\nhello"


@dataclass
class Hub:
    """A server in test.

    Attributes:
        plain: whether each request was read by the front.
        held: requests wait for it.
    """

    port: int = 0
    plain: list[bool] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    runner: HubRunner | None = None

    async def serve(self, request: HttpRequest) -> PlainResponse:
        self.plain.append(isinstance(request, PlainRequest))
        await self.held.wait()
        body = await request.read()
        seen = f"{request.method} {request.raw_path} {request.headers.get('x-id')} "
        return PlainResponse(200, {"X-Seen": "yes"}, seen.encode() + body)

    async def talk(self, *pieces: bytes) -> bytes:
        """Send pieces one after the other and read until the hub closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


@asynccontextmanager
async def running(*, keep_alive_s: float = 30.0, read_s: float = 10.0) -> AsyncIterator[Hub]:
    hub = Hub()
    hub.held.set()

    async def library(request: web.Request) -> web.Response:
        answer = await hub.serve(request)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    app = web.Application()
    app[OCPI] = hub.serve
    app.router.add_route("*", r"/{path:.*}", library)
    runner = HubRunner(app, SystemClock(), grace_s=5, keep_alive_s=keep_alive_s, read_s=read_s)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hub.port = runner.addresses[0][1]
    hub.runner = runner
    try:
        yield hub
    finally:
        hub.held.set()
        await runner.cleanup()


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers that came over one connection."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        assert head.partition(b"\r\n")[0] in (b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        found.append(rest[:length])
        answers = rest[length:]
    return found


SEEN = b"PUT /ocpi/2.2.1/x?y=%20z a hello"


async def test_requests_are_served_one_after_the_other_over_one_connection() -> None:
    async with running() as hub:
        answers = await hub.talk(REQUEST, REQUEST + REQUEST, CLOSING)
    assert bodies(answers) == [SEEN] * 4
    assert hub.plain == [True] * 4


async def test_a_request_may_come_in_any_pieces() -> None:
    async with running() as hub:
        whole = REQUEST + CLOSING
        for cut in range(1, len(whole), 3):
            assert bodies(await hub.talk(whole[:cut], whole[cut:])) == [SEEN] * 2
    assert all(hub.plain)


@pytest.mark.parametrize(
    ("unusual", "body"),
    [
        (HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\nhello", SEEN),
        (
            HEAD.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")
            + b"Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            SEEN,
        ),
        (CLOSING.replace(b"/ocpi/", b"/other/"), SEEN.replace(b"/ocpi/", b"/other/")),
        (CLOSING.replace(b"PUT", b"PURGE"), SEEN.replace(b"PUT", b"PURGE")),
        (
            CLOSING.replace(b": 5", b": 70000").replace(b"hello", b"h" * 70_000),
            SEEN.replace(b"hello", b"h" * 70_000),
        ),
        (CLOSING.replace(b": 5", b": " + b"0" * 5000 + b"5"), SEEN),
    ],
    ids=["1.0", "chunked", "another path", "another method", "large", "length with zeros"],
)
async def test_what_is_unusual_is_read_by_the_library_together_with_what_follows(
    unusual: bytes, body: bytes
) -> None:
    async with running() as hub:
        answers = await hub.talk(REQUEST + unusual)
    assert bodies(answers) == [SEEN, body]
    assert hub.plain == [True, False]


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PUT /ocpi/x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"PUT /ocpi/x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"PUT /ocpi/x HTTP/1.1\nHost: x\n\n",
        b"PUT /ocpi/x HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
    ids=["TLS", "two lengths", "length and chunks", "bare line feeds", "long header"],
)
async def test_what_breaks_the_rules_is_refused_and_serves_nothing(broken: bytes) -> None:
    async with running() as hub:
        answer = await hub.talk(broken)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert hub.plain == []


async def test_an_idle_connection_is_closed_and_half_a_head_too() -> None:
    async with running(keep_alive_s=0.1, read_s=0.1) as hub:
        assert bodies(await hub.talk(REQUEST)) == [SEEN]
        assert await hub.talk(b"") == b""
        assert await hub.talk(HEAD) == b""


async def test_a_body_that_does_not_come_is_the_librarys() -> None:
    async with running(read_s=0.1) as hub:
        talking = asyncio.ensure_future(hub.talk(HEAD + b"Connection: close\r\n\r\nhel"))
        while not hub.plain:  # noqa: ASYNC110 - the handler has begun
            await asyncio.sleep(0.01)
        assert hub.plain == [False]
        talking.cancel()
        await asyncio.wait({talking})


async def test_what_is_being_served_ends_before_the_server_does() -> None:
    async with running() as hub:
        hub.held.clear()
        talking = asyncio.ensure_future(hub.talk(REQUEST))
        idle_reader, idle = await asyncio.open_connection("127.0.0.1", hub.port)
        while not hub.plain:  # noqa: ASYNC110 - the request has arrived
            await asyncio.sleep(0)
        assert hub.runner is not None
        stopping = asyncio.ensure_future(hub.runner.cleanup())
        assert await idle_reader.read() == b""
        idle.close()
        hub.held.set()
        assert bodies(await talking) == [SEEN]
        await stopping


class _Floods(asyncio.Transport):
    """A connection on which a client sends whenever somebody reads, and leaves no answer out."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        return

    def write(self, data: bytes | bytearray | memoryview) -> None:
        return


async def test_a_flood_of_requests_waits_at_the_client() -> None:
    served = 0

    async def serve(_: PlainRequest) -> PlainResponse:
        nonlocal served
        served += 1
        return PlainResponse(200, {}, b"")

    fronts = Fronts(serve, asyncio.Protocol, SystemClock(), keep_alive_s=30, read_s=30)
    front, floods = Front(fronts), _Floods()
    front.connection_made(floods)
    piece = REQUEST * 1000
    sent = 0
    try:
        while served < 3000:
            if floods.reading:
                front.data_received(piece)
                sent += len(piece)
            assert sent - served * len(REQUEST) <= BUFFER_BYTES + len(piece)
            await asyncio.sleep(0)
    finally:
        await fronts.shutdown(20)


async def test_what_is_served_for_a_client_that_left_ends_before_the_server_does() -> None:
    async with running() as hub:
        hub.held.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(REQUEST)
        while not hub.plain:  # noqa: ASYNC110 - a count, not an event
            await asyncio.sleep(0)
        writer.transport.abort()
        assert hub.runner is not None
        assert hub.runner.server is not None
        fronts = hub.runner.server.fronts  # type: ignore[attr-defined]  # of this server
        [front] = fronts._connections
        task = front.task
        while not front._transport.is_closing():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        stopping = asyncio.create_task(hub.runner.cleanup())
        done, _ = await asyncio.wait({stopping}, timeout=0.3)
        assert not done
        hub.held.set()
        await stopping
        assert task.done()


async def test_a_client_that_leaves_harms_nobody() -> None:
    async with running() as hub:
        hub.held.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(REQUEST * 3)
        while not hub.plain:  # noqa: ASYNC110 - the request has arrived
            await asyncio.sleep(0)
        writer.transport.abort()
        hub.held.set()
        assert bodies(await hub.talk(CLOSING)) == [SEEN]
