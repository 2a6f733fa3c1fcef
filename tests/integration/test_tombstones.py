"""Deleted objects are forgotten after a while, and laggards start over, on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ocpi_hub.delivery import tombstones as module
from ocpi_hub.delivery.shared import Change
from ocpi_hub.delivery.tombstones import Tombstones
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from ocpi_hub.store.database import Database
from ocpi_hub.store.tombstones import PostgresTombstoneStore
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.stores import UPDATED, eventually, execute, shared_store, value

SECOND_CPO, FOREIGN_CPO = PartyId("BE", "TWO"), PartyId("FR", "OTH")
DIRECTORY = make_directory(
    make_platform((CPO, Role.CPO)),
    make_platform((SECOND_CPO, Role.CPO)),
    make_platform((FOREIGN_CPO, Role.CPO)),
    make_platform((EMSP, Role.EMSP)),
    relations=[Relation(FOREIGN_CPO, EMSP, RelationMode.NONE)],
)
KEEP = timedelta(days=30)


def sweeper(database: Database) -> Tombstones:
    return Tombstones(PostgresTombstoneStore(database), lambda: DIRECTORY, keep=KEEP)


async def tariffs(database: Database, *, living: int = 0, dead_days: tuple[int, ...] = ()) -> None:
    """Tariffs L0, L1, ... that are there, and D0, D1, ... deleted so many days ago."""
    names = [f"L{n}" for n in range(living)] + [f"D{n}" for n in range(len(dead_days))]
    async with shared_store(database) as store:
        for name in names:
            key = ObjectKey("tariffs", CPO, name)
            change = Change(key, f'{{"id":"{name}"}}', False, UPDATED, Origin.BROADCAST, "c")
            await store.change(change)
    for number, days in enumerate(dead_days):
        await execute(
            database,
            "update shared_object set deleted = true,"
            " changed_at = now() - make_interval(days => $2) where object_id = $1",
            f"D{number}",
            days,
        )


async def lane(database: Database, cursor: int, receiver: PartyId = EMSP) -> None:
    await execute(
        database,
        "insert into lane (country_code, party_id, module, cursor) values ($1, $2, 'tariffs', $3)",
        receiver.country_code,
        receiver.party_id,
        cursor,
    )


async def position(database: Database, name: str) -> int:
    found = await value(database, "select position from shared_object where object_id = $1", name)
    return int(found)


async def left(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("select object_id from shared_object order by 1")
    return [row["object_id"] for row in rows]


async def backfills(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select receiver_party_id, owner_party_id from lane_backfill order by 1, 2"
        )
    return [(row[0], row[1]) for row in rows]


async def test_tombstones_are_removed_once_they_are_old_enough(database: Database) -> None:
    await tariffs(database, living=2, dead_days=(31, 29, 400))
    await sweeper(database).sweep(asyncio.Event())
    assert await left(database) == ["D1", "L0", "L1"]


async def test_many_are_removed_in_short_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    await tariffs(database, dead_days=(31,) * 5)
    await sweeper(database).sweep(asyncio.Event())
    assert await left(database) == []


async def test_a_laggard_gets_all_that_its_related_owners_have(database: Database) -> None:
    await tariffs(database, living=1, dead_days=(31,))
    await lane(database, cursor=await position(database, "D0") - 1)
    await sweeper(database).sweep(asyncio.Event())
    assert await backfills(database) == [("MSP", "CPO"), ("MSP", "TWO")]


@pytest.mark.parametrize("beyond", [False, True])
async def test_lanes_that_were_told_or_are_new_do_not_start_over(
    database: Database, beyond: bool
) -> None:
    await tariffs(database, dead_days=(31,))
    await lane(database, cursor=await position(database, "D0") if beyond else 0)
    await sweeper(database).sweep(asyncio.Event())
    assert await left(database) == []
    assert await backfills(database) == []


async def test_nobody_is_owed_what_is_forgotten(database: Database) -> None:
    await tariffs(database, living=1, dead_days=(31,))
    for name in ("L0", "D0"):
        await execute(
            database,
            "insert into lane_gap values ('DE', 'MSP', 'tariffs', 'NL', 'CPO', $1, '', '*', 1)",
            name,
        )
    await sweeper(database).sweep(asyncio.Event())
    assert await value(database, "select array_agg(object_id) from lane_gap") == ["L0"]


async def test_several_processes_at_once_do_it_once(database: Database) -> None:
    await tariffs(database, dead_days=(31,) * 20)
    await lane(database, cursor=1)
    await asyncio.gather(*(sweeper(database).sweep(asyncio.Event()) for _ in range(4)))
    assert await left(database) == []
    assert await backfills(database) == [("MSP", "CPO"), ("MSP", "TWO")]


async def test_a_stop_ends_the_loop(database: Database) -> None:
    await tariffs(database, dead_days=(31,))
    stop = asyncio.Event()
    loop = asyncio.ensure_future(sweeper(database).run(stop))

    async def swept() -> bool:
        return await left(database) == []

    await eventually(swept)
    stop.set()
    async with asyncio.timeout(10):
        await loop
