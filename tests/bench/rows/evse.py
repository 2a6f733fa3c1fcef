"""What one status change of an EVSE costs: rows that are written, and bytes to each receiver.

One change after the other, each when all receivers have the one before, so that none share a row.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from tests.bench import messages, programs, targets
from tests.bench.changes import Change, evse_change, receivers
from tests.bench.figures import Figure
from tests.bench.http import Line, line
from tests.bench.world import Bench, World

RECEIVERS = 5
CHANGES = 20
ARRIVAL_TIMEOUT_S = 30.0

_WRITTEN = """\
select coalesce(sum(rows), 0)::int
from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
    and query ~* '(insert into|update|delete from)\\s+shared_object\\M'
"""


async def run(bench: Bench) -> Sequence[Figure]:
    async with programs.python("tests.bench.sink", "--ports", str(RECEIVERS)) as sink:
        change = evse_change(sink.url)
        async with (
            bench.world("evse", [change.owner, *receivers(change, sink.ports)]) as world,
            line(world.port) as way,
            line(sink.port) as count,
        ):
            return await _measure(world, _Changes(change, way, count))


async def _measure(world: World, changes: _Changes) -> Sequence[Figure]:
    connection = world.connection
    await connection.execute("create extension if not exists pg_stat_statements")
    await changes.begin()
    await connection.execute("select pg_stat_statements_reset()")
    pushed_bytes = await changes.make(CHANGES)
    written = await connection.fetchval(_WRITTEN)
    return [
        Figure(
            targets.EVSE_ROWS,
            [written / CHANGES],
            {"receivers": RECEIVERS},
            note="the Location's text and the EVSE's place in the feed",
        ),
        Figure(
            targets.EVSE_BYTES,
            [pushed_bytes / CHANGES / RECEIVERS],
            note="head and body of the request; the EVSE has two connectors",
        ),
    ]


class _Changes:
    """Changes an EVSE again and again."""

    def __init__(self, change: Change, way: Line, count: Line) -> None:
        self._change = change
        self._way = way
        self._count = count
        self._number = 0

    async def begin(self) -> None:
        """All receivers have the Location, and a first change."""
        await self._way.get_done(self._change.first)
        await self._until_pushed(RECEIVERS)
        await self.make(1)

    async def make(self, times: int) -> int:
        """Change it so often; the bytes that went to receivers."""
        before = await self._counts()
        for number in range(1, times + 1):
            self._number += 1
            await self._way.get_done(self._change.request(self._number))
            await self._until_pushed(before["pushed"] + number * RECEIVERS)
        return (await self._counts())["pushed_bytes"] - before["pushed_bytes"]

    async def _until_pushed(self, expected: int) -> None:
        async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
            while (await self._counts())["pushed"] < expected:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.005)

    async def _counts(self) -> dict[str, int]:
        _, _, body = await self._count.ask(messages.request("GET", "/counts"))
        counts: dict[str, int] = json.loads(body)
        return counts
