"""A CPO reads an eMSP's whole token list, page by page, following `Link`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ocpi_hub.domain.party import PartyId
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
        )
    ]


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
