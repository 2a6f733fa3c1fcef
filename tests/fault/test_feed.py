"""Three processes feed three receivers while objects change, answers fail and processes die.

At the end every receiver holds the newest state of every object, and none of them was ever given a
state older than one it had: the model is a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.sender import FeedLimits
from ocpi_hub.delivery.feed.worker import FeedWorker
from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, OutboundRequest, Unreachable
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from tests.support.factories import EMSP, make_directory, make_platform
from tests.support.postgres import make_settings
from tests.support.scripted import answer
from tests.support.stores import shared_store, writing
from tests.support.waiting import eventually

RECEIVERS = [PartyId("NL", f"CP{number}") for number in range(3)]
UIDS = [f"UID{number}" for number in range(25)]
CHANGES = 1500
LIMITS = FeedLimits(
    lease=timedelta(seconds=1.0),
    attempt_s=0.3,
    poll_s=0.05,
    per_receiver=8,
    catch_up_rps=2000.0,
    first_s=0.02,
    longest_s=0.1,
    alive=timedelta(seconds=1),
)


class Receivers:
    """The far side: remembers what it got, and fails as it likes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.held: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.reordered: list[str] = []
        self.pushes = 0
        self.honest = False

    async def send(self, request: OutboundRequest) -> Exchange:
        await asyncio.sleep(self.chance.random() * 0.01)
        fate = 1.0 if self.honest else self.chance.random()
        if fate < 0.05:
            return Unreachable("connection refused")
        if fate < 0.08:
            return answer(None, http=500)
        self._take(request)
        return NoAnswer("connection lost") if fate < 0.11 else answer()

    def _take(self, request: OutboundRequest) -> Answer:
        self.pushes += 1
        receiver = request.headers["OCPI-to-party-id"]
        token = json.loads(request.body or b"")
        state = int(token["issuer"])
        held = self.held[receiver]
        if held.get(token["uid"], -1) > state:
            self.reordered.append(f"{receiver} {token['uid']} {held[token['uid']]} -> {state}")
        held[token["uid"]] = state
        return answer()


@asynccontextmanager
async def process(
    address: DatabaseAddress, directory: Directory, receivers: Receivers
) -> AsyncIterator[None]:
    """One process of the hub, as far as the feed goes. Cancelled, it is killed: no lane is given
    back, and nothing in flight is settled."""
    database = await Database.open(address, make_settings())
    process_id = uuid.uuid4()
    store = PostgresFeedStore(
        database, gap_lease=timedelta(seconds=1), batch_rows=500, batch_queue_rows=5000
    )
    errands = Errands(grace_s=0.01)
    worker = FeedWorker(
        store, receivers, errands, lambda: directory, SystemClock(), process_id, ["tokens"], LIMITS
    )
    async with database.connection() as connection:
        await connection.execute(
            "insert into process (process_id, host, pid) values ($1, 'test', 1)", process_id
        )
    async with asyncio.TaskGroup() as group, writing(store.questions, store.gaps):
        stop = asyncio.Event()
        running = group.create_task(errands.run(stop))
        feeding = group.create_task(worker.run(stop))
        try:
            yield
        finally:
            feeding.cancel()
            running.cancel()
    await database.close()


async def live_and_die(
    address: DatabaseAddress,
    directory: Directory,
    receivers: Receivers,
    stop: asyncio.Event,
) -> None:
    """Processes one after the other, each killed after a while."""
    while not stop.is_set():
        async with process(address, directory, receivers):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), receivers.chance.uniform(0.5, 3.0))


@pytest.mark.timeout(240)
async def test_every_receiver_ends_with_the_newest_state_of_everything(
    address: DatabaseAddress, database: Database
) -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    receivers = Receivers(chance)
    emsp = make_platform((EMSP, Role.EMSP))
    cpos = [make_platform((party, Role.CPO)) for party in RECEIVERS]
    directory = make_directory(emsp, *cpos)
    model: dict[str, int] = {}
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, shared_store(database) as shared:
        for _ in range(3):
            group.create_task(live_and_die(address, directory, receivers, stop))
        for state in range(CHANGES):
            uid = chance.choice(UIDS)
            assert await shared.change(change(uid, state)) in (Changed.CREATED, Changed.UPDATED)
            model[uid] = state
            if state % 100 == 0:
                await asyncio.sleep(0.3)
        receivers.honest = True

        async def complete() -> bool:
            return all(receivers.held[party.party_id] == model for party in RECEIVERS)

        await eventually(complete, "all receivers hold the newest state", within_s=60)
        stop.set()
    assert receivers.reordered == []
    assert receivers.pushes >= len(model) * len(RECEIVERS)
    async with database.connection() as connection:
        lanes = await connection.fetchval("select count(*) from lane")
    assert lanes == len(RECEIVERS)


def change(uid: str, state: int) -> Change:
    body = json.dumps({"uid": uid, "country_code": "DE", "party_id": "MSP", "issuer": str(state)})
    return Change(
        key=ObjectKey("tokens", EMSP, uid, "RFID"),
        body=body,
        partial=False,
        last_updated=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=state),
        origin=Origin.BROADCAST,
        correlation_id=f"correlation-{state}",
    )
