"""Lanes, leases, gaps and backfills on PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from ocpi_hub.delivery.feed.protocols import Gap, LaneId
from ocpi_hub.delivery.shared import Change
from ocpi_hub.directory.protocols import ProcessRow
from ocpi_hub.domain.objects import LastAnswer, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore, request_backfills
from ocpi_hub.store.liveness import PostgresLivenessStore
from tests.support.factories import CPO, EMSP, text, token
from tests.support.stores import UPDATED, feed_store, shared_store

LANE = LaneId(CPO, "tokens")
OTHER = LaneId(PartyId("BE", "CP2"), "tokens")
LEASE = timedelta(seconds=30)
OVER = timedelta(seconds=-1)
NO = LastAnswer(500, None, "broken")


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresFeedStore]:
    async with feed_store(database) as running:
        yield running


async def process(database: Database) -> uuid.UUID:
    process_id = uuid.uuid4()
    async with database.connection() as connection:
        await connection.execute(
            "insert into process (process_id, host, pid) values ($1, 'test', 1)", process_id
        )
    return process_id


async def free_lanes(database: Database, dead: uuid.UUID) -> None:
    liveness = PostgresLivenessStore(database, check_every=LEASE, overlap=LEASE)
    await liveness.free_lanes([ProcessRow(dead, "test", 1)])


def key(uid: str, audience: str = "*") -> ObjectKey:
    return ObjectKey("tokens", EMSP, uid, "RFID", audience)


async def change(database: Database, uid: str, *, audience: str = "*", issuer: str = "x") -> int:
    """The position of what is addressed."""
    async with shared_store(database) as shared:
        origin = Origin.BROADCAST if audience == "*" else Origin.DIRECT
        body = text(token(uid, issuer=issuer))
        placed = await shared.place(Change(key(uid, audience), body, False, UPDATED, origin, "c"))
    return placed.position


async def test_a_lane_is_leased_by_one_process_until_its_lease_is_over(
    database: Database, store: PostgresFeedStore
) -> None:
    one, two = await process(database), await process(database)
    first = await store.lease(one, [LANE, OTHER], lease=LEASE, limit=10)
    assert {lane.lane for lane in first} == {LANE, OTHER}
    assert await store.lease(two, [LANE, OTHER], lease=LEASE, limit=10) == []
    assert set(await store.renew(one, {LANE: 7, OTHER: 3}, lease=OVER)) == {LANE, OTHER}
    (taken,) = await store.lease(two, [LANE], lease=LEASE, limit=10)
    assert (taken.lane, taken.cursor) == (LANE, 7)
    assert await store.renew(one, {LANE: 9}, lease=LEASE) == []


async def test_lanes_of_a_process_that_is_gone_are_free_at_once(
    database: Database, store: PostgresFeedStore
) -> None:
    gone, here = await process(database), await process(database)
    await store.lease(gone, [LANE], lease=LEASE, limit=10)
    async with database.connection() as connection:
        await connection.execute("delete from process where process_id = $1", gone)
    (taken,) = await store.lease(here, [LANE], lease=LEASE, limit=10)
    assert taken.in_doubt, "it may have left a push on its way"


async def test_a_lane_that_is_freed_before_its_lease_is_over_is_in_doubt(
    database: Database, store: PostgresFeedStore
) -> None:
    dead, here = await process(database), await process(database)
    await store.lease(dead, [LANE], lease=LEASE, limit=10)
    await free_lanes(database, dead)
    (taken,) = await store.lease(here, [LANE], lease=LEASE, limit=10)
    assert taken.in_doubt
    assert await store.renew(dead, {LANE: 9}, lease=LEASE) == []
    assert await store.renew(here, {LANE: 2}, lease=OVER) == [LANE]
    (again,) = await store.lease(dead, [LANE], lease=LEASE, limit=10)
    assert (again.cursor, again.in_doubt) == (2, False), "its lease is over"
    await store.release(dead, {LANE: 3})
    (given,) = await store.lease(here, [LANE], lease=LEASE, limit=10)
    assert not given.in_doubt


async def test_a_process_that_was_taken_for_dead_keeps_what_nobody_took(
    database: Database, store: PostgresFeedStore
) -> None:
    alive = await process(database)
    await store.lease(alive, [LANE], lease=LEASE, limit=10)
    await free_lanes(database, alive)
    assert await store.renew(alive, {LANE: 9}, lease=LEASE) == [LANE]


async def test_a_cursor_never_goes_back(database: Database, store: PostgresFeedStore) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    await store.renew(one, {LANE: 9}, lease=LEASE)
    await store.release(one, {LANE: 4})
    (again,) = await store.lease(one, [LANE], lease=LEASE, limit=10)
    assert again.cursor == 9


async def test_only_processes_that_feed_share_the_lanes(
    database: Database, store: PostgresFeedStore
) -> None:
    await process(database)
    one, two = await process(database), await process(database)
    assert await store.workers(one, alive=LEASE) == 1
    assert await store.workers(two, alive=LEASE) == 2
    assert await store.workers(uuid.uuid4(), alive=LEASE) == 2


async def test_gaps_are_due_leased_and_closed_by_position(
    database: Database, store: PostgresFeedStore
) -> None:
    one, two = await process(database), await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    await change(database, "A")
    await change(database, "B")
    await store.open_gap(Gap(LANE, key("A"), 5, NO, OVER))
    await store.open_gap(Gap(LANE, key("B"), 6, NO, None))
    await store.open_gap(Gap(LANE, key("gone"), 7, NO, OVER))
    assert await store.due_gaps(two, [LANE], 10) == []
    assert await store.due_gaps(one, [], 10) == [], "nobody is ready for any"
    (due,) = await store.due_gaps(one, [LANE], 10)
    assert (due.entry.key, due.entry.position, due.attempts) == (key("A"), 5, 1)
    assert await store.due_gaps(one, [LANE], 10) == [], "it is on its way"
    await store.close_gap(LANE, key("A"), 4)
    await store.hasten_gap(LANE, key("A"))
    assert len(await store.due_gaps(one, [LANE], 10)) == 1, "an older state closes nothing"
    await store.close_gap(LANE, key("A"), 5)
    await store.hasten_gap(LANE, key("A"))
    assert await store.due_gaps(one, [LANE], 10) == []
    await store.release(one, {LANE: 9})
    (again,) = await store.lease(two, [LANE], lease=LEASE, limit=10)
    assert again.gaps == {key("B")}


async def test_an_addressed_object_is_owed_until_its_own_verdict(
    database: Database, store: PostgresFeedStore
) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    first = await change(database, "A", audience=str(CPO), issuer="first")
    assert await store.due_gaps(one, [LANE], 10) == [], "its request has time to relay it"
    second = await change(database, "A", audience=str(CPO), issuer="second")
    addressed = key("A", str(CPO))
    await store.close_addressed(LANE, addressed, first)
    await store.hasten_gap(LANE, addressed)
    (due,) = await store.due_gaps(one, [LANE], 10)
    await store.close_addressed(LANE, addressed, second)
    (again,) = await store.due_gaps(one, [LANE], 10)
    assert again.entry == due.entry, "what the feed has taken up it sends, whatever relays say"
    await store.close_gap(LANE, addressed, due.entry.position)
    third = await change(database, "A", audience=str(CPO), issuer="third")
    await store.close_addressed(LANE, addressed, third)
    await store.hasten_gap(LANE, addressed)
    assert await store.due_gaps(one, [LANE], 10) == []
    assert await store.after("tokens", 0, 10) == [], "the feed passes over it"


async def test_what_the_feed_got_an_answer_to_is_closed_by_the_next_relay(
    database: Database, store: PostgresFeedStore
) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    addressed = key("A", str(CPO))
    for issuer, answer, closed in (("1", NO, True), ("2", LastAnswer(None, None, "?"), False)):
        await change(database, "A", audience=str(CPO), issuer=issuer)
        await store.hasten_gap(LANE, addressed)
        (due,) = await store.due_gaps(one, [LANE], 10)
        await store.open_gap(Gap(LANE, addressed, due.entry.position, answer, None))
        again = await change(database, "A", audience=str(CPO), issuer=f"{issuer} again")
        await store.close_addressed(LANE, addressed, again)
        await store.hasten_gap(LANE, addressed)
        assert (await store.due_gaps(one, [LANE], 10) == []) is closed


async def test_what_the_feed_sends_beside_a_newer_relay_is_owed_once_more(
    database: Database, store: PostgresFeedStore
) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    addressed = key("A", str(CPO))
    first = await change(database, "A", audience=str(CPO), issuer="first")
    sent = await store.current(addressed)
    assert sent is not None
    assert sent.position == sent.told == first
    await store.close_addressed(LANE, addressed, first)
    await store.owe_newer(LANE, addressed, sent.position)
    assert await store.due_gaps(one, [LANE], 10) == []
    second = await change(database, "A", audience=str(CPO), issuer="second")
    await store.owe_newer(LANE, addressed, sent.position)
    await store.close_addressed(LANE, addressed, second)
    assert len(await store.due_gaps(one, [LANE], 10)) == 1


async def test_an_older_push_that_is_judged_last_has_the_newer_one_sent_again(
    database: Database, store: PostgresFeedStore
) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    addressed = key("A", str(CPO))
    first, second = [
        await change(database, "A", audience=str(CPO), issuer=issuer)
        for issuer in ("first", "second")
    ]
    await store.close_addressed(LANE, addressed, second)
    assert await store.due_gaps(one, [LANE], 10) == []
    await store.close_addressed(LANE, addressed, first)
    (due,) = await store.due_gaps(one, [LANE], 10)
    current = await store.current(addressed)
    assert current is not None
    assert due.entry.position == current.position


async def test_the_feed_is_read_in_order_and_up_to_a_position(
    database: Database, store: PostgresFeedStore
) -> None:
    for uid in ("A", "B", "C"):
        await change(database, uid)
    await change(database, "A", issuer="new")
    entries = await store.after("tokens", 0, 10)
    assert [entry.key.object_id for entry in entries] == ["B", "C", "A"]
    assert await store.tail("tokens") == entries[-1].position
    until = await store.after("tokens", 0, 10, until=entries[0].position)
    assert [entry.key.object_id for entry in until] == ["B"]
    listed = await store.of_owner("tokens", EMSP, 0, 2, receiver=CPO)
    assert [entry.key.object_id for entry in listed] == ["A", "B"]
    now = await store.current(key("A"))
    assert now is not None
    assert '"new"' in now.body
    assert await store.current(key("nobody")) is None


async def test_a_backfill_that_is_requested_again_begins_anew(
    database: Database, store: PostgresFeedStore
) -> None:
    one = await process(database)
    await store.lease(one, [LANE], lease=LEASE, limit=10)
    async with database.transaction() as connection:
        await request_backfills(connection, [(LANE, EMSP)])
    (backfill,) = await store.backfills(one)
    await store.advance_backfill(backfill, 40)
    (moved,) = await store.backfills(one)
    assert moved.after_serial == 40
    async with database.transaction() as connection:
        await request_backfills(connection, [(LANE, EMSP)])
    await store.advance_backfill(moved, None)
    (again,) = await store.backfills(one)
    assert again.after_serial == 0
    await store.advance_backfill(again, None)
    assert await store.backfills(one) == []
