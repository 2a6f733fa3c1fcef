"""Inbound catch-up: fetching what owners could not push (decision D-14).

Owners do not retry. When the hub was down, or a platform was away, the hub reads the owner's lists
from the last contact on, with some overlap; the whole lists when a platform is new. What is known
already changes nothing. CDRs and sessions found enter custody like any other and are delivered by
the worker; shared objects are written like a broadcast push, and the feed passes on what changed.

Lists are read in turns of `TURN_S`, `READERS` at a time: after its turn a list goes on behind the
others, so that a long or slow one holds up nobody else's. Where to go on is stored page by page,
together with the lease.

Spec: 2.2.1 transport_and_format_offline_behaviour, and the pull model of each module.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.catch_up_jobs import CatchUpStore, Job, Progress
from ocpi_hub.delivery.listed import Listed, ListedObjects, Source, log_skipped
from ocpi_hub.delivery.owner_lists import OwnerList, OwnerLists, Unreadable
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.errors import OcpiError, StoreError
from ocpi_hub.routing.rules import RULES
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SHARED_MODULES = (Module.TOKENS.value, Module.LOCATIONS.value, Module.TARIFFS.value)
"""Modules of which a new platform's lists are read in full: current state, not history."""
MODULES = (*SHARED_MODULES, Module.SESSIONS.value, Module.CDRS.value)
"""Modules that are fetched."""

MAX_PAGES = 100_000
"""Of one platform in one catch-up: a list that goes on after that has no end."""
READERS = 3
"""Lists that one process reads at a time; it holds a page of each."""
AT_ONCE = 200
"""Objects of a page that are taken together, so that they share a few commits."""
TURN_S = 15.0
KEEP_S = 10.0
"""Seconds after which the lease is renewed in the middle of a page."""
FIRST_RETRY_S = 2.0
LAST_RETRY_S = 600.0
"""Pauses after failures: the first, and the longest."""
NOT_YET = timedelta(seconds=1)
"""Until the directory of this process shows what the job is about, or another one takes it."""


class Comparison(Protocol):
    """Knows what lists do not show. All methods raise StoreError."""

    async def listed(self, job: Job, keys: Sequence[ObjectKey]) -> None:
        """A page of a list shows these objects, which are known already."""
        ...

    async def compare(self, job: Job, owners: Sequence[PartyId], broken: int) -> bool:
        """The lists of these owners were read to their end. Whether to read them again."""
        ...

    async def read_again(self, job: Job) -> None:
        """Once the job has ended."""
        ...


def list_owners(platform: Platform, module: str) -> list[PartyId]:
    """Whose lists of a module a platform serves, in the order in which they are read."""
    owning = RULES[module].callers[InterfaceRole.RECEIVER]
    return sorted({held.party for held in platform.roles if held.active and held.role in owning})


@dataclass(slots=True)
class _Turn:
    """What one turn works on; `ends_at` and `keep_at` on the monotonic clock."""

    job: Job
    platform: Platform
    directory: Directory
    stop: asyncio.Event
    progress: Progress
    ends_at: float
    keep_at: float
    visited: set[str] = field(default_factory=set)

    @property
    def endless(self) -> bool:
        """Whether a reading that is over came to no end."""
        return self.progress.owner is not None

    @property
    def owners(self) -> list[PartyId]:
        """Whose lists are read, in order."""
        return list_owners(self.platform, self.job.module)

    def owner_after(self, owner: PartyId | None) -> PartyId | None:
        return next((each for each in self.owners if owner is None or owner < each), None)


class InboundCatchUp:
    """Works off requested catch-ups.

    Args:
        objects: who takes the objects of a list, by module.
        full_lists: told what lists show, and when they were read to their end.
        timeout_s, poll_s: seconds for a page, and between looks for what is to be read.
        page_s: seconds from one page of a list to the next, at least.
    """

    def __init__(
        self,
        store: CatchUpStore,
        objects: Mapping[str, ListedObjects],
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        full_lists: Comparison,
        *,
        timeout_s: float,
        poll_s: float,
        page_s: float = 0.0,
    ) -> None:
        self._store = store
        self._full_lists = full_lists
        self._objects = objects
        self._lists = OwnerLists(client, timeout_s=timeout_s)
        self._directory = directory
        self._clock = clock
        self._poll_s = poll_s
        self._page_s = page_s

    async def run(self, stop: asyncio.Event) -> None:
        stopping: asyncio.Task[object] = asyncio.ensure_future(stop.wait())
        reading: set[asyncio.Task[object]] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    job = await self._next() if len(reading) < READERS else None
                    if job is not None:
                        reading.add(group.create_task(self._work(job, stop)))
                        continue
                    await asyncio.wait(
                        {stopping, *reading},
                        timeout=self._poll_s,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    reading = {task for task in reading if not task.done()}
        finally:
            stopping.cancel()

    async def _next(self) -> Job | None:
        try:
            return await self._store.claim()
        except StoreError as error:
            log.warning("catch_up_waits_for_database", error=str(error))
            return None

    async def _work(self, job: Job, stop: asyncio.Event) -> None:
        try:
            await self._turn(job, stop)
        except StoreError as error:
            # Its lease runs out, and somebody goes on where the last page was stored.
            log.warning("catch_up_waits_for_database", error=str(error))

    async def _turn(self, job: Job, stop: asyncio.Event) -> None:
        directory, now = self._directory(), self._clock.monotonic()
        platform = directory.platforms.get(job.platform_id)
        announced = platform is not None and (
            (job.module, InterfaceRole.SENDER) in platform.endpoints
        )
        if platform is None or not announced or job.module not in self._objects:
            pause = NOT_YET * min(job.attempts, 60)
            await self._store.release(job, pause, "not known to this process", restart=False)
            return
        turn = _Turn(job, platform, directory, stop, job.progress, now + TURN_S, now + KEEP_S)
        try:
            finished = await self._read(turn)
            again = finished and await self._compare(turn)
        except (Unreadable, OcpiError) as error:
            log.warning("catch_up_failed", platform=job.platform_id, reason=str(error))
            # The stored URL may have expired: where it is answered like that, begin anew.
            expired = isinstance(error, Unreadable) and error.answered and not turn.visited
            pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(job.attempts - 1, 20))
            asked = error.retry_after_s if isinstance(error, Unreadable) else 0.0
            pause = max(pause, min(LAST_RETRY_S, asked))
            await self._store.release(
                job, timedelta(seconds=pause), str(error)[:500], restart=expired
            )
            return
        if not finished:
            await self._store.requeue(job)
            return
        job = replace(job, progress=turn.progress)
        await self._store.end(job, complete=not turn.endless)
        if again:
            await self._full_lists.read_again(job)
        log.info(
            "caught_up",
            platform=job.platform_id,
            module=job.module,
            date_from=job.date_from.isoformat() if job.date_from else None,
            seen=turn.progress.seen,
            taken=turn.progress.taken,
            broken=turn.progress.broken,
        )

    async def _read(self, turn: _Turn) -> bool:
        """Read on; true when all is read, false when the turn is over."""
        owner = turn.progress.owner or turn.owner_after(None)
        while owner is not None:
            if turn.progress.pages >= MAX_PAGES:
                log.error("catch_up_given_up", platform=turn.job.platform_id, pages=MAX_PAGES)
                return True
            began = self._clock.monotonic()
            if turn.stop.is_set() or (turn.visited and began >= turn.ends_at):
                return False
            if not await self._read_page(turn, owner):
                return False
            owner = turn.progress.owner
            rest = began + self._page_s - self._clock.monotonic()
            if rest > 0:
                await self._rest(turn.stop, rest)
        return True

    async def _rest(self, stop: asyncio.Event, rest_s: float) -> None:
        """Between two pages: a list is not read faster than its partner can stand."""
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest_s)

    async def _compare(self, turn: _Turn) -> bool:
        """Look for what full lists do not show; whether they are to be read again."""
        if turn.endless:
            return False
        job = replace(turn.job, progress=turn.progress)
        return await self._full_lists.compare(job, turn.owners, turn.progress.broken)

    async def _read_page(self, turn: _Turn, owner: PartyId) -> bool:
        """Read one page and store where to go on; false when that is not for us any more."""
        job = turn.job
        wanted = OwnerList(owner, turn.platform, turn.directory.hub, job.module, job.date_from)
        page = await self._lists.page(wanted, turn.progress.url, turn.stop)
        if page is None or not await self._take_all(page.texts, turn):
            return False
        if turn.progress.url is None and page.total is not None:
            total = (turn.progress.total or 0) + page.total
            turn.progress = replace(turn.progress, total=total)
        turn.visited.add(page.url)
        following = page.following
        if following in turn.visited:
            raise Unreadable("`Link` leads back to a page that was read")
        if following is None:
            owner_next = turn.owner_after(owner)
            turn.progress = replace(turn.progress, owner=owner_next, url=None)
            if owner_next is None:
                return True
        else:
            turn.progress = replace(turn.progress, owner=owner, url=following)
        return await self._store.keep(turn.job, turn.progress)

    async def _take_all(self, texts: Sequence[str], turn: _Turn) -> bool:
        """Take a page's objects; false when the rest has to wait for the next turn."""
        counts = Counter[Listed]()
        for start in range(0, len(texts), AT_ONCE):
            if turn.stop.is_set() or not await self._keeps(turn):
                return False
            counts.update(await self._take(texts[start : start + AT_ONCE], turn))
            # Objects that all are broken are taken without waiting for anything.
            await asyncio.sleep(0)
        turn.progress = replace(
            turn.progress,
            pages=turn.progress.pages + 1,
            seen=turn.progress.seen + counts.total(),
            taken=turn.progress.taken + counts[Listed.TAKEN] + counts[Listed.CHANGED],
            broken=turn.progress.broken + counts[Listed.BROKEN] + counts[Listed.UNNAMED],
            changed=turn.progress.changed + counts[Listed.CHANGED],
            unnamed=turn.progress.unnamed + counts[Listed.UNNAMED],
        )
        return True

    async def _take(self, texts: Sequence[str], turn: _Turn) -> Sequence[Listed]:
        """Raises StoreUnavailable or Overloaded once all have come to an end."""
        taker, source = self._objects[turn.job.module], Source(turn.platform, turn.directory)
        try:
            taken = await taker.take_all(texts, source)
        finally:
            log_skipped(source, turn.job.module)
        await self._full_lists.listed(turn.job, source.known)
        return taken

    async def _keeps(self, turn: _Turn) -> bool:
        """Renew the lease in time; false when it is lost."""
        now = self._clock.monotonic()
        if now < turn.keep_at:
            return True
        turn.keep_at = now + KEEP_S
        return await self._store.keep(turn.job, turn.progress)
