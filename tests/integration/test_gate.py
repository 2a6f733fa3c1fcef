"""What is served at a time, asked of a running server: every way a request ends gives its slot
back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiohttp import web

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.messages import Recorder
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import CredentialsKind, Directory, IssuedCredentials
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import CredentialsToken, OcpiVersion, Platform, RelationMode, Role
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.server import http
from ocpi_hub.server.app import OcpiServer, build_app
from ocpi_hub.server.configuration import ConfigurationHandler
from ocpi_hub.server.http import HubRunner
from ocpi_hub.server.inbound import Authenticator, Inbound
from ocpi_hub.server.limits import Gate
from ocpi_hub.server.replies import ok
from tests.support.factories import EMSP, HUB, make_platform
from tests.support.postgres import make_settings
from tests.support.unfinished import LAST_CHUNK, Unfinished, unfinished
from tests.support.waiting import eventually

SHARE = 3
TOKEN = CredentialsToken("the-token")
MAX_BODY_BYTES = 10_000
PATH = "/ocpi/2.2.1/receiver/tokens/DE/MSP/X"


class _Keeper:
    """Keeps a directory of one platform."""

    processes = 1

    def __init__(self, platform: Platform) -> None:
        self.current = Directory.build(
            version=1,
            hub=HUB,
            default_relation=RelationMode.REALTIME,
            platforms=[platform],
            credentials=[
                IssuedCredentials(
                    TOKEN.sha256, platform.platform_id, CredentialsKind.ACCESS, None, None
                )
            ],
        )

    def fresh(self) -> bool:
        return True

    def note_use(self, issued: IssuedCredentials) -> None:
        """Nothing follows."""

    async def look_up(self, _presented: CredentialsToken) -> None:
        raise AssertionError("the directory knows the only token")


class _Accepting:
    """Serves every version and records nothing."""

    def require_served(self, version: OcpiVersion, platform: Platform) -> None:
        """All are."""

    def inbound(self, *_: object, **_named: object) -> None:
        """Nobody reads it."""


@dataclass
class Hub:
    """A server in test.

    Attributes:
        gate: the server's.
        held: what is served waits for it.
        serving: requests that are waiting for it.
    """

    gate: Gate
    port: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    serving: int = 0

    async def handle(self, inbound: Inbound) -> Reply:
        self.serving += 1
        try:
            await self.held.wait()
        finally:
            self.serving -= 1
        if inbound.message.body == b"a fault":
            raise ValueError(inbound.message.body)
        return ok()

    async def is_free(self) -> bool:
        return not self.gate._inside and not self.gate._of

    @asynccontextmanager
    async def full(self) -> AsyncIterator[list[Unfinished]]:
        """As many requests as one platform may have."""
        async with AsyncExitStack() as stack:
            yield [await self.enter(stack) for _ in range(SHARE)]

    async def enter(self, stack: AsyncExitStack) -> Unfinished:
        request = unfinished(f"http://127.0.0.1:{self.port}{PATH}", authorization(TOKEN))
        return await stack.enter_async_context(request)

    async def refuses_more(self) -> bool:
        async with AsyncExitStack() as stack:
            request = await self.enter(stack)
            answer = await request.status()
            await request.go_on(LAST_CHUNK)
        return answer == 429


@asynccontextmanager
async def running(*, read_timeout_s: float = 3600.0) -> AsyncIterator[Hub]:
    clock, keeper = SystemClock(), _Keeper(make_platform((EMSP, Role.EMSP)))
    server = OcpiServer(
        make_settings(
            max_requests_in_flight=2 * SHARE,
            max_body_bytes=MAX_BODY_BYTES,
            request_read_timeout_s=read_timeout_s,
            rate_limit_rps=0,
        ),
        clock,
        cast(DirectoryKeeper, keeper),
        Authenticator(lambda: keeper.current, keeper.look_up, clock.now),
        cast(ConfigurationHandler, _Accepting()),
        {},
        lambda inbound: hub.handle(inbound),
        lambda _platform: None,
        cast(Recorder, _Accepting()),
        lambda _status: None,
    )
    hub = Hub(server._gate)
    hub.held.set()

    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    async def ready() -> None:
        return None

    app = build_app(
        server, max_body_bytes=MAX_BODY_BYTES, ready=ready, admin=elsewhere, metrics=elsewhere
    )
    runner = HubRunner(app, clock, grace_s=5, keep_alive_s=60, read_s=60)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.port = runner.addresses[0][1]
    try:
        yield hub
    finally:
        hub.held.set()
        await runner.cleanup()


async def served(request: Unfinished) -> int:
    return await request.end(b"{}")


async def failing(request: Unfinished) -> int:
    return await request.end(b"a fault")


async def too_large(request: Unfinished) -> int:
    return await request.end(b"x" * (MAX_BODY_BYTES + 1))


async def wrongly_chunked(request: Unfinished) -> int:
    await request.go_on(b"ZZ\r\n")
    return await request.status()


async def half_closed(request: Unfinished) -> None:
    request.end_sending()


async def left(request: Unfinished) -> None:
    request.leave()


WAYS = {
    "it is served": (served, 200),
    "its handler fails": (failing, 200),
    "its body is too large": (too_large, 413),
    "its body is wrongly chunked": (wrongly_chunked, 400),
    "its client ends half of the connection": (half_closed, None),
    "its client leaves": (left, None),
}


@pytest.mark.req("ER-13")
@pytest.mark.parametrize("way", WAYS)
async def test_a_slot_is_given_back_when(way: str) -> None:
    end, status = WAYS[way]
    async with running() as hub:
        for _ in range(2):
            async with hub.full() as requests:
                assert await hub.refuses_more()
                assert [await end(request) for request in requests] == [status] * SHARE
                # Whoever has an answer may ask again at once.
                if status is None:
                    await eventually(hub.is_free, "nothing is served")
                assert await hub.is_free()


@pytest.mark.req("ER-13")
async def test_a_slot_is_given_back_when_the_body_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LINGER_S", 0.0)
    async with running(read_timeout_s=0.1) as hub:
        for _ in range(2):
            async with hub.full() as requests:
                assert [await request.status() for request in requests] == [503] * SHARE
                assert await hub.is_free()


HEAD = f"PUT {PATH} HTTP/1.1\r\nHost: hub\r\nAuthorization: {authorization(TOKEN)}\r\n".encode()
WHOLE = {
    "plain": HEAD + b"Content-Length: 2\r\n\r\n{}",
    "unusual": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.req("ER-13")
@pytest.mark.parametrize("request_bytes", WHOLE.values(), ids=WHOLE)
async def test_who_leaves_while_the_hub_works_has_the_slot_back_once_that_is_done(
    request_bytes: bytes,
) -> None:
    async with running() as hub:
        hub.held.clear()
        clients = [await asyncio.open_connection("127.0.0.1", hub.port) for _ in range(SHARE)]
        for _, writer in clients:
            writer.write(request_bytes)

        async def all_are_served() -> bool:
            return hub.serving == SHARE

        await eventually(all_are_served, "all are served")
        for _, writer in clients:
            writer.transport.abort()
        assert await hub.refuses_more()
        assert hub.serving == SHARE
        hub.held.set()
        await eventually(hub.is_free, "nothing is served")
        async with hub.full() as requests:
            assert [await served(request) for request in requests] == [200] * SHARE
