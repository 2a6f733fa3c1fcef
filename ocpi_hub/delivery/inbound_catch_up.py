"""Inbound catch-up: fetching what owners could not push (decision D-14).

Owners do not retry. When the hub was down, or a platform was away, the hub reads the owner's list
from the last contact on, with some overlap. What is known already changes nothing; CDRs found
enter custody like any other and are delivered by the worker.

Lists are read in turns of `TURN_S`: after its turn a platform goes on behind the others, so that
one with a long or slow list holds up nobody else's. Where to go on is stored page by page, together
with the lease.

Spec: 2.2.1 transport_and_format_offline_behaviour, mod_cdrs_pull_model.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.catch_up_jobs import CatchUpStore, Job, Progress
from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.delivery.listed_cdrs import Listed, ListedCdrs, data_elements
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, LegKind, OutboundClient, OutboundRequest
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform, Role
from ocpi_hub.errors import HubError, OcpiError, StoreError
from ocpi_hub.ocpi.envelope import parse_envelope, timestamp
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MODULES = (Module.CDRS.value,)
"""Modules that are fetched."""

MAX_PAGES = 10_000
"""Of one platform in one catch-up: a list that goes on after that has no end."""
TURN_S = 15.0
KEEP_S = 10.0
"""Seconds after which the lease is renewed in the middle of a page."""
RETRY = timedelta(seconds=30)
POLL_S = 1.0


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
        owners = {held.party for held in self.platform.roles if held.role is Role.CPO}
        return min((each for each in owners if owner is None or owner < each), default=None)


class InboundCatchUp:
    """Works off requested catch-ups, one at a time per process."""

    def __init__(
        self,
        store: CatchUpStore,
        cdrs: ListedCdrs,
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        timeout_s: float,
    ) -> None:
        self._store = store
        self._cdrs = cdrs
        self._client = client
        self._directory = directory
        self._clock = clock
        self._timeout_s = timeout_s

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                job = await self._store.claim()
                if job is not None:
                    await self._work(job, stop)
                    continue
            except StoreError as error:
                log.warning("catch_up_waits_for_database", error=str(error))
            try:
                await asyncio.wait_for(stop.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _work(self, job: Job, stop: asyncio.Event) -> None:
        directory, now = self._directory(), self._clock.monotonic()
        platform = directory.platforms.get(job.platform_id)
        if platform is None:
            await self._store.end(job)
            return
        turn = _Turn(job, platform, directory, stop, job.progress, now + TURN_S, now + KEEP_S)
        try:
            finished = await self._read(turn)
        except (Unreadable, OcpiError) as error:
            log.warning("catch_up_failed", platform=job.platform_id, reason=str(error))
            # The stored URL may have expired: where it is answered like that, begin anew.
            expired = isinstance(error, Unreadable) and error.answered and not turn.visited
            pause = RETRY * min(job.attempts, 20)
            await self._store.release(job, pause, str(error)[:500], restart=expired)
            return
        if not finished:
            await self._store.requeue(job)
            return
        await self._store.end(job)
        log.info(
            "caught_up",
            platform=job.platform_id,
            module=job.module,
            date_from=job.date_from.isoformat(),
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
            query=(("date_from", timestamp(job.date_from)),),
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
        counts = dict.fromkeys(Listed, 0)
        try:
            for text in data_elements(answer.body):
                if turn.stop.is_set() or not await self._keeps(turn):
                    return False
                counts[await self._cdrs.take(text, turn.platform, turn.directory)] += 1
        except ValueError:
            raise Unreadable("`data` is not a list") from None
        turn.progress = replace(
            turn.progress,
            pages=turn.progress.pages + 1,
            seen=turn.progress.seen + sum(counts.values()),
            taken=turn.progress.taken + counts[Listed.TAKEN],
            broken=turn.progress.broken + counts[Listed.BROKEN],
        )
        return True

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
