"""Counts of mild faults on PostgreSQL: added up from several processes, listed for operators."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery.quality import STALE, Noticed, Quality
from ocpi_hub.delivery.shared import Change, Deletion
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.domain.quality import Example, Subject, Tally, TallyKey
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.ocpi.faults import Finding, Rule
from ocpi_hub.store.database import Database
from ocpi_hub.store.quality import PostgresQualityStore
from tests.support.directory import ManualClock, insert_platform
from tests.support.factories import CPO
from tests.support.stores import UPDATED, execute, shared_store, value

P1, P2 = PlatformId("p-1"), PlatformId("p-2")
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def key(rule: str = "too_long", module: str = "locations", platform: PlatformId = P1) -> TallyKey:
    return TallyKey(platform, module, rule)


def tally(count: int = 1, *, first: int = 0, last: int = 0, object_id: str = "LOC1") -> Tally:
    """A tally of these seconds."""
    example = Example(object_id, "name", "300 characters, string(255) allows 255")
    return Tally(count, AT + timedelta(seconds=first), AT + timedelta(seconds=last), example)


@pytest.fixture
async def store(database: Database) -> PostgresQualityStore:
    await insert_platform(database, P1)
    await insert_platform(database, P2, roles=(("CPO", "BE*TWO"),))
    return PostgresQualityStore(database)


async def listed(store: PostgresQualityStore) -> dict[TallyKey, Tally]:
    return {row.key: row.tally for row in await store.list()}


async def test_counts_of_processes_add_up_and_the_latest_example_stays(
    store: PostgresQualityStore,
) -> None:
    await store.add({key(): tally(2, first=5, last=20, object_id="LATE")})
    await store.add({key(): tally(3, first=1, last=9, object_id="EARLY")})
    assert await listed(store) == {key(): tally(5, first=1, last=20, object_id="LATE")}
    await store.add({key(): tally(1, first=30, last=30, object_id="LATER")})
    assert await listed(store) == {key(): tally(6, first=1, last=30, object_id="LATER")}


async def test_processes_that_count_at_the_same_time_lose_nothing(
    database: Database, store: PostgresQualityStore
) -> None:
    keys = [key(rule, module) for rule in Rule for module in ("locations", "cdrs", "tokens")]

    async def process(backwards: bool) -> None:
        own = PostgresQualityStore(database)
        order = reversed(keys) if backwards else iter(keys)
        batch = {each: tally() for each in order}
        for _ in range(20):
            await own.add(batch)

    await asyncio.gather(*(process(bool(number % 2)) for number in range(4)))
    found = await listed(store)
    assert {each: row.count for each, row in found.items()} == dict.fromkeys(keys, 80)


async def test_two_processes_count_into_one_table(store: PostgresQualityStore) -> None:
    seen = Noticed((Finding(Rule.EVSE_ID, "evse_id", "a shape"),), {}, None)
    processes = [
        make_quality_of(store),
        make_quality_of(store),
    ]
    for process in processes:
        process.accepted(Subject(P1, "locations", CPO, "LOC1"), seen)
        process.deviates(Subject(P2, "sessions", CPO, "S1"), STALE)
    await asyncio.gather(*(process.flush() for process in processes))
    counts = {each: row.count for each, row in (await listed(store)).items()}
    assert counts == {key("evse_id"): 2, key("stale", "sessions", P2): 2}


async def test_a_platform_that_is_removed_takes_its_counts_along(
    database: Database, store: PostgresQualityStore
) -> None:
    await store.add({key(): tally(), key(platform=P2): tally()})
    await execute(database, "delete from platform where platform_id = $1", P1)
    await store.add({key(): tally(), key(platform=P2): tally(last=1)})
    assert await listed(store) == {key(platform=P2): tally(2, last=1)}
    assert await value(database, "select count(*) from quality") == 1


async def test_a_list_shows_one_platform_or_all(store: PostgresQualityStore) -> None:
    await store.add({key("stale"): tally(), key(): tally(), key(platform=P2): tally()})
    assert [row.key for row in await store.list(P1)] == [key("stale"), key()]
    assert len(await store.list()) == 3
    with pytest.raises(NoSuchObject, match="there is no platform p-9"):
        await store.list(PlatformId("p-9"))
    await store.add({})
    assert {row.name for row in await store.list(P2)} != {""}


async def test_a_platform_without_faults_has_an_empty_list(store: PostgresQualityStore) -> None:
    assert await store.list(P2) == []


async def test_a_tariff_is_held_whoever_it_is_for_until_it_is_deleted(
    database: Database, store: PostgresQualityStore
) -> None:
    def tariff(name: str, owner: PartyId = CPO, audience: str = "*") -> ObjectKey:
        return ObjectKey("tariffs", owner, name, audience=audience)

    async with shared_store(database) as shared:
        for kept in (tariff("Both"), tariff("Own", audience="DE*MSP"), tariff("Gone")):
            change = Change(kept, '{"id":"x"}', False, UPDATED, Origin.BROADCAST, "c")
            await shared.change(change)
        await shared.delete(Deletion(tariff("Gone"), Origin.BROADCAST, "c"))
    asked = [tariff(name) for name in ("BOTH", "own", "Gone", "Never")]
    held = await store.held([*asked, tariff("Both", PartyId("BE", "TWO"))])
    assert set(held) == {tariff("Both"), tariff("Own")}


def make_quality_of(store: PostgresQualityStore) -> Quality:
    return Quality(store, ManualClock(), mask=str, tariff_wait_s=60.0)
