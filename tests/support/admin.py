"""One process of the hub with its real application on a real socket, to test the admin side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from aiohttp import web

from ocpi_hub.admin.faults import HTTP_STATUS, Code
from ocpi_hub.admin.keys import KeySecret, Scope
from ocpi_hub.assembly import Parts, Surroundings, Wrappers, assemble
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.store.admin_keys import PostgresAdminKeys
from ocpi_hub.store.database import Database
from ocpi_hub.store.secret_key import Keyring
from tests.support.directory import KEY
from tests.support.plain_http import trusting_nobody
from tests.support.postgres import make_settings

PUBLIC_URL = "https://hub.example"


@dataclass(frozen=True, slots=True)
class AdminHub:
    """A hub that answers at `url`."""

    url: str
    database: Database
    parts: Parts

    async def make_key(self, *scopes: Scope) -> str:
        """A new key, in clear."""
        secret = KeySecret.new()
        await PostgresAdminKeys(self.database).create("a test", scopes, secret)
        return str(secret)

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, verify=trusting_nobody())


@asynccontextmanager
async def admin_hub(database: Database, **overrides: Any) -> AsyncIterator[AdminHub]:
    """Run everything of a process but its background work.

    Args:
        overrides: settings.
    """
    settings = make_settings(
        **{
            "public_url": PUBLIC_URL,
            "directory_poll_s": 0.05,
            "directory_max_age_s": 5.0,
            "unknown_credentials_per_s": 1000.0,
            **overrides,
        }
    )
    clock = SystemClock()
    stop, writers_stop = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(HttpClient(settings, clock=clock))
        around = Surroundings(
            settings=settings,
            database=database,
            keyring=Keyring(KEY),
            client=client,
            clock=clock,
            public_url=settings.public_url or PUBLIC_URL,
            serves=True,
            wrappers=Wrappers(),
        )
        parts = assemble(around)
        await parts.keeper.start()
        async with asyncio.TaskGroup() as group:
            for writer in parts.writers:
                group.create_task(writer.run(writers_stop))
            for _, loop in parts.always:
                group.create_task(loop(stop))
            runner = web.AppRunner(parts.app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            try:
                yield AdminHub(f"http://127.0.0.1:{port}", database, parts)
            finally:
                await runner.cleanup()
                stop.set()
                writers_stop.set()


def fault_of(answer: httpx.Response) -> dict[str, Any]:
    """What a refusal says, once it has the shape that all have."""
    assert answer.headers["Content-Type"].startswith("application/json")
    body = answer.json()
    assert body.keys() == {"error"}
    assert {"code", "message"} <= body["error"].keys() <= {"code", "message", "field"}
    assert HTTP_STATUS[Code(body["error"]["code"])] == answer.status_code
    found: dict[str, Any] = body["error"]
    return found
