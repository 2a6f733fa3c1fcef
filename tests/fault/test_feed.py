"""Three processes feed three receivers while objects change, answers fail and processes die.

At the end every receiver holds the newest state of every object, and none of them was ever given a
state older than one it had: the model is a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import (
    Answer,
    Exchange,
    NoAnswer,
    OutboundClient,
    OutboundRequest,
    Unreachable,
)
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import CPO, EMSP, make_directory, make_platform, text
from tests.support.feeding import LocationReceivers, feeding
from tests.support.postgres import make_settings
from tests.support.scripted import answer
from tests.support.stores import shared_store
from tests.support.thorough import rounds
from tests.support.waiting import eventually

RECEIVERS = [PartyId("NL", f"CP{number}") for number in range(3)]
UIDS = [f"UID{number}" for number in range(25)]
CHANGES = rounds(600, 3000)


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


async def live_and_die(
    address: DatabaseAddress,
    directory: Directory,
    client: OutboundClient,
    module: str,
    chance: random.Random,
    stop: asyncio.Event,
) -> None:
    """Processes one after the other, each killed after a while."""
    while not stop.is_set():
        async with feeding(address, lambda: directory, client, [module]):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), chance.uniform(0.5, 3.0))


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
            group.create_task(live_and_die(address, directory, receivers, "tokens", chance, stop))
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


# Locations ---------------------------------------------------------------------------------------

EMSPS = [PartyId("DE", f"MS{number}") for number in range(3)]
LOCATIONS = [f"L{number}" for number in range(8)]
EVSES = [f"E{number}" for number in range(4)]
LOCATION_CHANGES = 600

Model = dict[str, dict[str, int]]
"""By Location: the newest state of its own fields (under "") and of each EVSE."""


def some_change(chance: random.Random, state: int) -> Change:
    """A whole Location, or one EVSE of it; each Location comes whole at first."""
    if state < len(LOCATIONS):
        return location_change(LOCATIONS[state], state)
    uid = chance.choice(EVSES) if chance.random() < 0.9 else None
    return location_change(chance.choice(LOCATIONS), state, uid)


def location_change(name: str, state: int, uid: str | None = None) -> Change:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=state)
    dated = {"state": state, "last_updated": moment.isoformat().replace("+00:00", "Z")}
    evses = [{"uid": uid} | dated for uid in EVSES]
    whole = {"country_code": "NL", "party_id": "CPO", "id": name, "evses": evses} | dated
    return Change(
        key=ObjectKey("locations", CPO, name),
        body=text({"uid": uid} | dated if uid else whole),
        partial=False,
        last_updated=moment,
        origin=Origin.BROADCAST,
        correlation_id=f"correlation-{state}",
        part=(uid,) if uid else (),
    )


def learn(model: Model, change: Change) -> None:
    """What a change that was taken leaves: time never goes back, neither for a whole Location nor
    for a part of it, so of two states the later one stands."""
    state = json.loads(change.body)["state"]
    held = model.setdefault(change.key.object_id, {})
    for name in change.part or ("", *EVSES):
        held[name] = max(held.get(name, -1), state)


class FaultyReceivers(LocationReceivers):
    """eMSPs that fail as they like, until they are honest, and notice when time goes back."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.honest = False
        self.reordered: list[str] = []

    async def send(self, request: OutboundRequest) -> Exchange:
        await asyncio.sleep(self.chance.random() * 0.01)
        chance = 1.0 if self.honest else self.chance.random()
        if chance < 0.05:
            return Unreachable("connection refused")
        if chance < 0.08:
            return answer(None, http=500)
        if chance < 0.11:
            return answer(2001)
        before = {party: known(copy) for party, copy in self.copies.items()}
        exchange = await super().send(request)
        for party, model in before.items():
            now = known(self.copies[party])
            self.reordered += [
                f"{party} {name} {part}"
                for name, states in model.items()
                for part, state in states.items()
                if now[name][part] < state
            ]
        return NoAnswer("connection lost") if chance < 0.14 else exchange


def known(copies: Mapping[str, Mapping[str, Any]]) -> Model:
    """A receiver's copies as the model has them."""
    return {
        name: {"": held["state"]} | {uid: evse["state"] for uid, evse in held["evses"].items()}
        for name, held in copies.items()
    }


async def write(store: PostgresSharedStore, changes: Iterator[Change], model: Model) -> None:
    """One of several processes that write at the same time."""
    for change in changes:
        changed = await store.change(change)
        assert changed in (Changed.CREATED, Changed.UPDATED, Changed.STALE)
        if changed is not Changed.STALE:
            learn(model, change)
        if change.last_updated.second == 0:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240)
@pytest.mark.req("LO-05")
async def test_every_receivers_copy_of_every_location_ends_as_the_hubs(
    address: DatabaseAddress, database: Database
) -> None:
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    receivers = FaultyReceivers(chance)
    emsps = [make_platform((party, Role.EMSP)) for party in EMSPS]
    directory = make_directory(make_platform((CPO, Role.CPO)), *emsps)
    changes = (some_change(chance, state) for state in range(LOCATION_CHANGES))
    model: Model = {}
    stop = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(
                live_and_die(address, directory, receivers, "locations", chance, stop)
            )
        async with asyncio.TaskGroup() as writers:
            for _ in range(3):
                pool = await Database.open(address, make_settings())
                stack.push_async_callback(pool.close)
                store = await stack.enter_async_context(shared_store(pool))
                writers.create_task(write(store, changes, model))
        receivers.honest = True

        async def complete() -> bool:
            return all(known(receivers.copies[str(party)]) == model for party in EMSPS)

        async with shared_store(database) as store:
            # What was refused comes when it changes.
            last = (location_change(name, LOCATION_CHANGES) for name in LOCATIONS)
            await write(store, last, model)
            evses = (
                location_change(name, LOCATION_CHANGES + 1, uid)
                for name in LOCATIONS
                for uid in EVSES[:2]
            )
            await write(store, evses, model)
        await eventually(complete, "all copies are the hub's", within_s=60)
        stop.set()
    assert receivers.reordered == []
