"""A hub with two partners that operators reach over HTTP; modules that need another make it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub
from tests.support.directory import insert_platform, insert_token


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    """With NL*CPO on p-1, whose token is `of-p-1`, and DE*MSP on p-2."""
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_token(database, "of-p-1")
    async with admin_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def admin(hub: AdminHub) -> AsyncIterator[httpx.AsyncClient]:
    """Below `/admin/api/`, with a key of scope `admin`."""
    async with hub.client(await hub.make_key(Scope.ADMIN)) as client:
        client.base_url = httpx.URL(f"{hub.url}/admin/api/")
        yield client
