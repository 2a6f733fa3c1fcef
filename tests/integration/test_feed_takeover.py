"""Lanes that change hands while a push is on its way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.protocols import Current, Entry, LaneId
from ocpi_hub.delivery.feed.sender import Sender
from ocpi_hub.delivery.shared import Change
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Exchange, OutboundRequest
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin
from ocpi_hub.domain.party import Role
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from tests.support.factories import CPO, EMSP, make_directory, make_platform, text, token
from tests.support.feeding import LIMITS, feeding
from tests.support.scripted import ScriptedClient, answer
from tests.support.stores import UPDATED, execute, shared_store, value, writing
from tests.support.waiting import eventually

KEY = ObjectKey("tokens", EMSP, "A", "RFID")
ADDRESSED = ObjectKey("tokens", EMSP, "A", "RFID", str(CPO))


def directory() -> Directory:
    return make_directory(make_platform((EMSP, Role.EMSP)), make_platform((CPO, Role.CPO)))


async def store_state(database: Database, state: int, key: ObjectKey = KEY) -> None:
    body = text(token("A", issuer=str(state)))
    when = UPDATED + timedelta(seconds=state)
    origin = Origin.BROADCAST if key.audience == EVERYBODY else Origin.DIRECT
    async with shared_store(database) as shared:
        await shared.change(Change(key, body, False, when, origin, "c"))
    await execute(database, "update lane_gap set next_attempt_at = now()")  # no relay came through


class Receiver:
    """Takes what comes; what is on its way to it stays there while `away`.

    Attributes:
        taken: states that arrived, in order.
        on_its_way: states that have not arrived yet.
    """

    def __init__(self) -> None:
        self.held: int | None = None
        self.taken: list[int] = []
        self.on_its_way: list[int] = []
        self.away = False

    async def send(self, request: OutboundRequest) -> Exchange:
        state = int(json.loads(request.body or b"")["issuer"])
        if self.away:
            self.on_its_way.append(state)
            await asyncio.Event().wait()
        self.held = state
        self.taken.append(state)
        return answer()

    async def holds(self, state: int) -> None:
        async def does() -> bool:
            return self.held == state

        await eventually(does, f"it holds state {state}")

    async def is_sent_something(self) -> None:
        async def is_sent() -> bool:
            return bool(self.on_its_way)

        await eventually(is_sent, "something is on its way")


@pytest.mark.parametrize("key", [KEY, ADDRESSED], ids=["broadcast", "addressed"])
async def test_what_a_dead_process_left_on_its_way_does_not_stay(
    address: DatabaseAddress, database: Database, key: ObjectKey
) -> None:
    receiver, known = Receiver(), directory()
    receiver.away = True
    async with feeding(address, lambda: known, receiver, ["tokens"]):
        await store_state(database, 1, key)
        await receiver.is_sent_something()
    await execute(database, "delete from process")
    receiver.away = False
    await store_state(database, 2, key)
    async with feeding(address, lambda: known, receiver, ["tokens"]):
        await receiver.holds(2)
        receiver.held = receiver.on_its_way.pop()
        await receiver.holds(2)


async def test_who_is_away_until_a_doubt_is_over_gets_what_it_missed_once(
    address: DatabaseAddress, database: Database
) -> None:
    receiver, here = Receiver(), directory()
    known, receiver.away = here, True
    async with feeding(address, lambda: known, receiver, ["tokens"]):
        await store_state(database, 1)
        await receiver.is_sent_something()
    await execute(database, "delete from process")
    receiver.away = False
    known = make_directory(
        make_platform((EMSP, Role.EMSP)), make_platform((CPO, Role.CPO), online=False)
    )
    async with feeding(address, lambda: known, receiver, ["tokens"]) as worker:
        lanes = worker.held.all
        await eventually(lambda: _waits(lanes), "the lane is taken over")
        lane = lanes[LaneId(CPO, "tokens")]
        assert lane.doubt is not None
        await store_state(database, 2)
        await eventually(lambda: _is_quiet(lane), "the doubt is over")
        known = here
        await receiver.holds(2)
        await eventually(lambda: _is_idle(lane), "there is nothing more to send")
    assert receiver.taken == [2]


async def _waits(lanes: Mapping[LaneId, Lane]) -> bool:
    return any(lane.scan is not None for lane in lanes.values())


async def _is_idle(lane: Lane) -> bool:
    return lane.idle


async def test_a_lane_with_a_push_on_its_way_is_not_given_back_at_the_end(
    address: DatabaseAddress, database: Database
) -> None:
    receiver, known = Receiver(), directory()
    stopped = asyncio.Event()
    stopped.set()
    left = "select count(*) from lane where process_id is not null"
    async with feeding(address, lambda: known, receiver, ["tokens"]) as worker:
        receiver.away = True
        await store_state(database, 1)
        await receiver.is_sent_something()
        await worker.run(stopped)
        assert await value(database, left) == 1


class SlowStore(PostgresFeedStore):
    """A database that takes its time to tell what an object is like."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, gap_lease=LIMITS.lease, batch_rows=10, batch_queue_rows=10)
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    async def current(self, key: ObjectKey) -> Current | None:
        found = await super().current(key)
        self.asked.set()
        await self.told.wait()
        return found


async def test_nothing_is_sent_when_the_lease_has_run_out_while_the_text_was_read(
    database: Database,
) -> None:
    await store_state(database, 1)
    store, client, errands = SlowStore(database), ScriptedClient(), Errands(grace_s=0.01)
    known, stop, held = directory(), asyncio.Event(), True
    sender = Sender(
        store, client, errands, lambda: known, SystemClock(), LIMITS, lambda _lane: held
    )
    lane = Lane.leased(LaneId(CPO, "tokens"), 0, 0, ())
    lane.offer(Entry(KEY, 1, 1))
    async with asyncio.TaskGroup() as group, writing(store.questions):
        group.create_task(errands.run(stop))
        await asyncio.sleep(0)
        sender.dispatch(lane)
        await store.asked.wait()
        held = False
        store.told.set()
        await eventually(lambda: _is_quiet(lane), "the errand has ended")
        stop.set()
    assert client.requests == []
    assert lane.waiting == 1


async def _is_quiet(lane: Lane) -> bool:
    return lane.quiet


async def test_a_push_that_is_cut_off_leaves_its_lane_in_doubt(
    address: DatabaseAddress, database: Database
) -> None:
    receiver, known = Receiver(), directory()
    receiver.away = True
    async with feeding(address, lambda: known, receiver, ["tokens"]) as worker:
        await store_state(database, 1)
        await receiver.is_sent_something()
        lane = worker.held.all[LaneId(CPO, "tokens")]
    assert not lane.quiet
    assert lane.cursor == 0
