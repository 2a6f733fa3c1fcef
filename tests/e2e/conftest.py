"""One hub with partners on board for each test module; tests use ids of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.postgres import PostgresServer
from tests.support.wire import Wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Roaming]:
    """A hub, a CPO NL*CPO and an eMSP DE*MSP, shared by the tests of a module.

    A module's `HUB_SETTINGS` are settings of its hub.
    """
    settings: Mapping[str, str] = getattr(request.module, "HUB_SETTINGS", {})
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    async with roaming(HubProcess(address, log, settings=settings)) as running:
        yield running
    await postgres_server.drop_database(address)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emsp(roam: Roaming) -> AsyncIterator[Wire]:
    async with await Wire.of(roam.hub, roam.emsp) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cpo(roam: Roaming) -> AsyncIterator[Wire]:
    async with await Wire.of(roam.hub, roam.cpo) as wire:
        yield wire
