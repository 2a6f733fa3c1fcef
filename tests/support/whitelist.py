"""An eMSP whose token list is read by processes of the hub, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp
from ocpi_hub.delivery.kinds import KINDS
from ocpi_hub.delivery.listed_shared import ListedShared
from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.delivery.whitelist_lists import WhitelistLists, Withdrawing
from ocpi_hub.delivery.whitelist_runs import Run, RunId, RunState
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Exchange, OutboundRequest
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PlatformId, Role
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.ocpi.values import parse_datetime
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.whitelist import WhitelistAdmin
from ocpi_hub.store.whitelist_runs import PostgresWhitelistRuns
from tests.support.factories import CPO, EMSP, make_directory, make_platform, text, token
from tests.support.quality import make_quality
from tests.support.scripted import answer
from tests.support.stores import insert_platform, shared_store

PLATFORM = PlatformId("p-1")
ALL = PageRequest(None, None, 0, 1000, None)
LONG = timedelta(minutes=10)


def directory() -> Directory:
    platform = replace(make_platform((EMSP, Role.EMSP)), platform_id=PLATFORM)
    return make_directory(platform, make_platform((CPO, Role.CPO)))


@dataclass(slots=True)
class TokenLister:
    """Serves the tokens of an eMSP page by page, by offset.

    Attributes:
        tokens: texts by uid.
        before_page: called with the offset of a page before it is answered; what it returns is
            answered instead.
        asked: the queries, in order.
    """

    page_size: int = 2
    tokens: dict[str, str] = field(default_factory=dict)
    before_page: Callable[[int], Awaitable[Exchange | None]] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)

    def has(self, *uids: str, **fields: object) -> None:
        """These tokens and no others."""
        self.tokens = {uid: text(token(uid) | fields) for uid in uids}

    async def send(self, request: OutboundRequest) -> Exchange:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        self.asked.append(query)
        offset = int(query.get("offset", "0"))
        if self.before_page is not None:
            instead = await self.before_page(offset)
            if instead is not None:
                return instead
        found = list(self.tokens.values())
        if "date_from" in query:
            since = parse_datetime(query["date_from"])
            found = [
                each for each in found if parse_datetime(json.loads(each)["last_updated"]) >= since
            ]
        shown = found[offset : offset + self.page_size]
        data = f"[{','.join(shown)}]"
        if len(found) <= offset + self.page_size:
            return answer(data=data, x_total_count=str(len(found)))
        kept = f"&date_from={query['date_from']}" if "date_from" in query else ""
        link = f'<?offset={offset + self.page_size}{kept}>; rel="next"'
        return answer(data=data, link=link, x_total_count=str(len(found)))


@dataclass(slots=True)
class Exchanging:
    """The hub's side: a database, and processes that read."""

    database: Database
    shared: PostgresSharedStore
    lister: TokenLister
    hold_above: float = 0.5

    @property
    def admin(self) -> WhitelistAdmin:
        return WhitelistAdmin(self.database)

    def store(self, lease: timedelta = LONG) -> PostgresWhitelistRuns:
        return PostgresWhitelistRuns(self.database, lease=lease)

    def reader(self, lease: timedelta = LONG) -> InboundCatchUp:
        """What one process runs."""
        store = self.store(lease)
        kind = KINDS["tokens"]
        taker = ListedShared(self.shared, kind, make_quality(), max_depth=64, max_bytes=10_000)
        return InboundCatchUp(
            store,
            {"tokens": taker},
            self.lister,
            directory,
            SystemClock(),
            WhitelistLists(store, hold_above=self.hold_above),
            timeout_s=5.0,
            poll_s=0.01,
        )

    async def start(self, *, full: bool = True) -> RunId:
        since = None if full else parse_datetime("2026-11-01T00:00:00Z")
        return (await self.admin.start(PLATFORM, since)).run_id

    async def withdraw(self) -> None:
        await Withdrawing(self.store(), self.shared).sweep(asyncio.Event())

    async def work(self, run_id: RunId, *, processes: int = 1) -> Run:
        """Have processes read until the run does not run any more, and what it lacks withdrawn."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group, asyncio.timeout(20):
            for _ in range(processes):
                group.create_task(self.reader().run(stop))
            while (await self.admin.find(run_id)).state is RunState.RUNNING:
                await self.withdraw()
                await asyncio.sleep(0.01)
            stop.set()
        return await self.admin.find(run_id)

    async def read(self, *, full: bool = True) -> Run:
        """A whole run."""
        return await self.work(await self.start(full=full))

    async def push(self, uid: str, **fields: object) -> Changed:
        """The eMSP broadcasts a token."""
        body = token(uid) | fields
        key = ObjectKey("tokens", EMSP, uid, "RFID")
        moment = parse_datetime(str(body["last_updated"]))
        return await self.shared.change(
            Change(key, text(body), False, moment, Origin.BROADCAST, "c")
        )

    async def listed(self) -> set[str]:
        """What a CPO sees in the hub's list."""
        page = await self.shared.page("tokens", CPO, [EMSP], ALL)
        return {json.loads(each)["uid"] for each in page.texts}


@asynccontextmanager
async def exchanging(database: Database, *, page_size: int = 2) -> AsyncIterator[Exchanging]:
    await insert_platform(database, PLATFORM, parties=[EMSP], modules=["tokens"])
    async with shared_store(database) as shared:
        yield Exchanging(database, shared, TokenLister(page_size))
