"""One change that 500 receivers get: what a push costs, and how often the database is read for it.

The receivers are 500 platforms on 500 ports of one process, so that the hub keeps a connection to
each, as it does with partners. Changes follow one another when the last receiver has the one
before, so that each change is 500 pushes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import messages, programs, targets
from tests.bench.changes import Change, evse_change, receivers
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure
from tests.bench.http import Line, line
from tests.bench.world import Bench, World

RECEIVERS = 500
CHANGES = 10
"""Changes of one measurement."""
WARM_UP = 3
ARRIVAL_TIMEOUT_S = 60.0
IDLE_S = 3.0

_READS = """\
select coalesce(sum(calls), 0)::int
from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
    and query ~ '\\mshared_object\\M'
    and query !~* '(insert into|delete from|update \\w+ .*\\mset\\M|pg_stat_statements)'
"""


async def run(bench: Bench) -> Sequence[Figure]:
    async with programs.python("tests.bench.sink", "--ports", str(RECEIVERS)) as sink:
        change = evse_change(sink.url)
        async with (
            bench.world("fan_out", [change.owner, *receivers(change, sink.ports)]) as world,
            line(world.port) as way,
            line(sink.port) as count,
        ):
            fan = _FanOut(world, way, count, change)
            await fan.warm_up()
            idle = await fan.idle()
            costs = [await fan.cost() for _ in range(bench.repeats)]
            reads = await fan.reads()
    return [
        Figure(
            targets.FAN_OUT,
            [cost.hub_us for cost in costs],
            {
                "postgres us": statistics.median(cost.postgres_us for cost in costs),
                "pushes/s": statistics.median(cost.per_second for cost in costs),
                "idle hub ms/s": idle * 1000,
            },
            note=f"a change of an EVSE; {RECEIVERS} platforms on {RECEIVERS} ports of one process",
        ),
        Figure(
            targets.FEED_READS,
            [reads.per_change],
            {"statements in all": reads.statements, "idle polls/s": reads.polls_per_s},
            note="one process; the writer's own look at what it replaces is one of them",
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Cost:
    hub_us: float
    postgres_us: float
    per_second: float


@dataclass(frozen=True, slots=True)
class _Reads:
    """Statements for each change: those that read objects, and all. `polls_per_s`: while idle."""

    per_change: float
    statements: float
    polls_per_s: float


class _FanOut:
    """Changes one object again and again, each time until all receivers have it."""

    def __init__(self, world: World, way: Line, count: Line, change: Change) -> None:
        self._world = world
        self._way = way
        self._count = count
        self._change = change
        self._changes = 0

    async def warm_up(self) -> None:
        """The object exists, all lanes are leased, every connection is open."""
        before = await self._pushed()
        await self._way.get_done(self._change.first)
        await self._until_pushed(before + RECEIVERS)
        await self._change_often(WARM_UP)

    async def idle(self) -> float:
        """The share of a core that the hub uses while nothing changes."""
        before, began = cpu_s(self._world.watched["hub"]), time.monotonic()
        await asyncio.sleep(IDLE_S)
        return (cpu_s(self._world.watched["hub"]) - before) / (time.monotonic() - began)

    async def cost(self) -> _Cost:
        before, began = self._cpu(), time.monotonic()
        await self._change_often(CHANGES)
        after, seconds = self._cpu(), time.monotonic() - began
        pushes = CHANGES * RECEIVERS
        hub_us, postgres_us = (
            (now - then) * 1e6 / pushes for now, then in zip(after, before, strict=True)
        )
        return _Cost(hub_us, postgres_us, pushes / seconds)

    async def reads(self) -> _Reads:
        """Count what the database is asked while objects change, and while nothing does."""
        connection = self._world.connection
        await connection.execute("create extension if not exists pg_stat_statements")
        await connection.execute("select pg_stat_statements_reset()")
        await asyncio.sleep(IDLE_S)
        idle_per_s = (await self._read_so_far())[0] / IDLE_S
        await connection.execute("select pg_stat_statements_reset()")
        await self._change_often(CHANGES)
        found, statements = await self._read_so_far()
        return _Reads(found / CHANGES, statements / CHANGES, idle_per_s)

    def _cpu(self) -> list[float]:
        return [cpu_s(pid) for pid in self._world.watched.values()]

    async def _read_so_far(self) -> tuple[int, int]:
        """Statements that read objects, and all statements."""
        connection = self._world.connection
        reads = await connection.fetchval(_READS)
        every = await connection.fetchval("select sum(calls)::int from pg_stat_statements")
        return reads, every

    async def _change_often(self, times: int) -> None:
        for _ in range(times):
            before = await self._pushed()
            self._changes += 1
            await self._way.get_done(self._change.request(self._changes))
            await self._until_pushed(before + RECEIVERS)

    async def _until_pushed(self, expected: int) -> None:
        async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
            while (pushed := await self._pushed()) < expected:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.005)
        if pushed > expected:
            raise AssertionError(f"{pushed} pushes instead of {expected}")

    async def _pushed(self) -> int:
        _, _, body = await self._count.ask(messages.request("GET", "/counts"))
        return int(json.loads(body)["pushed"])
