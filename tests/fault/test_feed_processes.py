"""Three hub processes are killed at random moments while writers push to whichever of them lives.

What the hub promises (docs/feed.md, docs/decisions/0007-feed.md), and what is checked:

- What was acknowledged is kept: in the end every receiver holds, of each object, the newest state
  that was acknowledged. The model is a dictionary. A writer without an answer does not know what
  became of its push, and repeats it until it is acknowledged; of two writers the later
  `last_updated` wins, in whichever order their pushes come, to whichever process.
- A receiver may be given a state twice, and never an older one after a newer one, as long as killed
  processes start again elsewhere: whoever takes over a lane waits until its lease has run out, and
  with that the time of what the dead process had on its way. This is checked of what receivers are
  given, taken or not, and of the order in which they take.
- A process that starts again where it was, or beside another one, takes lanes at once, and so does
  anybody after a stop. A receiver may then take an older state after a newer one, and is given the
  newest once more: it never keeps the older one. So the writers stop right after such a start.
- All this is about receivers that take a push within `relay_timeout_s` (here within a third of
  it), or not at all: the hub has no means against one that takes what the hub gave up before.
- Nothing is left: no gap, and every cursor is where the feed ends.

The choices are repeatable by their seeds; when what happens is up to the machine.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.bench.seeding import Partner, bring_on_board
from tests.support.copies import comparable
from tests.support.hub import HubProcess
from tests.support.keeping_partner import CALM, KeepingPartner, Mood
from tests.support.roaming_model import Dates, differences
from tests.support.state_model import Model, Order
from tests.support.state_writers import MODULES, OWNERS, Changes, Writer
from tests.support.thorough import rounds
from tests.support.waiting import eventually
from tests.support.wire import Wire

HUBS = 3
KILLS = rounds(2, 25)
"""Of each hub."""
ROUNDS = rounds(1, 20)
"""Of a quick restart each."""
WRITERS = 3
"""Of each of the two owners."""
RECEIVERS = 3
"""Of each of the two modules."""

SETTINGS = {
    "workers": "1",
    "relay_timeout_s": "2",
    "lane_lease_s": "1",
    "lease_margin_s": "0.5",
    "retry_min_s": "0.05",
    "retry_max_s": "0.3",
    "feed_poll_s": "0.05",
    "catch_up_rps": "2000",
    "directory_poll_s": "0.1",
    "directory_max_age_s": "2",
    "log_level": "info",
}
SLOW_S, LATE_S = 0.7, 2.3
"""Shorter than `relay_timeout_s`, and longer."""
MOODS = (
    Mood(slow=0.5),
    Mood(lost=0.1, dropped=0.1, broken=0.1, slow=0.3),
    Mood(lost=0.1, late=0.02, dropped=0.1, broken=0.1, slow=0.1),
)


class Ends:
    """Ends hubs and starts them again.

    Args:
        hubs: programs `tests.support.hub_elsewhere`.
    """

    def __init__(self, hubs: Sequence[HubProcess], seed: int) -> None:
        self._hubs = hubs
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._machines = 0

    def on_another_machine(self, hub: HubProcess) -> None:
        """Where it starts nobody has run, or knows whether what ran elsewhere is dead."""
        self._machines += 1
        hub.environment["HOST_NAME"] = f"machine-{self._machines}"

    async def kill_all_now_and_then(self) -> None:
        """Each for itself, sometimes two or three at once."""
        async with asyncio.TaskGroup() as group:
            for number, hub in enumerate(self._hubs, self._seed):
                group.create_task(self._kill(hub, random.Random(number)))  # noqa: S311 - the same

    async def _kill(self, hub: HubProcess, chance: random.Random) -> None:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.2, 1.5))
            await hub.kill()
            self.on_another_machine(hub)
            await hub.start()

    async def end_one(self) -> None:
        """Kill one, or stop it, and start it again where it was, or where another one runs. It
        takes those for dead that were there, and what they had."""
        hub, machine = (self._chance.choice(self._hubs) for _ in range(2))
        await asyncio.sleep(self._chance.uniform(0.1, 0.4))
        await (hub.kill() if self._chance.random() < 0.7 else hub.stop())
        hub.environment["HOST_NAME"] = machine.environment["HOST_NAME"]
        await hub.start()
        await asyncio.sleep(self._chance.uniform(0.1, 0.6))


@dataclass(frozen=True, slots=True)
class World:
    """Hubs, receivers and writers."""

    hubs: Sequence[HubProcess]
    ends: Ends
    receivers: Sequence[KeepingPartner]
    writers: Sequence[Writer]
    model: Model
    order: Order

    def differences(self) -> list[str]:
        lines: list[str] = []
        for receiver in self.receivers:
            module = MODULES["EMSP" if receiver.role == "CPO" else "CPO"]
            for party in receiver.parties:
                held = {key: comparable(value) for key, value in receiver.held[party].items()}
                found = differences(self.model.of(module), held)
                lines += [f"{party} {line}" for line in found]
        return lines


class OrderedPartner(KeepingPartner):
    """A receiver that tells what it gets, and when it takes it."""

    def __init__(self, role: str, party: str, order: Order, taken: Order, seed: int) -> None:
        super().__init__(role, [party], lambda *_: (), seed=seed, late_s=LATE_S, slow_s=SLOW_S)
        self.noted = lambda given, fate: order.note(given, f"got ({fate})")
        self.objection = lambda given: taken.note(given, "took")


@asynccontextmanager
async def world(address: DatabaseAddress, logs: Path) -> AsyncIterator[World]:
    order, model, dates = Order(), Model(), Dates()
    taken = Order(order.faults)
    async with AsyncExitStack() as stack:
        receivers = [
            await stack.enter_async_context(
                OrderedPartner(role, f"{country}*RC{number}", order, taken, number)
            )
            for role, country in (("CPO", "BE"), ("EMSP", "FR"))
            for number in range(RECEIVERS)
        ]
        owners = [
            Partner(PartyId.parse(OWNERS[role]), role, "http://127.0.0.1:1") for role in OWNERS
        ]
        connection = await asyncpg.connect(**address.connect_arguments())
        await bring_on_board(connection, [*owners, *map(_partner, receivers)], [])
        await connection.close()
        hubs = [
            HubProcess(
                address,
                logs / f"hub-{number}.log",
                program="tests.support.hub_elsewhere",
                settings=SETTINGS,
            )
            for number in range(HUBS)
        ]
        ends = Ends(hubs, seed=7)
        for hub in hubs:
            ends.on_another_machine(hub)
        await asyncio.gather(*map(stack.enter_async_context, hubs))
        writers = []
        for owner in owners:
            wires = [await stack.enter_async_context(Wire(hub, owner.token)) for hub in hubs]
            for number in range(WRITERS):
                changes = Changes(number, dates, f"W{number}", owner.role)
                writers.append(Writer(changes, wires, model, number))
        yield World(hubs, ends, receivers, writers, model, order)


def _partner(receiver: KeepingPartner) -> Partner:
    module = MODULES["EMSP" if receiver.role == "CPO" else "CPO"]
    url = f"{receiver.base_url}/receiver/{module}"
    party = PartyId.parse(receiver.parties[0])
    return Partner(party, receiver.role, receiver.base_url, [(module, "RECEIVER", url)])


NOTHING_IS_LEFT = """\
select not exists (select from lane_gap)
    and (select count(*) from lane) = $1
    and not exists (
        select from lane l
        where l.cursor < (select max(position) from shared_object o where o.module = l.module))
"""


async def settled(here: World, database: Database) -> None:
    """Return once no lane owes anything; every receiver holds the newest states by then."""
    for receiver in here.receivers:
        receiver.mood = CALM

    async def nothing_is_left() -> bool:
        async with database.connection() as connection:
            return bool(await connection.fetchval(NOTHING_IS_LEFT, len(here.receivers)))

    await eventually(nothing_is_left, "no lane owes anything", within_s=60)
    assert here.differences() == []


async def while_writing(here: World, doing: Awaitable[None]) -> None:
    stop = asyncio.Event()
    for number, receiver in enumerate(here.receivers):
        receiver.mood = MOODS[number % len(MOODS)]
    async with asyncio.TaskGroup() as group:
        for writer in here.writers:
            group.create_task(writer.run(stop))
        await doing
        stop.set()


@pytest.mark.timeout(rounds(120, 900))
@pytest.mark.req("LO-05", "RT-21", "RT-31")
async def test_no_receiver_skips_or_reorders_a_final_state_whichever_process_is_killed(
    address: DatabaseAddress, database: Database, tmp_path: Path
) -> None:
    async with world(address, tmp_path) as here:
        await asyncio.gather(*(writer.begin() for writer in here.writers))
        await while_writing(here, here.ends.kill_all_now_and_then())
        assert here.order.faults == []
        for _ in range(ROUNDS):
            await while_writing(here, here.ends.end_one())
            await settled(here, database)
        assert sum(writer.unanswered for writer in here.writers) > 0
        logs = [hub.logs() for hub in here.hubs]
    assert not [log for log in logs if "Traceback" in log]
