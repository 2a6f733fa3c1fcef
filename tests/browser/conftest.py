"""One hub and one browser for each test module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.support.browser import Desk, chromium
from tests.support.browser import desk as browser_at
from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Desk]:
    """A module's `HUB_SETTINGS` are settings of its hub."""
    chromium()
    settings: Mapping[str, str] = getattr(request.module, "HUB_SETTINGS", {})
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    async with HubProcess(address, log, settings=settings) as hub, browser_at(hub) as found:
        yield found
    await postgres_server.drop_database(address)
