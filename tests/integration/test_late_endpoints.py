"""What waits to be pulled becomes due once its receiver takes pushes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.late_endpoints import LateEndpoints
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import InterfaceRole, PartyId, Role
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.factories import EMSP, make_directory, make_platform
from tests.support.stores import custody_store, make_intake

OTHER = PartyId("FR", "OTH")
RECEIVER = InterfaceRole.RECEIVER


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


def directory_with(*endpoints: tuple[str, InterfaceRole]) -> Directory:
    """An eMSP that announces these, and another that announces nothing."""
    announced = dict.fromkeys(endpoints, "https://partner.example/x")
    emsp = replace(make_platform((EMSP, Role.EMSP)), endpoints=announced)
    other = replace(make_platform((OTHER, Role.EMSP)), endpoints={})
    return make_directory(emsp, other)


async def test_an_object_stored_just_after_the_registration_is_delivered(
    store: PostgresCustodyStore,
) -> None:
    woken: list[None] = []
    await store.take_in(make_intake("MINE", start=Start.PULL))
    await store.take_in(make_intake("THEIRS", start=Start.PULL, receiver=OTHER))
    await store.take_in(make_intake("HELD", start=Start.HOLD))
    directory = directory_with(("cdrs", RECEIVER))
    late = LateEndpoints(store, lambda: directory, found=lambda: woken.append(None))
    await late.look()
    assert woken
    assert await store.due_receivers([EMSP, OTHER]) == [EMSP]
    assert [attempt.key.object_id for attempt in await store.claim(EMSP, 10)] == ["MINE"]
    woken.clear()
    await late.look()
    assert not woken


@pytest.mark.parametrize(
    "endpoints", [(), (("sessions", RECEIVER),), (("cdrs", InterfaceRole.SENDER),)]
)
async def test_without_a_receiver_interface_of_the_module_it_goes_on_waiting(
    store: PostgresCustodyStore, endpoints: Sequence[tuple[str, InterfaceRole]]
) -> None:
    await store.take_in(make_intake(start=Start.PULL))
    directory = directory_with(*endpoints)
    await LateEndpoints(store, lambda: directory, found=lambda: None).look()
    assert await store.due_receivers([EMSP]) == []


async def test_the_loop_outlives_a_database_that_is_away() -> None:
    calls = 0
    stop = asyncio.Event()

    class Away:
        async def make_announced_due(self, announced: Sequence[tuple[str, PartyId]]) -> int:
            nonlocal calls
            calls += 1
            if calls == 3:
                stop.set()
            raise StoreUnavailable("away")

    late = LateEndpoints(Away(), directory_with, found=lambda: None, look_s=0.001)
    async with asyncio.timeout(10):
        await late.run(stop)
    assert calls == 3
