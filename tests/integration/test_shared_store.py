"""Shared objects on PostgreSQL: changes, the feed's order, what a reader sees."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ocpi_hub.delivery.shared import Change, Changed, Page
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import Overloaded, StoreError
from ocpi_hub.ocpi.paging import Cursor, PageRequest
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import UPDATED, shared_store, value

LATER = UPDATED + timedelta(minutes=5)
STRANGER = PartyId("FR", "OTH")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    async with shared_store(database) as store:
        yield store


@pytest.fixture
async def second(address: DatabaseAddress) -> AsyncIterator[PostgresSharedStore]:
    """The store of another process."""
    pool = await Database.open(address, make_settings(), application_name="second")
    async with shared_store(pool) as store:
        yield store
    await pool.close()


def key(uid: str = "T1", *, audience: str = EVERYBODY, owner: PartyId = EMSP) -> ObjectKey:
    return ObjectKey("tokens", owner, uid, "RFID", audience)


def put(body: str, at: datetime = UPDATED, *, of: ObjectKey | None = None) -> Change:
    return Change(of or key(), body, False, at, Origin.BROADCAST, "put")


def patch(body: str, at: datetime = LATER, *, of: ObjectKey | None = None) -> Change:
    return Change(of or key(), body, True, at, Origin.BROADCAST, "patch")


async def position(store: PostgresSharedStore, of: ObjectKey) -> int:
    row = await store.find(of)
    assert row is not None
    return row.position


async def test_put_creates_updates_and_leaves_alone(store: PostgresSharedStore) -> None:
    assert await store.change(put('{"a":1.10}')) is Changed.CREATED
    created = await store.find(key())
    assert created is not None
    assert (created.body, created.origin, created.correlation_id) == (
        '{"a":1.10}',
        Origin.BROADCAST,
        "put",
    )
    assert await store.change(put('{"a":1.10}', LATER)) is Changed.UNCHANGED
    assert await position(store, key()) == created.position
    assert await store.change(put('{"a":2}', LATER)) is Changed.UPDATED
    updated = await store.find(key())
    assert updated is not None
    assert updated.position > created.position
    assert (updated.serial, updated.last_updated) == (created.serial, LATER)


async def test_an_older_put_or_patch_is_dropped(store: PostgresSharedStore) -> None:
    await store.change(put('{"a":1}', LATER))
    assert await store.change(put('{"a":2}', UPDATED)) is Changed.STALE
    assert await store.change(patch('{"a":2}', UPDATED)) is Changed.STALE
    row = await store.find(key())
    assert row is not None
    assert (row.body, row.last_updated) == ('{"a":1}', LATER)


async def test_patches_that_each_fit_do_not_outgrow_the_limit_together(
    store: PostgresSharedStore,
) -> None:
    await store.change(put('{"a":1}'))
    growing = [replace(patch(f'{{"x{n}":"{"y" * 40}"}}'), max_bytes=120) for n in range(4)]
    changed = await asyncio.gather(*map(store.change, growing))
    assert changed == [Changed.UPDATED] * 2 + [Changed.TOO_LARGE] * 2
    row = await store.find(key())
    assert row is not None
    assert len(row.body) <= 120
    too_large = replace(put(f'"{"y" * 120}"', of=key("T2")), max_bytes=120)
    assert await store.change(too_large) is Changed.TOO_LARGE
    assert await store.find(key("T2")) is None


async def test_same_time_other_content_replaces(store: PostgresSharedStore) -> None:
    await store.change(put('{"a":1}'))
    assert await store.change(put('{"a":2}')) is Changed.UPDATED


@pytest.mark.req("TF-21")
async def test_patch_replaces_fields_and_keeps_the_text_of_the_others(
    store: PostgresSharedStore,
) -> None:
    await store.change(put('{"price":1.10,"volume":22.50,"extra":{"x":1e2},"gone":1}'))
    change = patch('{"price":2.00,"gone":null,"new":[0.0]}')
    assert await store.change(change) is Changed.UPDATED
    row = await store.find(key())
    assert row is not None
    assert row.body == '{"price":2.00,"volume":22.50,"extra":{"x":1e2},"new":[0.0]}'
    assert (row.last_updated, row.correlation_id) == (LATER, "patch")


async def test_patch_of_an_unknown_object_stores_nothing(store: PostgresSharedStore) -> None:
    assert await store.change(patch('{"a":1}')) is Changed.MISSING
    assert await store.find(key()) is None


async def test_patch_for_one_party_begins_with_what_was_broadcast(
    store: PostgresSharedStore,
) -> None:
    addressed = key(audience=str(CPO))
    await store.change(put('{"a":1,"b":2.0}'))
    assert await store.change(patch('{"a":3}', of=addressed)) is Changed.CREATED
    for_cpo, for_all = await store.find(addressed), await store.find(key())
    assert for_cpo is not None
    assert for_all is not None
    assert (for_cpo.body, for_all.body) == ('{"a":3,"b":2.0}', '{"a":1,"b":2.0}')
    assert await store.change(patch('{"b":4}', of=addressed)) is Changed.UPDATED
    assert (await store.find(addressed) or for_all).body == '{"a":3,"b":4}'


async def test_changes_of_one_object_in_one_batch_are_applied_in_order(
    store: PostgresSharedStore, database: Database
) -> None:
    changes = [
        patch('{"a":0}'),
        put('{"a":1}'),
        patch('{"b":2}', UPDATED),
        put('{"a":9}', UPDATED - timedelta(days=1)),
        patch('{"a":3}'),
        patch('{"a":3}'),
    ]
    results = await asyncio.gather(*map(store.change, changes))
    assert results == [
        Changed.MISSING,
        Changed.CREATED,
        Changed.UPDATED,
        Changed.STALE,
        Changed.UPDATED,
        Changed.UNCHANGED,
    ]
    row = await store.find(key())
    assert row is not None
    assert row.body == '{"a":3,"b":2}'
    assert await value(database, "select last_value from shared_object_position") == 1


async def test_a_change_that_cannot_be_applied_hurts_no_other(store: PostgresSharedStore) -> None:
    await store.change(put('{"a":1}'))
    results = await asyncio.gather(
        store.change(put("{}", of=key("T2"))),
        store.change(patch("[]")),
        store.change(put("{}", of=key("T3"))),
        return_exceptions=True,
    )
    assert results[0] is results[2] is Changed.CREATED
    assert isinstance(results[1], ValueError)


# The feed ----------------------------------------------------------------------------------------


async def test_many_changes_come_to_what_each_of_them_comes_to(store: PostgresSharedStore) -> None:
    await store.change(put('{"a":1}', of=key("KNOWN")))
    bodies = {"KNOWN": '{"a":1}', "NEW": '{"a":2}', "BROKEN": "{", "LAST": '{"a":3}'}
    results = await store.change_each([put(body, of=key(uid)) for uid, body in bodies.items()])
    assert results[0] is Changed.UNCHANGED
    assert results[1] is results[3] is Changed.CREATED
    assert isinstance(results[2], StoreError)
    assert await store.find(key("BROKEN")) is None


async def test_more_changes_than_there_is_room_for_are_overload(database: Database) -> None:
    forgotten: list[ObjectKey] = []
    store = PostgresSharedStore(
        database,
        relay_time=timedelta(),
        batch_rows=10,
        batch_queue_rows=2,
        changed=forgotten.append,
    )
    stop = asyncio.Event()
    writing = asyncio.ensure_future(store.changes.run(stop))
    changes = [put("{}", of=key(uid)) for uid in ("T1", "T2", "T3")]
    with pytest.raises(Overloaded):
        await store.change_each(changes)
    # What had room is written, and whatever may have been is looked up anew.
    assert await value(database, "select count(*) from shared_object") == 2
    assert forgotten == [change.key for change in changes]
    stop.set()
    await writing


async def _read_feed(
    database: Database, done: asyncio.Event
) -> tuple[dict[str, str], list[tuple[int, ...]]]:
    """Follow the feed by `position > cursor` until the writers are done and nothing is left."""
    seen: dict[str, str] = {}
    reads: list[tuple[int, ...]] = []
    cursor = 0
    while True:
        finished = done.is_set()
        async with database.connection() as connection:
            rows = await connection.fetch(
                "select object_id, body, position from shared_object"
                " where module = 'tokens' and position > $1 order by position limit 50",
                cursor,
            )
        for row in rows:
            seen[row["object_id"]] = row["body"]
        if rows:
            reads.append(tuple(row["position"] for row in rows))
            cursor = rows[-1]["position"]
        elif finished:
            return seen, reads


async def test_a_reader_of_the_feed_never_misses_a_final_state(
    store: PostgresSharedStore, second: PostgresSharedStore, database: Database
) -> None:
    choice = random.Random(3)  # noqa: S311 - reproducible
    done = asyncio.Event()

    async def write(store: PostgresSharedStore, number: int) -> None:
        for step in range(150):
            at = UPDATED + timedelta(seconds=step)
            of = key(f"T{choice.randrange(40)}")
            await store.change(put(f'{{"by":{number},"step":{step}}}', at, of=of))

    reading = asyncio.ensure_future(_read_feed(database, done))
    await asyncio.gather(*[write(each, number) for number, each in enumerate([store, second] * 2)])
    done.set()
    seen, reads = await reading
    async with database.connection() as connection:
        rows = await connection.fetch("select object_id, body from shared_object")
    assert seen == {row["object_id"]: row["body"] for row in rows}
    positions = [position for read in reads for position in read]
    assert positions == sorted(set(positions))


async def test_every_change_takes_a_later_position(
    store: PostgresSharedStore, second: PostgresSharedStore
) -> None:
    positions = []
    for step in range(10):
        writer = (store, second)[step % 2]
        await writer.change(put(f"[{step}]", UPDATED + timedelta(seconds=step)))
        positions.append(await position(store, key()))
    assert positions == sorted(set(positions))


# Lists -------------------------------------------------------------------------------------------


def ask(*, limit: int = 100, offset: int = 0, after: Page | None = None) -> PageRequest:
    cursor = None
    if after is not None:
        assert after.last_serial is not None
        cursor = Cursor(after.last_serial, after.total)
    return PageRequest(None, None, offset, limit, cursor)


async def test_a_reader_sees_what_was_broadcast_and_what_was_addressed_to_it(
    store: PostgresSharedStore,
) -> None:
    await store.change(put('"for all"', of=key("A")))
    await store.change(put('"for all, replaced"', of=key("B")))
    await store.change(put('"for the CPO"', of=key("B", audience=str(CPO))))
    await store.change(put('"for a stranger"', of=key("C", audience=str(STRANGER))))
    await store.change(put('"of a stranger"', of=key("D", owner=STRANGER)))
    for_cpo = await store.page("tokens", CPO, [EMSP], ask())
    assert (for_cpo.texts, for_cpo.total) == (('"for all"', '"for the CPO"'), 2)
    stranger = await store.page("tokens", STRANGER, [EMSP, CPO], ask())
    assert stranger.texts == ('"for all"', '"for all, replaced"', '"for a stranger"')
    assert stranger.total == 3
    both = await store.page("tokens", CPO, [EMSP, STRANGER], ask())
    assert both.texts == ('"for all"', '"for the CPO"', '"of a stranger"')
    assert (await store.page("tokens", CPO, [], ask())).total == 0
    assert (await store.page("tariffs", CPO, [EMSP], ask())).texts == ()


@pytest.mark.req("RT-40")
async def test_a_crawl_shows_each_object_once_while_objects_change(
    store: PostgresSharedStore,
) -> None:
    for number in range(10):
        await store.change(put(f"[{number}]", of=key(f"T{number}")))
    seen: list[str] = []
    page = await store.page("tokens", CPO, [EMSP], ask(limit=4))
    seen += page.texts
    step = 0
    while page.last_serial is not None:
        step += 1
        await store.change(put(f"[{step},1]", LATER, of=key(f"T{step}")))
        await store.change(put("[10]", of=key("T10")))
        page = await store.page("tokens", CPO, [EMSP], ask(limit=4, offset=4 * step, after=page))
        assert page.total == 10
        seen += page.texts
    assert seen == [f"[{n}]" for n in range(11)]


@pytest.mark.req("TF-13")
async def test_the_date_window_includes_its_beginning_and_excludes_its_end(
    store: PostgresSharedStore,
) -> None:
    for hours in range(4):
        at = UPDATED + timedelta(hours=hours)
        await store.change(put(f"{hours}", at, of=key(f"T{hours}")))
    window = PageRequest(UPDATED + timedelta(hours=1), UPDATED + timedelta(hours=3), 0, 10)
    page = await store.page("tokens", CPO, [EMSP], window)
    assert (page.texts, page.total) == (("1", "2"), 2)
    offset = PageRequest(None, None, 3, 10)
    assert (await store.page("tokens", CPO, [EMSP], offset)).texts == ("3",)
