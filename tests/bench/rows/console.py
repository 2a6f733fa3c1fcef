"""The console's pages and the admin API's lists over what years leave behind.

Every page that needs no place in its path is asked for, and where it is a list its next page and
the story of its first row too; likewise every list of the admin API, with each filter that has a
sample here. So a new page is measured without a word here. A page that only shows a form is the
baseline. What a page asks for once it is there is told apart.
"""

from __future__ import annotations

import html
import re
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from argon2 import PasswordHasher

from ocpi_hub.admin.keys import KeySecret
from ocpi_hub.console.pages import all_pages
from ocpi_hub.domain.party import PartyId
from tests.bench import targets
from tests.bench.archive import store_cdrs, store_many_tokens, store_messages
from tests.bench.figures import Figure, Quantity
from tests.bench.seeding import Partner
from tests.bench.world import Bench, World
from tests.support.console import PASSWORD, Browser

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
NUMBER, NUMBER_FULL = 100_000, 1_000_000
"""CDRs, and as many tokens; ten times as many message records."""
READS = 5
WORST = 8
"""Pages that are told by name."""
BASELINE = "/console/password"
_PAGES = ("text/html", "application/json")
"""A file takes as long as what is in it."""
_UNREACHED = "http://127.0.0.1:9"
_ROW = re.compile(r'<tr data-href="([^"]+)"')
_LATER = re.compile(r'hx-get="([^"]+)" hx-trigger="load"')
_NEXT = re.compile(r'rel="next" href="([^"]+)"')
_NOW = datetime.now(UTC)
_MONTH, _SOON, _EARLY, _LONG_AGO = (
    f"{_NOW:%Y-%m}",
    f"{_NOW + timedelta(days=1):%Y-%m-%d}",
    f"{_NOW - timedelta(days=8):%Y-%m-%d}",
    f"{_NOW - timedelta(days=400):%Y-%m-%d}",
)
_SAMPLES: Mapping[str, Sequence[str]] = {
    "state": ["held"], "stage": ["held"], "party": ["NL*CPO"], "cpo": ["NL*CPO"],
    "emsp": ["DE*MSP"], "owner": ["NL*CPO"], "receiver": ["DE*MSP"], "platform": ["p-nl-cpo"],
    "module": ["cdrs"], "failed": ["true"], "direction": ["in"], "http_class": ["5"],
    "correlation_id": ["c-5"], "uid": ["T5"], "contract_id": ["DE-MSP-C5"], "month": [_MONTH],
    "year": [_MONTH[:4]], "id": ["C5"], "since": [_EARLY, _SOON], "until": [_EARLY, _LONG_AGO],
    "session": ["S5"], "session_id": ["S5"], "q": ["C5"],
}  # fmt: skip
"""Values of filters, by name: what some match, and what none does. Where a list takes no such value
its refusal is left out."""
_ALWAYS: Mapping[str, Mapping[str, str]] = {"/admin/api/tokens": {"uid": "T5"}}
"""What a list does not answer without."""


async def run(bench: Bench) -> Sequence[Figure]:
    number = NUMBER_FULL if bench.full else NUMBER
    partners = [Partner(CPO, "CPO", _UNREACHED), Partner(EMSP, "EMSP", _UNREACHED)]
    async with bench.world("console", partners) as world:
        await store_cdrs(
            world.connection, CPO, EMSP, number, datetime.now(UTC), timedelta(days=365) / number
        )
        await store_many_tokens(world.connection, EMSP, number)
        await store_messages(world.connection, 10 * number)
        await world.connection.execute("vacuum analyze", timeout=1800)
        async with await _browser(world) as browser:
            reader = _Reader(browser.client)
            pages = await reader.console()
        async with await _caller(world) as client:
            caller = _Reader(client)
            lists = await caller.admin_api()
    sizes = {"CDRs": number, "tokens": number, "message records": 10 * number}
    baseline = pages[BASELINE]
    return [
        *_figures(targets.CONSOLE, targets.CONSOLE_MS, pages, baseline, sizes, reader.failed),
        Figure(targets.CONSOLE_LATER, [max(reader.later.values(), default=0.0)], reader.later),
        *_figures(
            targets.ADMIN_LISTS, targets.ADMIN_LISTS_MS, lists, baseline, sizes, caller.failed
        ),
    ]


class _Reader:
    """Asks one page after the other; tells how long they take."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._medians: dict[str, float] = {}
        self.failed: list[str] = []
        self.later: dict[str, float] = {}

    async def console(self) -> Mapping[str, float]:
        """Milliseconds by path."""
        for page in all_pages():
            if page.method != "GET" or "{" in page.path or page.path.endswith(("/live", "/login")):
                continue
            text = await self._read(page.url)
            if text is None:
                continue
            for name, sample in _samples():
                if f'name="{name}"' in text:
                    await self._read(f"{page.url}?{urlencode({name: sample})}")
            if later := _NEXT.search(text):
                await self._read(page.url + html.unescape(later[1]))
            if row := _ROW.search(text):
                story = await self._read(html.unescape(row[1]))
                if story and (later := _LATER.search(story)):
                    await self._wait_for(html.unescape(later[1]))
        return self._medians

    async def _wait_for(self, url: str) -> None:
        began = time.perf_counter()
        answer = await self._client.get(url)
        if answer.status_code != 200:
            self.failed.append(f"{url} answered {answer.status_code}")
        self.later[url] = (time.perf_counter() - began) * 1000

    async def admin_api(self) -> Mapping[str, float]:
        """Milliseconds by path."""
        document: dict[str, Any] = (await self._client.get("/admin/openapi.json")).json()
        for path, operations in document["paths"].items():
            if "get" not in operations or "{" in path:
                continue
            for query in _queries(path, operations["get"]):
                await self._read(f"{path}?{urlencode(query)}" if query else path)
        return self._medians

    async def _read(self, url: str) -> str | None:
        """What is there; None if it is refused, or if the hub failed."""
        times, text = [], ""
        for _ in range(READS):
            began = time.perf_counter()
            answer = await self._client.get(url)
            times.append((time.perf_counter() - began) * 1000)
            if answer.status_code >= 500:
                self.failed.append(f"{url} answered {answer.status_code}")
            if answer.status_code != 200 or not answer.headers["Content-Type"].startswith(_PAGES):
                return None
            text = answer.text
        self._medians[url] = statistics.median(times)
        return text


def _queries(path: str, operation: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """What a list is asked: nothing but what it needs, then each filter alone."""
    names = [each["name"] for each in operation["parameters"]]
    needed = {
        **{
            each["name"]: _SAMPLES.get(each["name"], [""])[0]
            for each in operation["parameters"]
            if each.get("required")
        },
        **_ALWAYS.get(path, {}),
    }
    yield needed
    for name, sample in _samples():
        if name in names and name not in needed:
            yield {**needed, name: sample}


def _samples() -> Iterator[tuple[str, str]]:
    for name, values in _SAMPLES.items():
        for value in values:
            yield name, value


def _figures(
    ratio: Quantity,
    told: Quantity,
    medians: Mapping[str, float],
    baseline: float,
    sizes: Mapping[str, float],
    failed: Sequence[str],
) -> Sequence[Figure]:
    """The slowest page to the baseline, and in milliseconds."""
    slowest = sorted(medians, key=lambda url: -medians[url])
    worst = medians[slowest[0]]
    return [
        Figure(
            ratio,
            [worst / baseline],
            {"baseline ms": baseline, **sizes},
            note="; ".join(failed),
            broken=bool(failed),
        ),
        Figure(
            told,
            [worst],
            {
                "pages": len(medians),
                "median of all": statistics.median(medians.values()),
                **{url: medians[url] for url in slowest[:WORST]},
            },
        ),
    ]


async def _browser(world: World) -> Browser:
    """An operator who is logged in."""
    await world.connection.execute(
        "insert into account (account_id, name, role, password_hash) values ($1, $2, 'admin', $3)",
        str(uuid.uuid4()),
        "bench",
        PasswordHasher().hash(PASSWORD),
    )
    browser = Browser(httpx.AsyncClient(base_url=world.hub.url, timeout=120))
    answer = await browser.log_in("bench")
    if answer.status_code != 303:
        raise AssertionError(f"the login answered {answer.status_code}")
    return browser


async def _caller(world: World) -> httpx.AsyncClient:
    """A client with a key."""
    secret = KeySecret.new()
    await world.connection.execute(
        "insert into admin_key (key_id, name, key_sha256, scopes) values ('k', 'bench', $1, $2)",
        secret.sha256,
        ["admin"],
    )
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.AsyncClient(base_url=world.hub.url, headers=headers, timeout=120)
