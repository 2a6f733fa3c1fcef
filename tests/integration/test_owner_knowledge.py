"""Noting which owners push, on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ocpi_hub.delivery.shared import Change
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import EMSP
from tests.support.stores import UPDATED, execute, insert_platform, shared_store

SECOND = PartyId("DE", "TWO")


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    await insert_platform(database, "p-1", parties=[EMSP, SECOND])
    async with shared_store(database) as running:
        yield running


def token(uid: str, origin: Origin, owner: PartyId = EMSP) -> Change:
    key = ObjectKey("tokens", owner, uid, "RFID")
    return Change(key, f'{{"uid":"{uid}"}}', False, UPDATED, origin, "correlation-1")


async def known(database: Database) -> list[tuple[str, bool]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select module, pushes from owner_knowledge order by 1")
    return [(row["module"], row["pushes"]) for row in rows]


async def test_what_was_fetched_does_not_make_an_owner_push(
    store: PostgresSharedStore, database: Database
) -> None:
    await store.change(token("A", Origin.PULL))
    assert await known(database) == []


@pytest.mark.parametrize("origin", [Origin.BROADCAST, Origin.DIRECT])
async def test_a_platform_pushes_once_one_of_its_owners_does(
    store: PostgresSharedStore, database: Database, origin: Origin
) -> None:
    await execute(database, "insert into owner_knowledge values ('p-1', 'tokens', false, now())")
    await store.change(token("A", origin))
    await store.change(token("B", origin, SECOND))
    assert await known(database) == [("tokens", True)]


async def test_an_owner_on_no_platform_is_passed_over(
    store: PostgresSharedStore, database: Database
) -> None:
    await store.change(token("A", Origin.BROADCAST, PartyId("FR", "OTH")))
    assert await known(database) == []
