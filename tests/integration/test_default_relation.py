"""A changed `default_relation` makes objects visible that were there before, on PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from ocpi_hub.delivery.default_relation import follow_default_relation
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from ocpi_hub.store.database import Database
from ocpi_hub.store.default_relation import PostgresDefaultRelationStore
from tests.support.factories import CPO, EMSP, make_directory, make_platform

SECOND_CPO, GUEST = PartyId("BE", "TWO"), PartyId("FR", "GUE")
MODULES = ("tokens", "tariffs")

Pairs = set[tuple[str, str, str]]


def directory(mode: RelationMode) -> Directory:
    """CPO and EMSP have a relation of their own, SECOND_CPO and GUEST have agreed on none."""
    return make_directory(
        make_platform((CPO, Role.CPO)),
        make_platform((SECOND_CPO, Role.CPO)),
        make_platform((EMSP, Role.EMSP)),
        make_platform((GUEST, Role.EMSP)),
        relations=[
            Relation(CPO, EMSP, RelationMode.WHITELIST),
            Relation(SECOND_CPO, GUEST, RelationMode.NONE),
        ],
        default_relation=mode,
    )


async def start(database: Database, mode: RelationMode) -> None:
    """What each process does at its start."""
    await follow_default_relation(PostgresDefaultRelationStore(database), directory(mode), MODULES)


async def backfills(database: Database) -> Pairs:
    async with database.connection() as connection:
        rows = await connection.fetch("delete from lane_backfill returning *")
    return {(row["module"], row["receiver_party_id"], row["owner_party_id"]) for row in rows}


VISIBLE: Pairs = {
    ("tokens", "TWO", "MSP"),
    ("tokens", "CPO", "GUE"),
    ("tariffs", "MSP", "TWO"),
    ("tariffs", "GUE", "CPO"),
}


async def test_the_first_start_sends_nothing(database: Database) -> None:
    await start(database, RelationMode.REALTIME)
    assert await backfills(database) == set()


async def test_pairs_without_a_relation_of_their_own_become_visible(database: Database) -> None:
    await start(database, RelationMode.NONE)
    await start(database, RelationMode.REALTIME)
    assert await backfills(database) == VISIBLE
    await start(database, RelationMode.REALTIME)
    assert await backfills(database) == set(), "once"


async def test_nothing_becomes_visible_by_another_mode_or_none(database: Database) -> None:
    for mode in (RelationMode.REALTIME, RelationMode.WHITELIST, RelationMode.NONE):
        await start(database, mode)
        assert await backfills(database) == set()
    await start(database, RelationMode.WHITELIST)
    assert await backfills(database) != set()


async def test_several_processes_that_start_at_once_do_it_once(database: Database) -> None:
    await start(database, RelationMode.NONE)
    store = PostgresDefaultRelationStore(database)
    results = await asyncio.gather(
        *(store.changed(RelationMode.REALTIME, lambda _: []) for _ in range(6))
    )
    assert sorted(results, key=str) == [0, None, None, None, None, None]


async def test_what_fails_is_done_at_the_next_start(database: Database) -> None:
    await start(database, RelationMode.NONE)

    def broken(_: RelationMode) -> list[tuple[LaneId, PartyId]]:
        raise RuntimeError("broken")

    store = PostgresDefaultRelationStore(database)
    with pytest.raises(RuntimeError, match="broken"):
        await store.changed(RelationMode.REALTIME, broken)
    assert await store.changed(RelationMode.REALTIME, lambda _: []) == 0
