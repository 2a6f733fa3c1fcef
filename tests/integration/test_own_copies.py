"""What is addressed to one party beside what is broadcast under the same id, on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import request_backfills
from tests.integration.test_location_feed import Scene, at, change, evse, location
from tests.support.factories import CPO, EMSP
from tests.support.stores import execute, shared_store, value
from tests.support.waiting import eventually

LANE = LaneId(EMSP, "locations")


@pytest_asyncio.fixture
async def scene(address: DatabaseAddress, database: Database) -> AsyncIterator[Scene]:
    async with shared_store(database) as store:
        yield Scene(address, store)


async def address_to_emsp(scene: Scene, second: int, name: str = "L1") -> None:
    """A copy for the eMSP that nobody else relays."""
    own = location(name, second, name="for one")
    await scene.store.change(change(own, name, to=EMSP))
    await execute(scene.store._database, "update lane_gap set next_attempt_at = now()")


def has(scene: Scene, name: str, said: str | None) -> bool:
    held = scene.receivers.copies[str(EMSP)].get(name)
    return held is not None and held.get("name") == said


async def settled(scene: Scene) -> bool:
    return bool(
        await value(
            scene.store._database,
            "select cursor >= (select max(position) from shared_object where audience = '*')"
            " from lane where module = 'locations'",
        )
    )


@pytest.mark.parametrize("part", [False, True])
async def test_a_broadcast_does_not_replace_what_was_addressed_to_a_receiver(
    scene: Scene, part: bool
) -> None:
    async with scene.feed():
        await scene.put("L1")

        async def told() -> bool:
            return has(scene, "L1", None)

        async def told_own() -> bool:
            return has(scene, "L1", "for one")

        await eventually(told, "the broadcast one")
        await address_to_emsp(scene, 5)
        await eventually(told_own, "its own")
        if part:
            await scene.store.change(change(evse("E1", 9, "BLOCKED"), "L1", "E1"))
        else:
            await scene.put("L1", 9)
        await scene.put("L2", 9)
        await eventually(lambda: settled(scene), "the lane has passed it")
        assert has(scene, "L1", "for one")
        assert scene.receivers.copies[str(EMSP)]["L1"]["evses"]["E1"]["last_updated"] == at(5)
        assert has(scene, "L2", None)


async def test_what_was_owed_when_a_relation_ended_comes_when_it_is_back(scene: Scene) -> None:
    await address_to_emsp(scene, 5)
    scene.see(related=False)
    async with scene.feed():

        async def dropped() -> bool:
            return bool(await value(scene.store._database, "select count(*) from lane_gap") == 0)

        await eventually(dropped, "nothing is owed without a relation")
        assert not scene.receivers.pushes
        scene.see()
        async with scene.store._database.transaction() as connection:
            await request_backfills(connection, [(LANE, CPO)])

        async def told_own() -> bool:
            return has(scene, "L1", "for one")

        await eventually(told_own, "its own")
