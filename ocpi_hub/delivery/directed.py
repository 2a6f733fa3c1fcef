"""Delivery of directed objects: at once with the receiver's verdict, or in the background.

`accept` serves the request that brings an object: commit, one attempt, and an answer within
`custody_wait_s`. `run` is the worker that finishes what requests could not: it claims due objects
receiver by receiver, so that one that hangs holds up nobody else.

The order of steps is the promise: nothing is sent before it is committed, and what the sender is
told has been committed before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.custody import Attempt, AttemptReport, CustodyStore, Intake, Repeat, Start
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.delivery.verdict import (
    Delivered,
    Failed,
    NotSent,
    Refused,
    Unknown,
    Verdict,
    judge,
)
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.exchange import Answer, Exchange, LegKind, OutboundClient
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from ocpi_hub.domain.party import InterfaceRole, PartyId, Platform
from ocpi_hub.errors import HubRoutingError, Overloaded, StoreError, StoreUnavailable
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.ocpi.json_text import fingerprint, members
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

WATCH_INTERVAL_S = 0.1
"""Seconds between looks at an attempt that another request or process is making."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The receiver judged the object within the request: its answer goes back as it came."""

    answer: Answer
    verdict: Delivered | Refused


@dataclass(frozen=True, slots=True)
class JudgedBefore:
    """The receiver's verdict is on record; its answer's body is not."""

    state: DirectedState
    answer: LastAnswer | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The hub has the object and answers for it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Conflicting:
    """Another content under the same identity is in custody or delivered."""


Acceptance = Judged | JudgedBefore | Kept | Conflicting


@dataclass(slots=True)
class _Promise:
    """Whether the sender has been told 1000 for an attempt that is still under way."""

    acknowledged: bool


@dataclass(slots=True)
class _Watch:
    """What those who wait for the same verdict share; `until` on the monotonic clock."""

    until: float
    found: asyncio.Future[Acceptance]


class DirectedDelivery:
    """Takes directed objects into custody and delivers them.

    Args:
        directory: gives the current snapshot.
        wait_s: seconds a sender waits for the receiver's verdict at most.
        attempt_s: seconds one attempt may take; shorter than the lease.
        rest_s: seconds in which this process does not try a silent receiver within requests.
        per_receiver: attempts under way at one receiver by this process's worker.
        refused: called when an object could not be taken into custody now.
    """

    def __init__(
        self,
        store: CustodyStore,
        client: OutboundClient,
        errands: Errands,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        wait_s: float,
        attempt_s: float,
        rest_s: float,
        poll_s: float,
        per_receiver: int,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._client = client
        self._errands = errands
        self._directory = directory
        self._clock = clock
        self._wait_s = wait_s
        self._attempt_s = attempt_s
        self._rest_s = rest_s
        self._poll_s = poll_s
        self._per_receiver = per_receiver
        self._refused = refused
        self._resting: dict[PartyId, float] = {}
        self._busy: Counter[PartyId] = Counter()
        self._watches: dict[ObjectKey, _Watch] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something may have become due."""
        self._wake.set()

    def start_for(
        self, platform: Platform, receiver: PartyId, module: str, *, online: bool
    ) -> Start:
        """How an object for this receiver begins, hold rules apart."""
        if (module, InterfaceRole.RECEIVER) not in platform.endpoints:
            return Start.PULL
        resting = self._resting.get(receiver, 0.0) > self._clock.monotonic()
        return Start.SEND if online and not resting else Start.WAIT

    async def accept(self, intake: Intake, platform: Platform) -> Acceptance:
        """Take an object into custody and get the receiver's verdict if it comes in time.

        Raises:
            StoreUnavailable: not taken into custody.
            Overloaded: likewise.
        """
        deadline = self._clock.monotonic() + self._wait_s
        try:
            taken = await self._store.take_in(intake)
        except (StoreUnavailable, Overloaded):
            self._refused()
            raise
        if taken.attempt is not None:
            return await self._attempt_now(taken.attempt, platform, deadline)
        match taken.repeat:
            case Repeat.CONFLICT:
                return Conflicting()
            case Repeat.IN_FLIGHT:
                return await self._watch(intake, deadline)
            case Repeat.UNCHANGED:
                return JudgedBefore(DirectedState.DELIVERED, None)
            case Repeat.KEPT:
                return Kept("The hub already holds this object and goes on delivering it")
            case None | Repeat.SEND_AGAIN | Repeat.REPLACE:
                return _kept(intake)

    async def _attempt_now(
        self, attempt: Attempt, platform: Platform, deadline: float
    ) -> Acceptance:
        promise = _Promise(acknowledged=False)
        try:
            task = self._errands.start(self._make(attempt, platform, promise))
        except Overloaded:
            await self._give_back(attempt)
            return Kept("The hub is restarting; it holds the object")
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            promise.acknowledged = True
            return Kept(f"{attempt.receiver} has not answered yet; the hub holds the object")
        if task.cancelled():
            return Kept("The hub is restarting; it holds the object")
        exchange, verdict = task.result()
        if isinstance(exchange, Answer) and isinstance(verdict, Delivered | Refused):
            return Judged(exchange, verdict)
        return Kept(f"{attempt.receiver} did not take the object yet; the hub holds it")

    async def _watch(self, intake: Intake, deadline: float) -> Acceptance:
        """Wait for the verdict on an attempt that somebody else is making."""
        watch = self._watches.get(intake.key)
        if watch is None:
            watch = _Watch(deadline, asyncio.get_running_loop().create_future())
            try:
                self._errands.start(self._look(intake.key, watch))
            except Overloaded:
                return Kept("The hub is restarting; it holds the object")
            self._watches[intake.key] = watch
        watch.until = max(watch.until, deadline)
        await asyncio.wait({watch.found}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if watch.found.done():
            return watch.found.result()
        return Kept(f"{intake.receiver} has not answered yet; the hub holds the object")

    async def _look(self, key: ObjectKey, watch: _Watch) -> None:
        """Look at an object for all who wait for its verdict in this process."""
        found: Acceptance = Kept("The receiver has not answered yet; the hub holds the object")
        try:
            while self._clock.monotonic() < watch.until:
                row = await self._store.find(key)
                if row is None or row.state is not DirectedState.IN_FLIGHT:
                    found = _judged_before(row)
                    return
                await self._clock.sleep(WATCH_INTERVAL_S)
        except StoreError as error:
            log.warning("verdict_not_watched", error=str(error))
        finally:
            del self._watches[key]
            watch.found.set_result(found)

    # One attempt ---------------------------------------------------------------------------------

    async def _make(
        self, attempt: Attempt, platform: Platform, promise: _Promise
    ) -> tuple[Exchange | None, Verdict]:
        """Send, judge, record. Returns once the verdict is committed."""
        exchange: Exchange | None = None
        verdict: Verdict = Unknown(LastAnswer(None, None, "the hub stopped during the attempt"))
        try:
            exchange, verdict = await self._send(attempt, platform)
        finally:
            # A cancelled attempt is recorded too: it may have reached the receiver.
            told = promise.acknowledged
            state = await self._record(attempt, verdict, acknowledged=told)
        if isinstance(verdict, Refused) and promise.acknowledged and not told:
            # The sender got its 1000 while the refusal was being committed.
            state = await self._commit(AttemptReport(attempt, verdict, acknowledged=True))
        if state is DirectedState.UNCERTAIN and isinstance(verdict, Refused) and verdict.location:
            await self._settle_by_get(attempt, platform, verdict.location)
        return exchange, verdict

    async def _send(self, attempt: Attempt, platform: Platform) -> tuple[Exchange | None, Verdict]:
        if (attempt.key.module, InterfaceRole.RECEIVER) not in platform.endpoints:
            nowhere = f"{attempt.receiver} announces no {attempt.key.module} RECEIVER any more"
            return None, NotSent(LastAnswer(None, None, nowhere), to_pull=True)
        try:
            request = outbound_request(
                self._leg(attempt, platform, "POST", attempt.body), deadline_s=self._attempt_s
            )
            exchange = await self._client.send(request)
        except HubRoutingError as error:
            return None, Failed(LastAnswer(None, None, error.message))
        except ValueError as error:
            log.error("attempt_cannot_be_built", receiver=str(attempt.receiver), error=str(error))
            return None, Failed(LastAnswer(None, None, "the request cannot be built"))
        return exchange, judge(exchange)

    def _leg(self, attempt: Attempt, platform: Platform, method: str, body: str) -> Leg:
        return Leg(
            receiver=attempt.receiver,
            platform=platform,
            sender=attempt.key.owner,
            module=attempt.key.module,
            interface_role=InterfaceRole.RECEIVER,
            method=method,
            correlation_id=attempt.correlation_id,
            body=body.encode(),
            sender_key=self._platform_key(attempt.key.owner),
            kind=LegKind.CUSTODY,
        )

    def _platform_key(self, owner: PartyId) -> str:
        platform = self._directory().platform_of(owner)
        return platform.platform_id if platform else ""

    async def _record(
        self, attempt: Attempt, verdict: Verdict, *, acknowledged: bool
    ) -> DirectedState | None:
        reached = isinstance(verdict, Delivered | Refused)
        if reached:
            self._resting.pop(attempt.receiver, None)
        elif verdict.answer.http is None and not isinstance(verdict, NotSent):
            self._resting[attempt.receiver] = self._clock.monotonic() + self._rest_s
        log.info(
            "directed_attempt_ended",
            owner=str(attempt.key.owner),
            object_id=attempt.key.object_id,
            receiver=str(attempt.receiver),
            outcome=type(verdict).__name__.lower(),
            http_status=verdict.answer.http,
            status_code=verdict.answer.ocpi,
            correlation_id=attempt.correlation_id,
        )
        return await self._commit(AttemptReport(attempt, verdict, acknowledged))

    async def _commit(self, report: AttemptReport) -> DirectedState | None:
        try:
            return await self._store.record(report)
        except (StoreError, Overloaded) as error:
            # The lease runs out, and the attempt is then on record with an unknown outcome.
            object_id = report.attempt.key.object_id
            log.error("verdict_not_recorded", object_id=object_id, error=str(error))
            return None

    async def _give_back(self, attempt: Attempt) -> None:
        """An attempt that cannot begin any more, so that nobody waits for its lease to run out."""
        verdict = Failed(LastAnswer(None, None, "the hub was stopping"))
        await self._commit(AttemptReport(attempt, verdict, acknowledged=True))

    async def _settle_by_get(self, attempt: Attempt, platform: Platform, location: str) -> None:
        """Ask the receiver whether it has the object that it refused after an unknown outcome."""
        endpoint = endpoint_url(platform, attempt.key.module, InterfaceRole.RECEIVER)
        url = absolute_url(endpoint, location)
        if url is None:
            return
        request = outbound_request(
            self._leg(attempt, platform, "GET", ""),
            deadline_s=self._attempt_s,
            url=url,
        )
        exchange = await self._client.send(request)
        if isinstance(exchange, Answer) and _is_copy(exchange, attempt):
            verdict = Delivered(LastAnswer(exchange.http_status, 1000, "found at the receiver"))
            await self._record(attempt, verdict, acknowledged=True)

    # The worker ----------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver what is due until `stop` is set."""
        while not stop.is_set():
            self._wake.clear()
            try:
                claimed = await self._claim_round()
            except StoreError as error:
                log.warning("delivery_waits_for_database", error=str(error))
                claimed = 0
            if not claimed:
                await self._rest(stop)

    async def _rest(self, stop: asyncio.Event) -> None:
        waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())}
        await asyncio.wait(waits, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _claim_round(self) -> int:
        """Start attempts for every receiver with due objects and room; returns how many."""
        directory = self._directory()
        reachable = {
            party: platform
            for party in directory.parties()
            if directory.status(party) is PartyStatus.CONNECTED
            and (platform := directory.platform_of(party)) is not None
            and self._busy[party] < self._per_receiver
        }
        claimed = 0
        for receiver in await self._store.due_receivers(list(reachable)):
            room = self._per_receiver - self._busy[receiver]
            for attempt in await self._store.claim(receiver, room):
                claimed += await self._begin(attempt, reachable[receiver])
        return claimed

    async def _begin(self, attempt: Attempt, platform: Platform) -> bool:
        try:
            self._errands.start(self._finish(attempt, platform))
        except Overloaded:
            await self._give_back(attempt)
            return False
        self._busy[attempt.receiver] += 1
        return True

    async def _finish(self, attempt: Attempt, platform: Platform) -> None:
        try:
            await self._make(attempt, platform, _Promise(acknowledged=True))
        finally:
            self._busy[attempt.receiver] -= 1
            if not self._busy[attempt.receiver]:
                del self._busy[attempt.receiver]
            self.wake()


def _kept(intake: Intake) -> Kept:
    match intake.start:
        case Start.HOLD:
            return Kept("The hub holds this object until an operator has looked at it")
        case Start.PULL:
            return Kept(f"{intake.receiver} fetches its objects; the hub holds this one for it")
        case Start.SEND | Start.WAIT:
            return Kept(f"{intake.receiver} cannot be reached now; the hub holds the object")


def _judged_before(row: DirectedObject | None) -> Acceptance:
    if row is not None and row.state in (DirectedState.DELIVERED, DirectedState.REFUSED):
        return JudgedBefore(row.state, row.last_answer)
    return Kept("The receiver did not take the object yet; the hub holds it")


def _is_copy(answer: Answer, attempt: Attempt) -> bool:
    """Whether an answer shows the object of an attempt, as the receiver keeps it."""
    envelope = parse_envelope(answer.body)
    if envelope is None or not is_success(envelope.status_code) or answer.http_status != 200:
        return False
    with contextlib.suppress(ValueError):
        data = dict(members(answer.body.decode())).get("data", "null")
        return fingerprint(data) == fingerprint(attempt.body)
    return False
