"""Pushes to one party that come quickly after each other: their relays may arrive in any order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import Change, Changed, Deletion, Placed
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import Role
from ocpi_hub.errors import ReceiverNotConnected
from ocpi_hub.routing.route import ToParty
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from ocpi_hub.store.shared import PostgresSharedStore
from tests.integration.test_location_feed import change, evse, location
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_message, make_platform
from tests.support.scripted import ScriptedClient
from tests.support.stores import UPDATED, feed_store, shared_store, value

LANE = LaneId(EMSP, "locations")
SAME = "one correlation id for all"


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    async with shared_store(database) as running:
        yield running


@pytest_asyncio.fixture
async def feed(database: Database) -> AsyncIterator[PostgresFeedStore]:
    async with feed_store(database) as running:
        yield running


def whole(second: int) -> Change:
    return change(location("L1", second), "L1", to=EMSP)


def part(second: int, uid: str = "E1") -> Change:
    return change(evse(uid, second), "L1", uid, to=EMSP)


async def placed(
    store: PostgresSharedStore, changes: Sequence[Change | Deletion], *, together: bool
) -> list[Placed]:
    if together:
        return await asyncio.gather(*(store.place(each) for each in changes))
    return [await store.place(each) for each in changes]


async def owed(database: Database, *, now: bool = False) -> list[str]:
    """Types of the rows with a gap; `now`: those that the feed sends without waiting."""
    found = await value(
        database,
        "select array_agg(object_type order by object_type) from lane_gap"
        " where next_attempt_at <= now() or not $1",
        now,
    )
    return found or []


@pytest.mark.parametrize("together", [False, True])
async def test_the_verdict_of_one_push_says_nothing_about_the_next_one(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database, together: bool
) -> None:
    def tariff(said: str) -> Change:
        key = ObjectKey("tariffs", CPO, "T1", audience=str(EMSP))
        return Change(key, f'{{"id":"{said}"}}', False, UPDATED, Origin.DIRECT, SAME)

    lane, steps = LaneId(EMSP, "tariffs"), [tariff("1"), tariff("2")]
    first, second = await placed(store, steps, together=together)
    await feed.close_addressed(lane, steps[0].key, first.position)
    assert await owed(database) == [""], "the second one was not judged"
    [again] = await placed(store, [tariff("2")], together=False)
    assert (again.changed, again.position) == (Changed.UNCHANGED, second.position)


@pytest.mark.parametrize("together", [False, True])
async def test_a_deletion_for_everybody_is_owed_whatever_comes_of_earlier_pushes(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database, together: bool
) -> None:
    key = ObjectKey("tariffs", CPO, "T1", audience=str(EMSP))
    everybodys = ObjectKey("tariffs", CPO, "T1")
    steps: list[Change | Deletion]
    steps = [
        Change(everybodys, "{}", False, UPDATED, Origin.BROADCAST, SAME),
        Change(key, "{}", False, UPDATED, Origin.DIRECT, SAME),
        Deletion(everybodys, Origin.BROADCAST, SAME),
    ]
    _, pushed, _ = await placed(store, steps, together=together)
    await feed.close_addressed(LaneId(EMSP, "tariffs"), key, pushed.position)
    assert await owed(database) == [""]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("steps", "older_owes", "newer_owes"),
    [
        pytest.param([whole(1), part(2)], ["EVSE:e1"], [], id="EVSE after Location"),
        pytest.param([part(2), whole(3)], [""], [], id="Location after EVSE"),
        pytest.param([part(2), part(3)], ["EVSE:e1"], [], id="EVSE after EVSE"),
        pytest.param([part(2, "E2"), part(3)], [], [], id="another EVSE"),
    ],
)
async def test_what_may_have_been_overtaken_is_sent_again(
    store: PostgresSharedStore,
    feed: PostgresFeedStore,
    database: Database,
    steps: list[Change],
    older_owes: list[str],
    newer_owes: list[str],
    together: bool,
) -> None:
    base = await store.place(whole(0))
    await feed.close_addressed(LANE, whole(0).key, base.position)
    older, newer = await placed(store, steps, together=together)
    await feed.close_addressed(LANE, steps[1].feed_key, newer.position)
    assert await owed(database, now=True) == newer_owes
    await feed.close_addressed(LANE, steps[0].feed_key, older.position)
    assert await owed(database, now=True) == older_owes
    assert await owed(database) == older_owes


async def test_what_is_said_twice_is_not_sent_again(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database
) -> None:
    for step in (whole(0), whole(0), part(0), part(1), part(1)):
        found = await store.place(step)
        await feed.close_addressed(LANE, step.feed_key, found.position)
        assert await owed(database) == []


async def test_a_location_that_the_feed_sends_knows_its_evses_by_then(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database
) -> None:
    for step in (whole(0), part(1)):
        found = await store.place(step)
        await feed.close_addressed(LANE, step.feed_key, found.position)
    sent = await feed.current(whole(0).key)
    assert sent is not None
    await feed.owe_newer(LANE, sent.key, sent.told)
    assert await owed(database) == []
    found = await store.place(part(2))
    await feed.close_addressed(LANE, part(2).feed_key, found.position)
    await feed.owe_newer(LANE, sent.key, sent.told)
    assert await owed(database) == ["EVSE:e1"]


@pytest.mark.parametrize(("catch_up", "stays"), [("push", [""]), ("pull", []), ("none", [])])
async def test_who_fetches_what_it_missed_is_not_owed_what_could_not_be_relayed(
    store: PostgresSharedStore,
    feed: PostgresFeedStore,
    database: Database,
    catch_up: str,
    stays: list[str],
) -> None:
    found = await store.place(whole(0))
    links = PageLinks("https://hub.example", lambda text: "5ea1", ManualClock(), days=7)
    pushes = AddressedPushes(Relay(ScriptedClient(), links, timeout_s=1.0), store, feed)
    platform = replace(make_platform((EMSP, Role.EMSP)), catch_up=catch_up)
    message = make_message(make_platform((CPO, Role.CPO)), CPO, to=EMSP, module="locations")
    with pytest.raises(ReceiverNotConnected):
        await pushes.pass_on(
            message, ToParty(EMSP, platform, online=False), whole(0).key, found.position
        )
    assert await owed(database) == stays


async def test_the_first_evse_for_one_party_is_all_that_it_is_owed(
    store: PostgresSharedStore, feed: PostgresFeedStore, database: Database
) -> None:
    await store.change(change(location("L1", 0), "L1"))
    found = await store.place(part(1))
    assert await owed(database) == ["EVSE:e1"]
    await feed.close_addressed(LANE, part(1).feed_key, found.position)
    assert await owed(database) == []
