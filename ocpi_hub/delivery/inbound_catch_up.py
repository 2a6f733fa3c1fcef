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
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.catch_up_jobs import CatchUpStore, Job, Progress
from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.delivery.listed import Listed, ListedObjects, Source, data_elements
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, LegKind, OutboundClient, OutboundRequest
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.errors import HubError, OcpiError, StoreError
from ocpi_hub.ocpi.envelope import parse_envelope, timestamp
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.ocpi.status_codes import is_success
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


class Unreadable(HubError):
    """A list could not be read; the text says where and why.

    Attributes:
        answered: there was an answer, so that the same request would get it again.
    """

    def __init__(self, reason: str, *, answered: bool = True) -> None:
        super().__init__(reason)
        self.answered = answered


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

    def owner_after(self, owner: PartyId | None) -> PartyId | None:
        owning = RULES[self.job.module].callers[InterfaceRole.RECEIVER]
        owners = {held.party for held in self.platform.roles if held.active and held.role in owning}
        return min((each for each in owners if owner is None or owner < each), default=None)


class InboundCatchUp:
    """Works off requested catch-ups.

    Args:
        objects: who takes the objects of a list, by module.
        timeout_s, poll_s: seconds for a page, and between looks for what is to be read.
    """

    def __init__(
        self,
        store: CatchUpStore,
        objects: Mapping[str, ListedObjects],
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        timeout_s: float,
        poll_s: float,
    ) -> None:
        self._store = store
        self._objects = objects
        self._client = client
        self._directory = directory
        self._clock = clock
        self._timeout_s = timeout_s
        self._poll_s = poll_s

    async def run(self, stop: asyncio.Event) -> None:
        stopping: asyncio.Task[object] = asyncio.ensure_future(stop.wait())
        reading: set[asyncio.Task[object]] = set()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                job = await self._next() if len(reading) < READERS else None
                if job is not None:
                    reading.add(group.create_task(self._work(job, stop)))
                    continue
                waits = {stopping, *reading}
                await asyncio.wait(waits, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
                reading = {task for task in reading if not task.done()}
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
        except (Unreadable, OcpiError) as error:
            log.warning("catch_up_failed", platform=job.platform_id, reason=str(error))
            # The stored URL may have expired: where it is answered like that, begin anew.
            expired = isinstance(error, Unreadable) and error.answered and not turn.visited
            pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(job.attempts - 1, 20))
            await self._store.release(
                job, timedelta(seconds=pause), str(error)[:500], restart=expired
            )
            return
        if not finished:
            await self._store.requeue(job)
            return
        endless = turn.progress.owner is not None
        await self._store.end(job, complete=not endless)
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
            if turn.stop.is_set() or (turn.visited and self._clock.monotonic() >= turn.ends_at):
                return False
            if not await self._read_page(turn, owner):
                return False
            owner = turn.progress.owner
        return True

    async def _read_page(self, turn: _Turn, owner: PartyId) -> bool:
        """Read one page and store where to go on; false when that is not for us any more."""
        request = self._request(turn, owner)
        answer = await self._answer(request, turn.stop)
        if answer is None or not await self._take_all(answer, turn):
            return False
        turn.visited.add(request.url)
        following = _next_url(answer, request, turn)
        if following is None:
            owner_next = turn.owner_after(owner)
            turn.progress = replace(turn.progress, owner=owner_next, url=None)
            if owner_next is None:
                return True
        else:
            turn.progress = replace(turn.progress, owner=owner, url=following)
        return await self._store.keep(turn.job, turn.progress)

    def _request(self, turn: _Turn, owner: PartyId) -> OutboundRequest:
        job, url = turn.job, turn.progress.url
        endpoint = endpoint_url(turn.platform, job.module, InterfaceRole.SENDER)
        leg = Leg(
            receiver=owner,
            platform=turn.platform,
            sender=turn.directory.hub,
            module=job.module,
            interface_role=InterfaceRole.SENDER,
            method="GET",
            correlation_id=str(uuid.uuid4()),
            query=(("date_from", timestamp(job.date_from)),) if job.date_from else (),
            kind=LegKind.CATCH_UP,
        )
        # A stored URL is good as long as the platform's endpoint has not moved since.
        known = url is not None and _origin(url) == _origin(endpoint)
        return outbound_request(leg, deadline_s=self._timeout_s, url=url if known else None)

    async def _answer(self, request: OutboundRequest, stop: asyncio.Event) -> Answer | None:
        """A page; None when the service stops meanwhile."""
        sending = asyncio.ensure_future(self._client.send(request))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                return None
            exchange = sending.result()
        finally:
            stopping.cancel()
            sending.cancel()
        if not isinstance(exchange, Answer):
            raise Unreadable(exchange.reason, answered=False)
        envelope = parse_envelope(exchange.body)
        if exchange.http_status != 200 or envelope is None or not is_success(envelope.status_code):
            code = envelope.status_code if envelope else "no envelope"
            raise Unreadable(f"HTTP {exchange.http_status}, {code}")
        return exchange

    async def _take_all(self, answer: Answer, turn: _Turn) -> bool:
        """Take a page's objects; false when the rest has to wait for the next turn."""
        counts = Counter[Listed]()
        try:
            texts = data_elements(answer.body)
        except ValueError:
            raise Unreadable("`data` is not a list") from None
        for start in range(0, len(texts), AT_ONCE):
            if turn.stop.is_set() or not await self._keeps(turn):
                return False
            counts.update(await self._take(texts[start : start + AT_ONCE], turn))
        turn.progress = replace(
            turn.progress,
            pages=turn.progress.pages + 1,
            seen=turn.progress.seen + counts.total(),
            taken=turn.progress.taken + counts[Listed.TAKEN],
            broken=turn.progress.broken + counts[Listed.BROKEN],
        )
        return True

    async def _take(self, texts: Sequence[str], turn: _Turn) -> list[Listed]:
        """Raises StoreUnavailable or Overloaded once all have come to an end."""
        taker, source = self._objects[turn.job.module], Source(turn.platform, turn.directory)
        results = await asyncio.gather(
            *(taker.take(text, source) for text in texts), return_exceptions=True
        )
        taken: list[Listed] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            taken.append(result)
        return taken

    async def _keeps(self, turn: _Turn) -> bool:
        """Renew the lease in time; false when it is lost."""
        now = self._clock.monotonic()
        if now < turn.keep_at:
            return True
        turn.keep_at = now + KEEP_S
        return await self._store.keep(turn.job, turn.progress)


def _next_url(answer: Answer, request: OutboundRequest, turn: _Turn) -> str | None:
    """The page after this one, which the hub's credentials may be sent to."""
    link = next_link(answer.headers.get("link"))
    if link is None:
        return None
    url = absolute_url(request.url, link)
    endpoint = endpoint_url(turn.platform, turn.job.module, InterfaceRole.SENDER)
    if url is None or _origin(url) is None or _origin(url) != _origin(endpoint):
        raise Unreadable("`Link` does not lead to the announced endpoint's server")
    if url in turn.visited:
        raise Unreadable("`Link` leads back to a page that was read")
    return url


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme,
            parts.hostname,
            parts.port or {"http": 80, "https": 443}.get(parts.scheme),
        )
    except ValueError:
        return None
