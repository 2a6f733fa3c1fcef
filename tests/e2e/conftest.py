"""One hub with partners on board for each test module; tests use ids of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.postgres import PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roaming]:
    """A hub, a CPO NL*CPO and an eMSP DE*MSP, shared by the tests of a module."""
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    async with roaming(HubProcess(address, log)) as running:
        yield running
    await postgres_server.drop_database(address)
