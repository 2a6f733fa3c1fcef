"""Deleted shared objects on PostgreSQL: gone from lists, a change of the feed, back by a PUT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.feed.protocols import Gap, LaneId
from ocpi_hub.delivery.shared import Change, Changed, Deletion
from ocpi_hub.domain.objects import EVERYBODY, LastAnswer, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore, request_backfills
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import CPO, EMSP
from tests.support.stores import UPDATED, execute, feed_store, shared_store, value

ALL = PageRequest(None, None, 0, 100, None)
OTHER = PartyId("FR", "MSP")
LATER, EARLIER = UPDATED + timedelta(minutes=1), UPDATED - timedelta(minutes=1)


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    async with shared_store(database) as running:
        yield running


@pytest_asyncio.fixture
async def feed(database: Database) -> AsyncIterator[PostgresFeedStore]:
    async with feed_store(database) as running:
        yield running


def key(audience: str = EVERYBODY, name: str = "T1") -> ObjectKey:
    return ObjectKey("tariffs", CPO, name, audience=audience)


def put(
    of: ObjectKey | None = None,
    *,
    dated: datetime = UPDATED,
    text: str = "1",
    origin: Origin | None = None,
) -> Change:
    of = of or key()
    by = Origin.BROADCAST if of.audience == EVERYBODY else Origin.DIRECT
    body = f'{{"id":"{of.object_id}","text":"{text}"}}'
    return Change(of, body, False, dated, origin or by, f"put-{text}")


def delete(of: ObjectKey | None = None) -> Deletion:
    of = of or key()
    by = Origin.BROADCAST if of.audience == EVERYBODY else Origin.DIRECT
    return Deletion(of, by, "delete")


async def shown(store: PostgresSharedStore, reader: PartyId = EMSP) -> list[str]:
    """Texts that a reader's list shows; the count agrees."""
    page = await store.page("tariffs", reader, [CPO], ALL)
    assert page.total == len(page.texts)
    visible = await store.visible("tariffs", "T1", reader, [CPO])
    assert [row.body for row in visible] == [text for text in page.texts if '"T1"' in text]
    return [text.split('"')[7] for text in page.texts]


@pytest.mark.req("TA-02")
async def test_what_is_deleted_is_gone_from_lists_and_a_change_of_the_feed(
    store: PostgresSharedStore, feed: PostgresFeedStore
) -> None:
    await store.change(put())
    before = await feed.tail("tariffs")
    assert await store.delete(delete()) is Changed.DELETED
    assert await store.find(key()) is None
    assert await shown(store) == []
    (entry,) = await feed.after("tariffs", before, 10)
    assert (entry.key, entry.deleted) == (key(), True)
    current = await feed.current(key())
    assert current is not None
    assert (current.deleted, current.correlation_id) == (True, "delete")
    assert await feed.of_owner("tariffs", CPO, 0, 10, receiver=OTHER) == []


@pytest.mark.req("TA-02")
async def test_what_is_not_there_cannot_be_deleted(store: PostgresSharedStore) -> None:
    assert await store.delete(delete()) is Changed.MISSING
    await store.change(put())
    results = await asyncio.gather(*(store.delete(delete()) for _ in range(2)))
    assert results == [Changed.DELETED, Changed.MISSING]


@pytest.mark.parametrize(
    ("dated", "origin", "back"),
    [
        (LATER, Origin.BROADCAST, True),
        (UPDATED, Origin.BROADCAST, True),
        (EARLIER, Origin.BROADCAST, False),
        (LATER, Origin.PULL, True),
        (UPDATED, Origin.PULL, False),
        (EARLIER, Origin.PULL, False),
    ],
)
@pytest.mark.parametrize("together", [False, True])
async def test_a_deleted_object_comes_back_by_what_is_not_older(
    store: PostgresSharedStore, dated: datetime, origin: Origin, back: bool, together: bool
) -> None:
    await store.change(put())
    again = put(dated=dated, text="again", origin=origin)
    if together:
        _, changed = await asyncio.gather(store.delete(delete()), store.change(again))
    else:
        await store.delete(delete())
        changed = await store.change(again)
    assert changed is (Changed.CREATED if back else Changed.STALE)
    assert await shown(store) == (["again"] if back else [])


async def test_what_one_party_is_told_to_delete_the_others_keep(
    store: PostgresSharedStore, feed: PostgresFeedStore
) -> None:
    await store.change(put())
    to_emsp = key(str(EMSP))
    assert await store.delete(delete(to_emsp)) is Changed.DELETED
    assert await store.delete(delete(to_emsp)) is Changed.MISSING
    assert (await shown(store), await shown(store, OTHER)) == ([], ["1"])
    current = await feed.current(to_emsp)
    assert current is not None
    assert (current.deleted, '"T1"' in current.body) == (True, True), "its URL can be made"
    await store.change(put(text="news"))
    assert await shown(store) == ["news"]


@pytest.mark.parametrize("together", [False, True])
async def test_a_broadcast_deletion_takes_along_what_was_addressed_before(
    store: PostgresSharedStore, database: Database, together: bool
) -> None:
    to_emsp = key(str(EMSP))
    steps: list[Change | Deletion] = [
        put(),
        put(to_emsp, text="special"),
        delete(),
        put(to_emsp, text="anew"),
    ]
    results: list[Changed] = []
    if together:
        placed = await asyncio.gather(*(store.place(step) for step in steps))
        results = [each.changed for each in placed]
    else:
        for step in steps:
            results.append((await store.place(step)).changed)
            if isinstance(step, Deletion):
                assert (await shown(store), await shown(store, OTHER)) == ([], [])
    assert results == [Changed.CREATED, Changed.CREATED, Changed.DELETED, Changed.CREATED]
    assert (await shown(store), await shown(store, OTHER)) == (["anew"], [])


async def test_whoever_had_an_object_addressed_to_it_is_owed_its_deletion(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database
) -> None:
    to_emsp = key(str(EMSP))
    await store.change(put())
    placed = await store.place(put(to_emsp))
    await feed.close_addressed(LaneId(EMSP, "tariffs"), to_emsp, placed.position)
    await store.delete(delete())
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select audience from lane_gap where next_attempt_at <= now()"
        )
    assert [row["audience"] for row in rows] == [str(EMSP)]


@pytest.mark.req("LO-08")
async def test_a_location_goes_with_its_evses(
    store: PostgresSharedStore, database: Database
) -> None:
    location = ObjectKey("locations", CPO, "L1")
    names = '"country_code":"NL","party_id":"CPO","id":"L1"'
    text = f'{{{names},"last_updated":"2026-01-01T00:00:00Z","evses":[]}}'
    await store.change(Change(location, text, False, UPDATED, Origin.PULL, "c"))
    evse = '{"uid":"E1","last_updated":"2027-01-01T00:00:00Z"}'
    part = Change(location, evse, False, LATER, Origin.BROADCAST, "c", part=("E1",))
    assert await store.change(part) is Changed.CREATED
    assert await store.delete(Deletion(location, Origin.PULL, "c")) is Changed.DELETED
    rows = "select count(*) from shared_object where not deleted or object_type <> ''"
    assert await value(database, rows) == 0
    assert (await store.page("locations", EMSP, [CPO], ALL)).total == 0


async def test_a_deletion_is_outlived_by_what_is_broadcast_later(
    store: PostgresSharedStore, feed: PostgresFeedStore
) -> None:
    async def outlived() -> list[bool]:
        found = [await feed.current(each) for each in (key(), to_emsp)]
        return [current.outlived for current in found if current is not None]

    to_emsp = key(str(EMSP))
    await store.change(put())
    await store.change(put(to_emsp))
    assert await outlived() == [False, False]
    await store.delete(delete())
    assert await outlived() == [False, False], "both are gone"
    await store.change(put(dated=LATER))
    assert await outlived() == [False, True]
    await store.change(put(to_emsp, dated=LATER))
    await store.delete(delete(to_emsp))
    assert await outlived() == [False, False], "deleted for this party alone, and later"


@pytest.mark.parametrize(
    ("on_its_way", "owed"), [("", 0), ("waits", 1), ("gap", 1), ("backfill", 1)]
)
async def test_what_a_broadcast_may_overtake_is_owed_once_more(
    store: PostgresSharedStore,
    feed: PostgresFeedStore,
    database: Database,
    on_its_way: str,
    owed: int,
) -> None:
    to_emsp, lane = key(str(EMSP)), LaneId(EMSP, "tariffs")
    await store.change(put())
    before = await feed.tail("tariffs")
    placed = await store.place(put(to_emsp, text="special"))
    names = (EMSP.country_code, EMSP.party_id)
    cursor = before - 1 if on_its_way == "waits" else before
    await execute(database, "insert into lane values ($1, $2, 'tariffs', $3)", *names, cursor)
    if on_its_way == "gap":
        answer = LastAnswer(500, None, None)
        await feed.open_gap(Gap(lane, key(), before, answer, timedelta(seconds=9)))
    if on_its_way == "backfill":
        async with database.transaction() as connection:
            await request_backfills(connection, [(lane, CPO)])
    await feed.close_addressed(lane, to_emsp, placed.position)
    due = "select count(*) from lane_gap where audience <> '*' and next_attempt_at <= now()"
    assert await value(database, due) == owed
