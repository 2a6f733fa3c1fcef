"""What platforms are told, in PostgreSQL, and by several processes."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.client_info import Claim, ClientInfoRow, Synced, Visible
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, PlatformId, Role
from ocpi_hub.ocpi.paging import Cursor, PageRequest
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.database import Database
from tests.support.directory import insert_platform
from tests.support.factories import EMSP

P1 = PlatformId("p-1")
URL = "https://partner.example/clients"
OTHER_URL = "https://partner.example/other"
CONNECTED: Visible = {(EMSP, Role.EMSP): PartyStatus.CONNECTED}
OFFLINE: Visible = {(EMSP, Role.EMSP): PartyStatus.OFFLINE}
CHANGED, SETTLED = Synced(changed=True, untold=True), Synced(changed=False, untold=False)
OWED = Synced(changed=False, untold=True)


@pytest_asyncio.fixture
async def store(database: Database) -> PostgresClientInfoStore:
    """A platform p-1 is there."""
    await insert_platform(database)
    return make_store(database)


def make_store(
    database: Database, lease: timedelta = timedelta(minutes=1)
) -> PostgresClientInfoStore:
    return PostgresClientInfoStore(database, lease=lease)


async def claimed(store: PostgresClientInfoStore, url: str = URL) -> Claim:
    claim = await store.claim(P1, url, uuid.uuid4())
    assert claim is not None
    return claim


async def untold(store: PostgresClientInfoStore) -> list[ClientInfoRow]:
    return list(await store.untold(P1, 0, 100))


async def tell_all(store: PostgresClientInfoStore, url: str = URL) -> None:
    claim = await claimed(store, url)
    for row in await untold(store):
        assert await store.report(claim, row, told=True)
    await store.release(claim)


async def test_only_a_change_makes_something_to_tell(store: PostgresClientInfoStore) -> None:
    assert await store.sync(P1, 1, URL, CONNECTED) == CHANGED
    assert await store.sync(P1, 2, URL, CONNECTED) == OWED
    (first,) = await untold(store)
    await tell_all(store)
    assert await store.sync(P1, 3, URL, CONNECTED) == SETTLED
    assert await store.sync(P1, 4, URL, OFFLINE) == CHANGED
    (second,) = await untold(store)
    assert second.status is PartyStatus.OFFLINE
    assert second.last_updated > first.last_updated
    assert second.serial == first.serial


@pytest.mark.req("HC-03")
async def test_who_is_not_visible_any_more_is_suspended(store: PostgresClientInfoStore) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    await tell_all(store)
    assert await store.sync(P1, 2, URL, {}) == CHANGED
    (row,) = await untold(store)
    assert (row.party, row.status) == (EMSP, PartyStatus.SUSPENDED)
    await tell_all(store)
    assert await store.sync(P1, 3, URL, {}) == SETTLED
    assert await store.sync(P1, 4, URL, CONNECTED) == CHANGED


async def test_a_process_with_an_older_directory_changes_nothing(
    store: PostgresClientInfoStore,
) -> None:
    await store.sync(P1, 7, URL, OFFLINE)
    assert await store.sync(P1, 6, URL, CONNECTED) == OWED
    assert [row.status for row in await untold(store)] == [PartyStatus.OFFLINE]


async def test_processes_that_compare_at_once_make_one_change(
    store: PostgresClientInfoStore, database: Database
) -> None:
    results = await asyncio.gather(
        *(make_store(database).sync(P1, 1, URL, CONNECTED) for _ in range(6))
    )
    assert sorted(result.changed for result in results) == [False] * 5 + [True]
    assert len(await untold(store)) == 1


async def test_what_changed_between_reading_and_telling_stays_untold(
    store: PostgresClientInfoStore,
) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    claim = await claimed(store)
    (row,) = await untold(store)
    await store.sync(P1, 2, URL, OFFLINE)
    assert await store.report(claim, row, told=True)
    assert [row.status for row in await untold(store)] == [PartyStatus.OFFLINE]


@pytest.mark.req("HC-15")
async def test_who_comes_back_is_told_everything_again(store: PostgresClientInfoStore) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    (before,) = await untold(store)
    await tell_all(store)
    assert await store.sync(P1, 2, None, CONNECTED) == SETTLED
    assert await store.sync(P1, 3, URL, CONNECTED) == CHANGED
    assert await untold(store) == [before]
    await tell_all(store)
    assert await store.sync(P1, 4, OTHER_URL, CONNECTED) == CHANGED


@pytest.mark.req("HC-15")
async def test_who_registers_again_is_told_everything_again(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    claim = await claimed(store)
    (row,) = await untold(store)
    async with database.connection() as connection:
        await connection.execute("update platform set connected_at = now()")
    assert (await store.sync(P1, 2, URL, CONNECTED)).untold
    # Told at the old registration: that does not settle the new one.
    assert await store.report(claim, row, told=True)
    assert len(await untold(store)) == 1


async def test_one_process_tells_at_a_time_until_its_lease_runs_out(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    (row,) = await untold(store)
    assert await store.claim(P1, OTHER_URL, uuid.uuid4()) is None
    late = await make_store(database, lease=timedelta(0)).claim(P1, URL, uuid.uuid4())
    assert late is not None
    claim = await claimed(store)
    assert await make_store(database).claim(P1, URL, uuid.uuid4()) is None
    assert not await store.report(late, row, told=True)
    assert len(await untold(store)) == 1
    await store.release(late)
    assert await store.claim(P1, URL, uuid.uuid4()) is None
    await store.release(claim)
    await claimed(store)


async def test_a_platform_that_was_removed_leaves_nothing(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await store.sync(P1, 1, URL, CONNECTED)
    async with database.connection() as connection:
        await connection.execute("delete from platform")
    assert await store.sync(P1, 2, URL, CONNECTED) == SETTLED
    assert await untold(store) == []


@pytest.mark.req("HC-01")
async def test_pages_follow_one_another_and_filter_by_last_updated(
    store: PostgresClientInfoStore,
) -> None:
    everybody = {
        (PartyId("DE", f"M0{number}"), Role.EMSP): PartyStatus.CONNECTED for number in range(5)
    }
    await store.sync(P1, 1, URL, everybody)
    rows = await untold(store)
    first = await store.page(P1, PageRequest(None, None, 0, 2))
    assert (len(first.texts), first.total) == (2, 5)
    assert first.last_serial is not None
    cursor = Cursor(first.last_serial, first.total)
    second = await store.page(P1, PageRequest(None, None, 2, 3, cursor))
    assert (len(second.texts), second.last_serial) == (3, None)
    listed = [json.loads(text)["party_id"] for text in first.texts + second.texts]
    assert listed == [row.party.party_id for row in rows]
    assert (await store.page(P1, PageRequest(None, None, 4, 2))).texts == second.texts[2:]
    gone = everybody | {(PartyId("DE", "M03"), Role.EMSP): PartyStatus.OFFLINE}
    await store.sync(P1, 2, URL, gone)
    changed = next(row for row in await untold(store) if row.status is PartyStatus.OFFLINE)
    since = await store.page(P1, PageRequest(changed.last_updated, None, 0, 10))
    assert [json.loads(text)["party_id"] for text in since.texts] == ["M03"]
    until = await store.page(P1, PageRequest(None, changed.last_updated, 0, 10))
    assert (len(until.texts), until.total) == (4, 4)
