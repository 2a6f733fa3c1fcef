"""A statement over all CDRs of a relation: what it says while it is open, and closing it.

Beside a plain sum over the same rows. What the hub's own code keeps in memory meanwhile is compared
with a statement of a tenth: it must not grow with the CDRs.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from ocpi_hub.clearing.statement import Month, Relation
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.statements import StatementStore
from tests.bench import targets
from tests.bench.archive import HELD_EACH, store_cdrs
from tests.bench.figures import Figure
from tests.bench.seeding import Partner
from tests.bench.world import Bench, World

CPO = PartyId("NL", "CPO")
SMALL = PartyId("FR", "CPO")
"""Has a tenth of the CDRs."""
EMSP = PartyId("DE", "MSP")
NUMBER, NUMBER_FULL = 100_000, 1_000_000
ZONE = "Europe/Amsterdam"
_MONTH = Month.of(date(2026, 10, 1))
_UNTIL = datetime(2026, 10, 31, 12, tzinfo=UTC)
_END = _MONTH.end(ZoneInfo(ZONE))
_UNREACHED = "http://127.0.0.1:9"
_SUM = """
select sum(energy_kwh), sum(cost_excl_vat), sum(cost_incl_vat)
from cdr_ledger
where (country_code, party_id, receiver_country_code, receiver_party_id) = ($1, $2, $3, $4)
    and ended_at < $5
"""


async def run(bench: Bench) -> Sequence[Figure]:
    number = NUMBER_FULL if bench.full else NUMBER
    partners = [
        Partner(CPO, "CPO", _UNREACHED),
        Partner(SMALL, "CPO", _UNREACHED),
        Partner(EMSP, "EMSP", _UNREACHED),
    ]
    async with bench.world("statement", partners) as world:
        await store_cdrs(world.connection, CPO, EMSP, number, _UNTIL)
        await store_cdrs(world.connection, SMALL, EMSP, number // 10, _UNTIL)
        await world.connection.execute("vacuum analyze", timeout=1800)
        database = await world.hub.open_database()
        try:
            clerk = _Clerk(world, StatementStore(database))
            sums = [await clerk.sums(CPO) for _ in range(bench.repeats)]
            few = await clerk.close(SMALL, number // 10)
            many = await clerk.close(CPO, number)
        finally:
            await database.close()
    return [
        Figure(
            targets.STATEMENT,
            [told / plain for told, plain in sums],
            {"CDRs": number, "totals s": sums[-1][0], "plain sum s": sums[-1][1]},
        ),
        Figure(targets.STATEMENT_CLOSE, [many.seconds * 1e6 / number], {"seconds": many.seconds}),
        Figure(
            targets.STATEMENT_MEMORY,
            [many.peak_bytes / few.peak_bytes],
            {"all MB": many.peak_bytes / 1e6, "a tenth MB": few.peak_bytes / 1e6},
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Closed:
    """How long closing took, and the memory of this process that it needed at most."""

    seconds: float
    peak_bytes: int


class _Clerk:
    """Makes statements."""

    def __init__(self, world: World, statements: StatementStore) -> None:
        self._world = world
        self._statements = statements

    async def sums(self, cpo: PartyId) -> tuple[float, float]:
        """Seconds of an open statement's totals, and of the plain sum."""
        began = time.perf_counter()
        await self._statements.outlook(Relation(cpo, EMSP), _END, ZONE)
        between = time.perf_counter()
        place = (*party_columns(cpo), *party_columns(EMSP))
        await self._world.connection.fetchrow(_SUM, *place, _END, timeout=600)
        return between - began, time.perf_counter() - between

    async def close(self, cpo: PartyId, number: int) -> _Closed:
        """Close the month, sum it up again and read all its lines."""
        statements, lines = self._statements, 0
        tracemalloc.start()
        try:
            began = time.perf_counter()
            statement = await statements.begin(Relation(cpo, EMSP), _MONTH, ZONE, "bench")
            async for _ in statements.settle(statement):
                pass
            await statements.close(statement, "bench")
            seconds = time.perf_counter() - began
            async for _ in statements.lines(statement):
                lines += 1
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        held = number // HELD_EACH
        if lines != number - held:
            raise AssertionError(f"{lines} of {number - held} CDRs are on the statement")
        return _Closed(seconds, peak)
