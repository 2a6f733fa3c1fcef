"""An eMSP reads a page of a CPO's Locations, which the hub makes of the texts it keeps.

The page is read again and again. A page of 100 beside one of 1,000 shows what each Location adds.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ocpi_hub.domain.party import PartyId
from tests.bench import messages, targets
from tests.bench.changes import make_location
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure
from tests.bench.http import Line, line
from tests.bench.seeding import Partner, store_locations
from tests.bench.world import HUB, Bench, World
from tests.support import factories

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
LOCATIONS = 1000
SMALL = 100
READS = 30
"""Of a page of 1,000 in one measurement; of a smaller one ten times as many."""
_UNREACHED = "http://127.0.0.1:9"


async def run(bench: Bench) -> Sequence[Figure]:
    partners = [Partner(CPO, "CPO", _UNREACHED), Partner(EMSP, "EMSP", _UNREACHED)]
    texts = [factories.text(make_location(CPO, f"LOC{number}")) for number in range(LOCATIONS)]
    async with bench.world("lists", partners) as world:
        await store_locations(world.connection, CPO, texts)
        await world.connection.execute("vacuum analyze shared_object")
        async with line(world.port) as way:
            reader = _Reader(world, way, partners[1].token)
            await reader.cost(LOCATIONS, 3)
            large, small = [], []
            for _ in range(bench.repeats):
                large.append(await reader.cost(LOCATIONS, READS))
                small.append(await reader.cost(SMALL, READS * 10))
    size = sum(map(len, texts)) / LOCATIONS
    return [
        Figure(
            targets.LISTS,
            [hub_us / LOCATIONS for hub_us, _ in large],
            {
                "postgres us": statistics.median(us for _, us in large) / LOCATIONS,
                "bytes of a Location": size,
            },
        ),
        Figure(
            targets.LISTS_SIZE,
            [whole[0] / part[0] for whole, part in zip(large, small, strict=True)],
            {
                "page of 1,000 us": statistics.median(us for us, _ in large),
                "page of 100 us": statistics.median(us for us, _ in small),
            },
            note="10 if each Location costs the same and the request nothing",
        ),
    ]


class _Reader:
    """Reads the first page of the list."""

    def __init__(self, world: World, way: Line, token: str) -> None:
        self._world = world
        self._way = way
        self._token = token

    async def cost(self, limit: int, times: int) -> tuple[float, float]:
        """CPU microseconds of hub and PostgreSQL for a page."""
        target = f"/ocpi/2.2.1/sender/locations?limit={limit}"
        request = messages.request("GET", target, token=self._token, to=HUB, sender=EMSP)
        before = self._cpu()
        for _ in range(times):
            _, body = await self._way.get_done(request)
            listed = body.count(b'"time_zone"')
            if listed != limit:
                raise AssertionError(f"{listed} of {limit} Locations were listed")
        hub, postgres = (
            (now - then) * 1e6 / times for now, then in zip(self._cpu(), before, strict=True)
        )
        return hub, postgres

    def _cpu(self) -> list[float]:
        return [cpu_s(pid) for pid in self._world.watched.values()]
