"""A CPO reads an eMSP's whole token list, page by page, following `Link`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import Cursor, next_url
from tests.bench import messages, targets
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure
from tests.bench.http import Line, line
from tests.bench.seeding import Partner
from tests.bench.world import HUB, Bench, World

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
TOKENS = 100_000
TOKENS_FULL = 1_000_000
PAGE = 1000
SMALL_PAGE = 200
"""Of which a million tokens make 5,000."""
SMALL_READS = 300
COUNTS = 10
"""Reads of a page that counts the whole list."""
_UNREACHED = "http://127.0.0.1:9"
_NEXT = re.compile(r'<([^>]*)>; rel="next"')


@dataclass(frozen=True, slots=True)
class _Crawl:
    """CPU seconds by process, and seconds that the last tenth and the first tenth took."""

    hub_s: float
    postgres_s: float
    seconds: float
    last_to_first: float


async def run(bench: Bench) -> Sequence[Figure]:
    number = TOKENS_FULL if bench.full else TOKENS
    partners = [Partner(CPO, "CPO", _UNREACHED), Partner(EMSP, "EMSP", _UNREACHED)]
    uids = [f"04{serial:012X}" for serial in range(number)]
    async with bench.world("pages", partners, tokens=[(EMSP, uids)]) as world:
        crawls = [await _crawl(world, partners[0].token, number) for _ in range(bench.repeats)]
        async with line(world.port) as way:
            deep = _Deep(world, way, partners[0].token, number)
            ratios = [await deep.ratio() for _ in range(bench.repeats)]
    last = crawls[-1]
    return [
        Figure(
            targets.PAGES,
            [crawl.hub_s * 1e6 / number for crawl in crawls],
            {
                "tokens": number,
                "postgres us": last.postgres_s * 1e6 / number,
                "tokens/s": number / last.seconds,
                "last tenth / first tenth": last.last_to_first,
            },
        ),
        Figure(
            targets.DEEP,
            ratios,
            {
                **{f"page {number:,} us": cost for number, cost in deep.costs_us.items()},
                "tokens on a page": SMALL_PAGE,
            },
            note="hub and PostgreSQL; page 2 stands for the first, which counts the list besides",
        ),
    ]


class _Deep:
    """Reads a late page beside an early one. Both go on from a cursor: the first page, which has to
    count the list, would make the late one look cheap.

    Attributes:
        last: the number of the late page.
        costs_us: what the pages cost the last time, by number.
    """

    def __init__(self, world: World, way: Line, token: str, tokens: int) -> None:
        self._world = world
        self._way = way
        self._token = token
        self._tokens = tokens
        self.last = tokens // SMALL_PAGE
        self.costs_us: dict[int, float] = {}

    async def ratio(self) -> float:
        """The late page to the second one."""
        self.costs_us = {number: await self._cost(number) for number in (1, 2, self.last)}
        return self.costs_us[self.last] / self.costs_us[2]

    async def _cost(self, number: int) -> float:
        """CPU microseconds of hub and PostgreSQL for a page."""
        target = await self._target(number)
        times = SMALL_READS if number > 1 else COUNTS
        before = cpu_s(*self._world.watched.values())
        for _ in range(times):
            seen: set[str] = set()
            await _page(self._way, target, self._token, seen)
            if len(seen) != SMALL_PAGE:
                raise AssertionError(f"{len(seen)} tokens on page {number}")
        return (cpu_s(*self._world.watched.values()) - before) * 1e6 / times

    async def _target(self, number: int) -> str:
        """The link that leads to a page, as the page before it has it."""
        path = "/ocpi/2.2.1/sender/tokens"
        offset = (number - 1) * SMALL_PAGE
        if not offset:
            return f"{path}?limit={SMALL_PAGE}"
        serial = await self._world.connection.fetchval(
            "select serial from shared_object where module = 'tokens' order by serial"
            " offset $1 limit 1",
            offset - 1,
        )
        cursor = Cursor(serial, self._tokens)
        return next_url(path, (), offset=offset, limit=SMALL_PAGE, cursor=cursor)


async def _crawl(world: World, token: str, expected: int) -> _Crawl:
    target: str | None = f"/ocpi/2.2.1/sender/tokens?limit={PAGE}"
    hub, postgres = (cpu_s(pid) for pid in world.watched.values())
    times = [time.monotonic()]
    seen: set[str] = set()
    async with line(world.port) as way:
        while target is not None:
            target = await _page(way, target, token, seen)
            times.append(time.monotonic())
    if len(seen) != expected:
        raise AssertionError(f"{len(seen)} of {expected} tokens were listed")
    hub_s, postgres_s = (cpu_s(pid) for pid in world.watched.values())
    tenth = max(1, (len(times) - 1) // 10)
    return _Crawl(
        hub_s - hub,
        postgres_s - postgres,
        times[-1] - times[0],
        (times[-1] - times[-1 - tenth]) / (times[tenth] - times[0]),
    )


async def _page(way: Line, target: str, token: str, seen: set[str]) -> str | None:
    """Read one page; the target of the next one."""
    request = messages.request("GET", target, token=token, to=HUB, sender=CPO)
    headers, body = await way.get_done(request)
    seen.update(each["uid"] for each in json.loads(body)["data"])
    found = _NEXT.search(headers.get("link", ""))
    if found is None:
        return None
    parts = urlsplit(found[1])
    return f"{parts.path}?{parts.query}"
