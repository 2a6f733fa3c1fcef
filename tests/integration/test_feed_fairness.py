"""Lanes that cannot go on hold up no other lane; backfills wait until their reason is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from ocpi_hub.delivery.feed.loader import LOADS
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.feed.worker import GAPS
from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import request_backfills
from tests.integration.test_location_feed import Scene
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.stores import shared_store, value
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def scene(address: DatabaseAddress, database: Database) -> AsyncIterator[Scene]:
    async with shared_store(database) as store:
        yield Scene(address, store)


async def test_any_number_of_receivers_that_are_away_hold_up_nobody(scene: Scene) -> None:
    away = [PartyId("AA", f"X{n:02}") for n in range(LOADS + 2)]
    scene.directory = make_directory(
        make_platform((CPO, Role.CPO)),
        *(make_platform((party, Role.EMSP), online=False) for party in away),
        make_platform((EMSP, Role.EMSP)),
        relations=[Relation(CPO, each, RelationMode.REALTIME) for each in (*away, EMSP)],
    )
    await scene.put("L1")
    async with scene.feed():

        async def told() -> bool:
            return "L1" in scene.receivers.copies[str(EMSP)]

        await eventually(told, "who is there")


async def test_gaps_of_who_is_away_take_no_turn_of_others(scene: Scene) -> None:
    away = PartyId("AA", "X01")
    scene.directory = make_directory(
        make_platform((CPO, Role.CPO)),
        make_platform((away, Role.EMSP), online=False),
        make_platform((EMSP, Role.EMSP)),
        relations=[Relation(CPO, each, RelationMode.REALTIME) for each in (away, EMSP)],
    )
    await scene.put("L1")
    async with scene.store._database.connection() as connection:
        await connection.execute(
            """insert into lane (country_code, party_id, module, cursor)
               select $1, $2, 'locations', max(position) from shared_object""",
            EMSP.country_code,
            EMSP.party_id,
        )
        for receiver, gaps, due_for in (
            (away, 50 * GAPS, timedelta(hours=1)),
            (EMSP, 1, timedelta(seconds=1)),
        ):
            await connection.execute(
                """insert into lane_gap (receiver_country_code, receiver_party_id, module,
                       country_code, party_id, object_id, object_type, audience, position,
                       next_attempt_at)
                   select $1, $2, 'locations', $3, $4, 'L' || n, '', '*', 1, now() - $6::interval
                   from generate_series(1, $5) n""",
                receiver.country_code,
                receiver.party_id,
                CPO.country_code,
                CPO.party_id,
                gaps,
                due_for,
            )
    async with scene.feed():

        async def told() -> bool:
            return "L1" in scene.receivers.copies[str(EMSP)]

        await eventually(told, "who is there")


async def test_a_backfill_outlives_a_directory_that_does_not_show_its_reason_yet(
    scene: Scene,
) -> None:
    await scene.put("L1")
    scene.see(related=False)
    async with scene.feed():

        async def passed() -> bool:
            return bool(
                await value(
                    scene.store._database,
                    "select cursor >= (select max(position) from shared_object) from lane"
                    " where party_id = $1",
                    EMSP.party_id,
                )
            )

        await eventually(passed, "the lane passes what its receiver may not see")
        async with scene.store._database.transaction() as connection:
            await request_backfills(connection, [(LaneId(EMSP, "locations"), CPO)])
        for _ in range(2):  # with each renewal of the leases, backfills are looked for
            await renewed(scene)
        scene.see()
        await eventually(scene.is_told, "the backfill")


async def test_the_feed_waits_for_a_directory_that_shows_who_made_a_change(scene: Scene) -> None:
    scene.directory = make_directory(
        make_platform((EMSP, Role.EMSP)), relations=[Relation(CPO, EMSP, RelationMode.REALTIME)]
    )
    async with scene.feed():
        for _ in range(2):
            await renewed(scene)
        await scene.put("L1")
        for _ in range(2):
            await renewed(scene)
        scene.see()
        await eventually(scene.is_told, "the new owner's Location")


async def renewed(scene: Scene) -> None:
    lease = "select coalesce(max(lease_until), '-infinity')::text from lane"
    before = await value(scene.store._database, lease)

    async def again() -> bool:
        return bool(await value(scene.store._database, lease) != before)

    await eventually(again, "the leases are renewed")
