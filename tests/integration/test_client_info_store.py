"""What platforms are told, in PostgreSQL, and by several processes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.client_info import (
    Audience,
    Claim,
    ClientInfoRow,
    Outcome,
    Standing,
    Synced,
    Visible,
)
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, PlatformId, Role
from ocpi_hub.ocpi.paging import Cursor, PageRequest
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.database import Database
from tests.support.directory import insert_platform, make_directory_store
from tests.support.factories import EMSP

P1 = PlatformId("p-1")
OTHER = PartyId("FR", "OTH")
URL = "https://partner.example/clients"
OTHER_URL = "https://partner.example/other"
CONNECTED: Visible = {(EMSP, Role.EMSP): Standing(PartyStatus.CONNECTED)}
OFFLINE: Visible = {(EMSP, Role.EMSP): Standing(PartyStatus.OFFLINE)}
CHANGED = Synced(Outcome.FOLLOWS, changed=True, untold=True)
SETTLED = Synced(Outcome.FOLLOWS, changed=False, untold=False)
OWED = Synced(Outcome.FOLLOWS, changed=False, untold=True)


@pytest_asyncio.fixture
async def store(database: Database) -> PostgresClientInfoStore:
    """A platform p-1 is there."""
    await insert_platform(database)
    return make_store(database)


def make_store(
    database: Database,
    lease: timedelta = timedelta(minutes=1),
    hold: timedelta = timedelta(0),
) -> PostgresClientInfoStore:
    return PostgresClientInfoStore(database, lease=lease, hold=hold)


async def sync(
    store: PostgresClientInfoStore,
    version: int,
    url: str | None,
    visible: Visible,
    *,
    about: Sequence[PartyId] | None = None,
    base: int | None = None,
    offline_since: datetime | None = None,
) -> Synced:
    """Compare p-1, which is away since `offline_since`, or where `url` is None."""
    away = url is None or offline_since is not None
    audience = Audience(P1, url or URL, not away, offline_since, visible, about, base)
    return (await store.sync(version, [audience])).synced[P1]


async def claimed(store: PostgresClientInfoStore, url: str = URL) -> Claim:
    claim = await store.claim(P1, url, uuid.uuid4())
    assert claim is not None
    return claim


async def untold(store: PostgresClientInfoStore) -> list[ClientInfoRow]:
    return list(await store.untold(P1, 0, 100_000))


async def tell_all(store: PostgresClientInfoStore, url: str = URL) -> None:
    claim = await claimed(store, url)
    for row in await untold(store):
        assert await store.report(claim, row, told=True)
    await store.release(claim)


async def test_only_a_change_makes_something_to_tell(store: PostgresClientInfoStore) -> None:
    assert await sync(store, 1, URL, CONNECTED) == CHANGED
    assert await sync(store, 2, URL, CONNECTED) == OWED
    (first,) = await untold(store)
    await tell_all(store)
    assert await sync(store, 3, URL, CONNECTED) == SETTLED
    assert await sync(store, 4, URL, OFFLINE) == CHANGED
    (second,) = await untold(store)
    assert second.status is PartyStatus.OFFLINE
    assert second.last_updated > first.last_updated
    assert second.serial == first.serial


@pytest.mark.req("HC-03")
async def test_who_is_not_visible_any_more_is_suspended(store: PostgresClientInfoStore) -> None:
    await sync(store, 1, URL, CONNECTED)
    await tell_all(store)
    assert await sync(store, 2, URL, {}) == CHANGED
    (row,) = await untold(store)
    assert (row.party, row.status) == (EMSP, PartyStatus.SUSPENDED)
    await tell_all(store)
    assert await sync(store, 3, URL, {}) == SETTLED
    assert await sync(store, 4, URL, CONNECTED) == CHANGED


async def test_a_process_with_an_older_directory_changes_nothing(
    store: PostgresClientInfoStore,
) -> None:
    await sync(store, 7, URL, OFFLINE)
    behind = await sync(store, 6, URL, CONNECTED)
    assert behind == Synced(Outcome.AHEAD, changed=False, untold=True)
    assert [row.status for row in await untold(store)] == [PartyStatus.OFFLINE]


async def test_processes_that_compare_at_once_make_one_change(
    store: PostgresClientInfoStore, database: Database
) -> None:
    results = await asyncio.gather(
        *(sync(make_store(database), 1, URL, CONNECTED) for _ in range(6))
    )
    assert sorted(result.changed for result in results) == [False] * 5 + [True]
    assert len(await untold(store)) == 1


async def test_what_changed_between_reading_and_telling_stays_untold(
    store: PostgresClientInfoStore,
) -> None:
    await sync(store, 1, URL, CONNECTED)
    claim = await claimed(store)
    (row,) = await untold(store)
    await sync(store, 2, URL, OFFLINE)
    assert await store.report(claim, row, told=True)
    assert [row.status for row in await untold(store)] == [PartyStatus.OFFLINE]


@pytest.mark.req("HC-15")
async def test_who_comes_back_is_told_everything_again(store: PostgresClientInfoStore) -> None:
    await sync(store, 1, URL, CONNECTED)
    (before,) = await untold(store)
    await tell_all(store)
    assert await sync(store, 2, None, CONNECTED) == SETTLED
    assert await sync(store, 3, URL, CONNECTED) == CHANGED
    assert await untold(store) == [before]
    await tell_all(store)
    assert await sync(store, 4, OTHER_URL, CONNECTED) == CHANGED


@pytest.mark.req("HC-15")
async def test_who_registers_again_is_told_everything_again(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await sync(store, 1, URL, CONNECTED)
    claim = await claimed(store)
    (row,) = await untold(store)
    async with database.connection() as connection:
        await connection.execute("update platform set connected_at = now()")
    assert (await sync(store, 2, URL, CONNECTED)).untold
    # Told at the old registration: that does not settle the new one.
    assert await store.report(claim, row, told=True)
    assert len(await untold(store)) == 1


async def test_one_process_tells_at_a_time_until_its_lease_runs_out(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await sync(store, 1, URL, CONNECTED)
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
    await sync(store, 1, URL, CONNECTED)
    async with database.connection() as connection:
        await connection.execute("delete from platform")
    gone = await sync(store, 2, URL, CONNECTED)
    assert gone == Synced(Outcome.GONE, changed=False, untold=False)
    assert await untold(store) == []


async def test_a_step_is_taken_only_from_the_directory_it_begins_at(
    store: PostgresClientInfoStore,
) -> None:
    both: Visible = {**CONNECTED, (OTHER, Role.EMSP): Standing(PartyStatus.CONNECTED)}
    await sync(store, 5, URL, both)
    await tell_all(store)
    # About one of them: of the other nothing is said.
    assert await sync(store, 7, URL, OFFLINE, about=[EMSP], base=5) == CHANGED
    assert [row.party for row in await untold(store)] == [EMSP]
    # Another process has taken the same step; and one has come from elsewhere.
    assert await sync(store, 7, URL, OFFLINE, about=[EMSP], base=6) == OWED
    lost = await sync(store, 9, URL, {}, about=[OTHER], base=6)
    assert lost == Synced(Outcome.UNKNOWN, changed=False, untold=True)
    assert await sync(store, 9, URL, {}, about=[OTHER], base=7) == CHANGED
    statuses = {row.party: row.status for row in await untold(store)}
    assert statuses == {EMSP: PartyStatus.OFFLINE, OTHER: PartyStatus.SUSPENDED}


async def test_many_platforms_are_compared_at_once(
    store: PostgresClientInfoStore, database: Database
) -> None:
    await insert_platform(database, "p-2", roles=(("CPO", "BE*TWO"),))
    other = PlatformId("p-2")
    gone = PlatformId("p-gone")
    result = await store.sync(
        3, [Audience(who, URL, True, None, CONNECTED) for who in (other, P1, gone)]
    )
    assert result.synced == {
        P1: CHANGED,
        other: CHANGED,
        gone: Synced(Outcome.GONE, changed=False, untold=False),
    }
    assert set(await store.owed()) == {P1, other}
    await tell_all(store)
    result = await store.sync(
        4, [Audience(P1, URL, True, None, OFFLINE), Audience(other, URL, True, None, CONNECTED)]
    )
    assert result.synced == {P1: CHANGED, other: OWED}


@pytest.mark.req("HC-14")
async def test_an_absence_is_told_once_it_has_lasted(
    database: Database, store: PostgresClientInfoStore
) -> None:
    patient = make_store(database, hold=timedelta(minutes=5))
    now = datetime.now(UTC)

    def away(minutes: int) -> Visible:
        since = now - timedelta(minutes=minutes)
        return {(EMSP, Role.EMSP): Standing(PartyStatus.OFFLINE, since)}

    await sync(patient, 1, URL, CONNECTED)
    await tell_all(patient)
    held = await patient.sync(2, [Audience(P1, URL, True, None, away(1))])
    assert held.synced[P1] == SETTLED
    assert held.held_s is not None
    assert 0 < held.held_s <= 240
    # It flaps: nobody hears of it.
    assert await sync(patient, 3, URL, CONNECTED) == SETTLED
    assert await sync(patient, 4, URL, away(2)) == SETTLED
    assert await sync(patient, 4, URL, away(6), about=[EMSP], base=4) == CHANGED
    assert [row.status for row in await untold(patient)] == [PartyStatus.OFFLINE]
    # Back, and away again before anybody was told of it: nothing to hold.
    assert (await patient.sync(5, [Audience(P1, URL, True, None, away(1))])).held_s is None
    assert [row.status for row in await untold(patient)] == [PartyStatus.OFFLINE]
    assert await sync(patient, 6, URL, CONNECTED) == CHANGED


async def test_who_becomes_visible_while_it_is_away_is_offline_at_once(
    database: Database, store: PostgresClientInfoStore
) -> None:
    patient = make_store(database, hold=timedelta(minutes=5))
    since = datetime.now(UTC)
    away: Visible = {(EMSP, Role.EMSP): Standing(PartyStatus.OFFLINE, since)}
    assert await sync(patient, 1, URL, away) == CHANGED
    assert [row.status for row in await untold(patient)] == [PartyStatus.OFFLINE]


@pytest.mark.req("HC-15")
async def test_who_was_away_for_a_moment_is_told_only_what_it_missed(
    database: Database, store: PostgresClientInfoStore
) -> None:
    patient = make_store(database, hold=timedelta(minutes=5))
    now = datetime.now(UTC)
    await sync(patient, 1, URL, CONNECTED)
    await tell_all(patient)
    brief, long = now - timedelta(minutes=1), now - timedelta(minutes=6)
    assert await sync(patient, 2, URL, CONNECTED, offline_since=brief) == SETTLED
    assert await sync(patient, 3, URL, CONNECTED) == SETTLED
    assert await sync(patient, 4, URL, CONNECTED, offline_since=long) == SETTLED
    assert await sync(patient, 5, URL, CONNECTED) == CHANGED


async def test_the_database_notes_since_when_a_platform_is_offline(
    store: PostgresClientInfoStore, database: Database
) -> None:
    directory = make_directory_store(database)

    async def since() -> datetime | None:
        return (await directory.load()).platforms[P1].offline_since

    assert await since() is None
    async with database.connection() as connection:
        await connection.execute("update platform set online = false")
        first = await since()
        assert first is not None
        await connection.execute("update platform set online = false, name = 'again'")
        assert await since() == first
        await connection.execute("update platform set online = true")
    assert await since() is None


@pytest.mark.req("HC-01")
async def test_ten_thousand_parties_are_listed_without_a_comparison_for_each_page(
    store: PostgresClientInfoStore, database: Database
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ids = [f"{one}{two}{three}" for one in letters for two in letters for three in letters]
    many: Visible = {
        (PartyId("DE", party), Role.EMSP): Standing(PartyStatus.CONNECTED) for party in ids[:10_000]
    }
    assert not await store.follows(P1, 8)
    await sync(store, 8, URL, many)
    assert await store.follows(P1, 8)
    assert not await store.follows(P1, 9)
    page = await store.page(P1, PageRequest(None, None, 0, 1000))
    listed = list(page.texts)
    while page.last_serial is not None:
        cursor = Cursor(page.last_serial, page.total)
        page = await store.page(P1, PageRequest(None, None, len(listed), 1000, cursor))
        listed += page.texts
    assert (len(set(listed)), page.total) == (10_000, 10_000)
    # One of them changes: one row does.
    gone = {(PartyId("DE", ids[77]), Role.EMSP): Standing(PartyStatus.OFFLINE)}
    async with database.connection() as connection:
        await connection.execute("update client_info set told = true")
    assert await sync(store, 9, URL, gone, about=[PartyId("DE", ids[77])], base=8) == CHANGED
    assert len(await untold(store)) == 1


@pytest.mark.req("HC-01")
async def test_pages_follow_one_another_and_filter_by_last_updated(
    store: PostgresClientInfoStore,
) -> None:
    everybody: Visible = {
        (PartyId("DE", f"M0{number}"), Role.EMSP): Standing(PartyStatus.CONNECTED)
        for number in range(5)
    }
    await sync(store, 1, URL, everybody)
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
    gone = {**everybody, (PartyId("DE", "M03"), Role.EMSP): Standing(PartyStatus.OFFLINE)}
    await sync(store, 2, URL, gone)
    changed = next(row for row in await untold(store) if row.status is PartyStatus.OFFLINE)
    since = await store.page(P1, PageRequest(changed.last_updated, None, 0, 10))
    assert [json.loads(text)["party_id"] for text in since.texts] == ["M03"]
    until = await store.page(P1, PageRequest(None, changed.last_updated, 0, 10))
    assert (len(until.texts), until.total) == (4, 4)
