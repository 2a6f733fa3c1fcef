"""One object that cannot be sent, or that its receiver never answers, holds up no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from ocpi_hub.domain.exchange import Exchange, NoAnswer
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.integration.test_location_feed import Scene, change, location
from tests.support.factories import EMSP
from tests.support.feeding import Push
from tests.support.stores import shared_store, value
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def scene(address: DatabaseAddress, database: Database) -> AsyncIterator[Scene]:
    async with shared_store(database) as store:
        yield Scene(address, store)


async def has(scene: Scene, *names: str) -> bool:
    return scene.receivers.copies[str(EMSP)].keys() >= set(names)


async def gaps(scene: Scene) -> int:
    found: int = await value(scene.store._database, "select count(*) from lane_gap")
    return found


@pytest.mark.parametrize("name", [".", ".."])
async def test_an_id_that_no_url_can_name_blocks_no_other_object(scene: Scene, name: str) -> None:
    await scene.store.change(change(location(name), name))
    for other in ("L1", "L2"):
        await scene.put(other)
    async with scene.feed():
        await eventually(partial(has, scene, "L1", "L2"), "the others")

        async def on_record() -> bool:
            return await gaps(scene) == 1

        await eventually(on_record, "what cannot be sent is on record")


async def test_an_object_that_is_never_answered_blocks_no_other(scene: Scene) -> None:
    def fate(push: Push) -> Exchange | None:
        return NoAnswer("the connection was cut") if push.path[2] == "BAD" else None

    scene.receivers.fate = fate
    names = [f"L{number}" for number in range(20)]
    for name in ("BAD", *names):
        await scene.put(name)
    async with scene.feed(per_receiver=1):
        await eventually(partial(has, scene, *names), "the others")

        async def on_record() -> bool:
            return await gaps(scene) == 1

        await eventually(on_record, "it is a gap")
        await eventually(partial(_settled, scene), "the lane goes on")
        scene.receivers.fate = lambda push: None
        await eventually(partial(has, scene, "BAD"), "it is tried again")


async def _settled(scene: Scene) -> bool:
    found: bool = await value(
        scene.store._database,
        "select cursor >= (select max(position) from shared_object) from lane"
        " where module = 'locations'",
    )
    return found
