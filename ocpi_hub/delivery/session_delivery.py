"""Delivery of sessions within the request that brings a change.

The change is committed, already leased to its request where the receiver can be tried; that request
makes one attempt and answers within `custody_wait_s`. Everything else is the worker's, as with
other directed objects (`delivery/directed.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final, assert_never

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.attempts import Promise
from ocpi_hub.delivery.custody import Attempt, Start
from ocpi_hub.delivery.directed import (
    WATCH_INTERVAL_S,
    DirectedDelivery,
    Judged,
    JudgedBefore,
    Kept,
)
from ocpi_hub.delivery.session_change import Arrival, SessionChange, SessionStore, Taken
from ocpi_hub.delivery.session_custody import is_applied
from ocpi_hub.delivery.verdict import Delivered, Refused
from ocpi_hub.domain.exchange import Answer
from ocpi_hub.domain.objects import DirectedObject, DirectedState
from ocpi_hub.domain.party import Platform, Quirk
from ocpi_hub.errors import Overloaded, StoreUnavailable
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SETTLE_S: Final = 10.0
"""Seconds that a verdict which is in may take to be committed, while the sender waits for it."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The hub holds something newer."""


@dataclass(frozen=True, slots=True)
class NotHeld:
    """A PATCH of a session that the hub does not hold."""


SessionAcceptance = Judged | JudgedBefore | Kept | Dropped | NotHeld


class SessionDelivery:
    """Takes sessions into custody and tries to deliver them at once.

    Args:
        directed: makes the attempts, and goes on with what is left to do.
        wait_s: seconds a sender waits for the receiver's verdict at most.
    """

    def __init__(
        self, store: SessionStore, directed: DirectedDelivery, clock: Clock, *, wait_s: float
    ) -> None:
        self._store = store
        self._directed = directed
        self._clock = clock
        self._wait_s = wait_s

    async def accept(
        self, change: SessionChange, platform: Platform, *, online: bool
    ) -> SessionAcceptance:
        """Take a change into custody and get the receiver's verdict if it comes in time.

        Args:
            change: how it begins and whether it may go out as a PATCH is decided here.

        Raises:
            InvalidRequest: what the change leads to cannot be kept.
            StoreError: not taken into custody, or its fate is not known.
            Overloaded: likewise.
        """
        deadline = self._clock.monotonic() + self._wait_s
        start = self._directed.start_for(
            platform, change.receiver, change.key.module, online=online
        )
        change = replace(change, start=start, patchable=Quirk.NO_PATCH not in platform.quirks)
        try:
            taken = await self._store.take(change)
        except (StoreUnavailable, Overloaded):
            self._directed.refused()
            raise
        if taken.over:
            log_changed_late(change)
        if taken.attempt is not None:
            return await self._attempt(taken.attempt, platform, deadline)
        return await self._without_attempt(taken, change, deadline)

    async def _without_attempt(
        self, taken: Taken, change: SessionChange, deadline: float
    ) -> SessionAcceptance:
        match taken.arrival:
            case Arrival.MISSING:
                return NotHeld()
            case Arrival.STALE:
                return Dropped()
            case Arrival.CREATED | Arrival.CHANGED:
                self._directed.wake()
                return _kept(taken, change.start)
            case Arrival.REPEATED:
                return await self._verdict_on_repeated(taken.row, change, deadline)
            case _:
                assert_never(taken.arrival)

    async def _attempt(
        self, attempt: Attempt, platform: Platform, deadline: float
    ) -> Judged | Kept:
        promise = Promise(acknowledged=False)
        task = await self._directed.attempts.start(attempt, platform, promise)
        if task is None:
            return Kept("The hub is restarting; it holds the session")
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done() and promise.settling:
            # A refusal takes the change back: what the sender hears has to agree with that.
            await asyncio.wait({task}, timeout=SETTLE_S)
            if not task.done():
                raise StoreUnavailable("the verdict on a session could not be committed in time")
        if not task.done():
            promise.acknowledged = True
            return Kept(f"{attempt.receiver} has not answered yet; the hub holds the session")
        if task.cancelled():
            return Kept("The hub is restarting; it holds the session")
        ended = task.result()
        if ended.state is DirectedState.PENDING:
            self._directed.wake()
        if isinstance(ended.exchange, Answer):
            match ended.verdict:
                case Delivered() as verdict:
                    return Judged(ended.exchange, verdict)
                case Refused() as verdict if await self._is_final(attempt, ended.state):
                    return Judged(ended.exchange, verdict)
        return Kept(f"{attempt.receiver} did not take the session yet; the hub holds it")

    async def _is_final(self, attempt: Attempt, state: DirectedState | None) -> bool:
        """Whether a refusal is the last word on a change: not where the session has changed since,
        and goes out again as a whole, or where the refusal could not be committed."""
        if state is not DirectedState.PENDING:
            return state is not None
        row = await self._store.find(attempt.key)
        return row is not None and row.version <= attempt.version

    async def _verdict_on_repeated(
        self, row: DirectedObject | None, change: SessionChange, deadline: float
    ) -> JudgedBefore | Kept:
        """Wait for the verdict on an attempt that another request or process is making."""
        while row is not None and row.state is DirectedState.IN_FLIGHT:
            if self._clock.monotonic() >= deadline:
                return Kept(f"{change.receiver} has not answered yet; the hub holds the session")
            await self._clock.sleep(WATCH_INTERVAL_S)
            row = await self._store.find(change.key)
        if (
            row is not None
            and row.last_updated <= change.last_updated
            and not is_applied(row, change)
        ):
            return JudgedBefore(DirectedState.REFUSED, row.last_answer)
        if row is not None and row.sent_version == row.version:
            return JudgedBefore(DirectedState.DELIVERED, row.last_answer)
        if row is not None and row.state is DirectedState.REFUSED:
            return JudgedBefore(row.state, row.last_answer)
        return Kept("The hub already holds this change and goes on delivering it")


def log_changed_late(change: SessionChange) -> None:
    """COMPLETED and INVALID are final; what an owner changes afterwards is passed on (SE-05)."""
    log.warning(
        "session_changed_after_its_end",
        owner=str(change.key.owner),
        object_id=change.key.object_id,
        last_updated=change.last_updated.isoformat(),
    )


def _kept(taken: Taken, start: Start) -> Kept:
    row = taken.row
    if row is not None and row.state is DirectedState.IN_FLIGHT:
        return Kept("The session is being delivered; the hub holds this change and sends it next")
    receiver = row.receiver if row is not None else "The receiver"
    if start is Start.PULL:
        return Kept(f"{receiver} fetches its sessions; the hub holds this one for it")
    return Kept(f"{receiver} cannot be reached now; the hub holds the session")
