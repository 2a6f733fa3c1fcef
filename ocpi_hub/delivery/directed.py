"""Delivery of directed objects: at once with the receiver's verdict, or in the background.

`accept` serves the request that brings an object: commit, one attempt, and an answer within
`custody_wait_s`. `run` is the worker that finishes what requests could not: it claims due objects
receiver by receiver, so that one that hangs holds up nobody else.

The order of steps is the promise: nothing is sent before it is committed, and what the sender is
told has been committed before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.attempts import DirectedAttempts, Promise
from ocpi_hub.delivery.cdr_batches import batch_due
from ocpi_hub.delivery.custody import Attempt, CustodyStore, Intake, Repeat, Start
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.verdict import Delivered, Refused
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.exchange import Answer, OutboundClient
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from ocpi_hub.domain.party import InterfaceRole, PartyId, Platform
from ocpi_hub.errors import Overloaded, StoreError, StoreUnavailable
from ocpi_hub.ocpi.envelope import timestamp
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

    Attributes:
        attempts: makes the attempts, and knows which receivers were silent a moment ago.
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
        self.attempts = DirectedAttempts(
            store, client, errands, directory, clock, attempt_s=attempt_s, rest_s=rest_s
        )
        self._store = store
        self._errands = errands
        self._directory = directory
        self._clock = clock
        self._wait_s = wait_s
        self._poll_s = poll_s
        self._per_receiver = per_receiver
        self.refused = refused
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
        resting = self.attempts.is_resting(receiver)
        return Start.SEND if online and not resting else Start.WAIT

    def batch_due(self, owner: PartyId, receiver: PartyId) -> datetime | None:
        """When a CDR that comes now is due, with others; None: at once."""
        return batch_due(self._directory().relation(owner, receiver), self._clock.now())

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
            self.refused()
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
        promise = Promise(acknowledged=False)
        task = await self.attempts.start(attempt, platform, promise)
        if task is None:
            return Kept("The hub is restarting; it holds the object")
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            promise.acknowledged = True
            return Kept(f"{attempt.receiver} has not answered yet; the hub holds the object")
        if task.cancelled():
            return Kept("The hub is restarting; it holds the object")
        ended = task.result()
        if isinstance(ended.exchange, Answer) and isinstance(ended.verdict, Delivered | Refused):
            return Judged(ended.exchange, ended.verdict)
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
            await self.attempts.give_back(attempt)
            return False
        self._busy[attempt.receiver] += 1
        return True

    async def _finish(self, attempt: Attempt, platform: Platform) -> None:
        try:
            await self.attempts.make(attempt, platform, Promise(acknowledged=True))
        finally:
            self._busy[attempt.receiver] -= 1
            if not self._busy[attempt.receiver]:
                del self._busy[attempt.receiver]
            self.wake()


def _kept(intake: Intake) -> Kept:
    if intake.batch_due_at is not None and intake.start is Start.WAIT:
        at = timestamp(intake.batch_due_at)
        return Kept(f"The hub holds this object; {intake.receiver} gets it with others at {at}")
    match intake.start:
        case Start.HOLD:
            return Kept("The hub holds this object until an operator has looked at it")
        case Start.PULL:
            return Kept(
                f"{intake.receiver} fetches its objects, or gets files; the hub holds this one"
            )
        case Start.SEND | Start.WAIT:
            return Kept(f"{intake.receiver} cannot be reached now; the hub holds the object")


def _judged_before(row: DirectedObject | None) -> Acceptance:
    if row is not None and row.state in (DirectedState.DELIVERED, DirectedState.REFUSED):
        return JudgedBefore(row.state, row.last_answer)
    return Kept("The receiver did not take the object yet; the hub holds it")
