"""Sending what lanes owe: one errand for each object, and what its verdict means for the lane.

A receiver that does not answer rests and keeps what it is owed. An object that it does not take
becomes a gap, so that the lane goes on. Sends of one receiver share a limit, and what it missed
keeps to the catch-up rate; live changes come first.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.attempt import Attempts
from ocpi_hub.delivery.feed.evses import EvseHabit
from ocpi_hub.delivery.feed.lane import Lane, Owed
from ocpi_hub.delivery.feed.protocols import Current, FeedStore, Gap
from ocpi_hub.delivery.feed.receivers import is_withdrawn, sees
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.directory.token_bucket import TokenBucket
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.objects import EVERYBODY, LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId, Platform
from ocpi_hub.errors import Overloaded, StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MAX_SUSPECTS = 1_000
"""Objects remembered per receiver because it did not answer them; at worst it rests once more."""


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Times and numbers of the feed.

    Attributes:
        catch_up_rps: late objects per second and receiver.
        first_s, longest_s: pauses of a receiver that does not answer, and of gaps.
    """

    lease: timedelta
    attempt_s: float
    poll_s: float
    per_receiver: int
    catch_up_rps: float
    first_s: float
    longest_s: float
    alive: timedelta


@dataclass(slots=True)
class _Receiver:
    """What all lanes of one receiver share in this process.

    Attributes:
        silent: objects it did not answer since it answered last.
        suspects: objects it did not answer before it answered others, with how often it was silent
            about them since.
    """

    late: TokenBucket
    evses: EvseHabit = field(default_factory=EvseHabit)
    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0
    silent: set[ObjectKey] = field(default_factory=set)
    suspects: dict[ObjectKey, int] = field(default_factory=dict)

    def answered(self, key: ObjectKey) -> None:
        """It judged an object: what it was silent about before may be at fault itself."""
        self.failures = 0
        self.suspects.pop(key, None)
        if self.silent:
            if len(self.suspects) >= MAX_SUSPECTS:
                self.suspects.clear()
            self.suspects |= dict.fromkeys(self.silent - {key} - self.suspects.keys(), 0)
            self.silent.clear()


class Sender:
    """Sends for the lanes of one process.

    Args:
        may_send: whether this process still holds a lane, and long enough for an attempt.
    """

    def __init__(
        self,
        store: FeedStore,
        client: OutboundClient,
        errands: Errands,
        directory: Callable[[], Directory],
        clock: Clock,
        limits: FeedLimits,
        may_send: Callable[[Lane], bool],
    ) -> None:
        self._store = store
        self._attempts = Attempts(store, client, directory, limits.attempt_s)
        self._errands = errands
        self._directory = directory
        self._clock = clock
        self._limits = limits
        self._may_send = may_send
        self._receivers: dict[PartyId, _Receiver] = {}

    @property
    def resting(self) -> frozenset[PartyId]:
        """Receivers that did not answer the last time."""
        return frozenset(party for party, receiver in self._receivers.items() if receiver.failures)

    def dispatch(self, lane: Lane) -> None:
        """Start what this lane may send now."""
        receiver = self._receivers.get(lane.lane_id.receiver)
        if receiver is None:
            rate = self._limits.catch_up_rps
            bucket = TokenBucket(rate, self._clock, burst=rate * self._limits.poll_s)
            receiver = self._receivers[lane.lane_id.receiver] = _Receiver(bucket)
        platform = self._ready(lane, receiver)
        if platform is None:
            return
        room = 1 if receiver.failures else self._limits.per_receiver
        while receiver.in_flight < room:
            owed = lane.take(late=False)
            if owed is None and lane.waiting and receiver.late.take():
                owed = lane.take(late=True)
            if owed is None:
                return
            try:
                self._errands.start(self._send(lane, owed, platform, receiver))
            except Overloaded:
                lane.put_back(owed)
                return
            receiver.in_flight += 1

    def _ready(self, lane: Lane, receiver: _Receiver) -> Platform | None:
        """The platform to send to; None while it is away, rests, or the lease is in doubt."""
        now = self._clock.monotonic()
        directory = self._directory()
        platform = directory.platform_of(lane.lane_id.receiver)
        if platform is None or not lane.waiting or not self._may_send(lane):
            return None
        if directory.status(lane.lane_id.receiver) is not PartyStatus.CONNECTED:
            if platform.catch_up != "push":
                lane.skip_to_tail()
            lane.defer()
            return None
        if now < receiver.rests_until:
            lane.defer()
            return None
        return platform

    async def _send(self, lane: Lane, owed: Owed, platform: Platform, receiver: _Receiver) -> None:
        try:
            await self._push(lane, owed, platform, receiver)
        except (StoreError, Overloaded) as error:
            log.warning("push_waits_for_database", error=str(error))
            lane.put_back(owed)
            receiver.rests_until = self._clock.monotonic() + self._limits.first_s
        except Exception as error:
            log.error("push_failed", exc_info=error)
            lane.put_back(owed, last=True)
            receiver.failures += 1
            receiver.rests_until = self._clock.monotonic() + self._pause(receiver.failures)
        finally:
            # What is cancelled stays in flight for the lane: the receiver may be reading it still.
            receiver.in_flight -= 1
        self.dispatch(lane)

    async def _push(self, lane: Lane, owed: Owed, platform: Platform, receiver: _Receiver) -> None:
        party = lane.lane_id.receiver
        current = await self._store.current(owed.entry.key)
        if (
            current is None
            or not sees(self._directory(), party, current.key.owner)
            or await self._attempts.is_withheld(current, lane)
        ):
            lane.settle(owed, None)
            await self._passed_over(lane, owed, current)
            return
        if not self._may_send(lane):
            # The database took its time, and another process may have the lane by now.
            lane.put_back(owed)
            return
        outcome = await self._attempts.send(
            current, party, platform, receiver.evses, lambda: self._may_send(lane)
        )
        match outcome.verdict:
            case Delivered():
                receiver.answered(current.key)
                await self._delivered(lane, owed, current, outcome.location)
            case Refused(answer=answer):
                receiver.answered(current.key)
                await self._gap(lane, current, answer, again=None)
                lane.settle(owed, current.position)
            case Unknown(answer=answer) if answer.http is None and current.key in receiver.suspects:
                await self._never_answered(lane, owed, current, receiver, answer)
            case Failed(answer=answer) | Unknown(answer=answer):
                await self._failed(lane, owed, current, receiver, answer, platform)
            case NotSent():
                lane.put_back(owed)

    async def _passed_over(self, lane: Lane, owed: Owed, current: Current | None) -> None:
        """It is not for this receiver. The last word on a Location that is published no more waits
        for a relation that was withdrawn: the receiver may hold it as it was published."""
        key, position = owed.entry.key, owed.entry.position
        if (
            current is not None
            and is_withdrawn(self._directory(), lane.lane_id, key.owner)
            and self._attempts.is_last_word(current, lane)
        ):
            answer = LastAnswer(None, None, "there is no relation any more")
            await self._gap(lane, current, answer, again=None)
            return
        await self._close(lane, key, position, position)

    async def _delivered(
        self, lane: Lane, owed: Owed, current: Current, location: Current | None
    ) -> None:
        """The receiver has the object, or the whole Location in its place."""
        for sent in [current] if location is None else [current, location]:
            await self._close(lane, sent.key, sent.position, sent.told)
        lane.settle(owed, current.position, location=location.position if location else None)

    async def _failed(
        self,
        lane: Lane,
        owed: Owed,
        current: Current,
        receiver: _Receiver,
        answer: LastAnswer,
        platform: Platform,
    ) -> None:
        """No answer: the receiver rests and keeps what it is owed. An answer that is none: this
        object becomes a gap, and a receiver that gives nothing else rests as well."""
        receiver.failures += 1
        pause = self._pause(receiver.failures)
        if answer.http is None or receiver.failures > 1:
            receiver.rests_until = self._clock.monotonic() + pause
        if answer.http is not None:
            await self._gap(lane, current, answer, again=timedelta(seconds=pause))
            lane.settle(owed, current.position)
        elif platform.catch_up == "push":
            receiver.silent.add(current.key)
            lane.put_back(owed, last=True)
        else:
            lane.settle(owed, None)

    async def _never_answered(
        self, lane: Lane, owed: Owed, current: Current, receiver: _Receiver, answer: LastAnswer
    ) -> None:
        """The receiver answers, but not this object: it becomes a gap and holds up no other."""
        times = receiver.suspects[current.key] = receiver.suspects[current.key] + 1
        again = timedelta(seconds=self._pause(times))
        await self._gap(lane, current, answer, again=again)
        lane.settle(owed, current.position)

    def _pause(self, failures: int) -> float:
        whole = min(self._limits.longest_s, self._limits.first_s * 2.0 ** min(failures - 1, 40))
        return whole * (0.5 + random.random() / 2)  # noqa: S311 - jitter is no secret

    async def _gap(
        self, lane: Lane, current: Current, answer: LastAnswer, *, again: timedelta | None
    ) -> None:
        lane.gaps.add(current.key)
        await self._store.open_gap(Gap(lane.lane_id, current.key, current.position, answer, again))
        log.info(
            "object_not_taken",
            receiver=str(lane.lane_id.receiver),
            module=lane.lane_id.module,
            http_status=answer.http,
            status_code=answer.ocpi,
        )

    async def _close(self, lane: Lane, key: ObjectKey, position: int, told: int) -> None:
        if key in lane.gaps:
            if lane.doubt is not None and key.audience != EVERYBODY:
                return  # no scan finds it: its gap stays, and has it sent once more
            lane.gaps.discard(key)
            await self._store.close_gap(lane.lane_id, key, position)
        elif key.audience != EVERYBODY:
            # A relay may have brought a newer one meanwhile, and this one may have arrived last.
            await self._store.owe_newer(lane.lane_id, key, told)
