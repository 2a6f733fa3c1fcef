"""Custody of directed objects: the rules, pure (decision D-6).

A directed object (a session or CDR) has one receiver that can judge it. The hub commits it before
it acknowledges it, tries to deliver it within the same request, and goes on trying afterwards:

    POST ──commit──► in_flight ──1xxx──► delivered
                      │  ▲  └───2xxx──► refused, or uncertain after an unknown outcome
              failure │  │ due again
                      ▼  │
                     pending ──too old──► dead            held: waits for an operator first

An attempt is leased: when its process dies, another takes the row over after the lease and records
the old attempt's outcome as unknown. A verdict names its attempt, so that a late one is not taken
for the verdict on a newer attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol, assert_never
from uuid import UUID

from ocpi_hub.clearing.ledger import Examination
from ocpi_hub.delivery.shared import Page
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import PageRequest


class Start(Enum):
    """How a new object begins."""

    SEND = auto()
    """Leased to the request that brought it."""
    WAIT = auto()
    """Left to the worker: the receiver is known not to answer now."""
    PULL = auto()
    """The receiver announced no interface: it has to fetch the object."""
    HOLD = auto()
    """A hold rule matched: an operator decides."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A directed object as it arrives.

    Attributes:
        attempt_id: the attempt that the bringing request will make, should it be let.
        reason: which hold rule matched, with `Start.HOLD`.
        resend: its owner brings it, so that what was refused or given up is sent again; false when
            the hub itself found it in the owner's list.
        batch_due_at: when it is to be sent, with others; None: now.
        examined: of a CDR, what the ledger keeps of it.
    """

    key: ObjectKey
    receiver: PartyId
    body: str
    fingerprint: bytes
    last_updated: datetime
    correlation_id: str
    start: Start
    attempt_id: UUID
    reason: str | None = None
    resend: bool = True
    batch_due_at: datetime | None = None
    examined: Examination | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to send one version of an object, until the lease ends.

    Attributes:
        path: of a session, the URL as its change named it; () for the spelling of the body.
        patch: of a session that the receiver has up to the version before: the PATCH as it came.
        before: of a session, the row that a change found: what stands again if the receiver refuses
            the change and its sender hears of that.
    """

    attempt_id: UUID
    key: ObjectKey
    version: int
    receiver: PartyId
    body: str
    correlation_id: str
    path: tuple[str, ...] = ()
    patch: str | None = None
    before: DirectedObject | None = None


class Repeat(Enum):
    """What a second arrival of the same owner and id means."""

    UNCHANGED = auto()
    """Identical and delivered."""
    IN_FLIGHT = auto()
    """Identical, and an attempt is under way: its verdict is the answer."""
    KEPT = auto()
    """Identical, and already waiting in the hub's custody."""
    SEND_AGAIN = auto()
    """Identical to what was refused or given up."""
    REPLACE = auto()
    """Different from what was refused."""
    CONFLICT = auto()
    """Different from what is in custody or delivered."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The committed result of an intake.

    Attributes:
        repeat: None for a new object.
        attempt: set when the caller has to send now.
        version: of the content that was taken in.
    """

    repeat: Repeat | None
    attempt: Attempt | None
    version: int = 1


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """How an attempt ended.

    Attributes:
        acknowledged: the sender has been told 1000 already, so a refusal reaches it late.
    """

    attempt: Attempt
    verdict: Verdict
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """Delays between attempts.

    Attributes:
        jitter: a number from 0 to 1 that scatters one delay.
    """

    first_s: float
    longest_s: float
    give_up: timedelta

    def delay(self, attempts: int, jitter: float) -> timedelta:
        """The delay after that many attempts: doubling, capped, scattered over its upper half."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 40))
        return timedelta(seconds=whole * (0.5 + jitter / 2))


class CustodyStore(Protocol):
    """Where custody is kept. Every method commits before it returns.

    All raise StoreUnavailable when nothing is known to be stored, `take_in` and `record` also
    StoreError when this one object or verdict cannot be stored."""

    async def take_in(self, intake: Intake) -> TakenIn: ...

    async def record(self, report: AttemptReport) -> DirectedState: ...

    async def due_receivers(self, candidates: Sequence[PartyId]) -> Sequence[PartyId]:
        """Those with objects to send now, and whose backoff is over."""
        ...

    async def claim(self, receiver: PartyId, limit: int) -> Sequence[Attempt]:
        """Lease due objects; only one while the receiver is in backoff."""
        ...

    async def find(self, key: ObjectKey) -> DirectedObject | None: ...

    async def page(self, module: str, reader: PartyId, page: PageRequest) -> Page:
        """Objects addressed to the reader, oldest first, what is held left out."""
        ...

    async def pulled(self, module: str, receiver: PartyId, serials: Sequence[int]) -> None:
        """The receiver fetched these: what waited is delivered. What is on its way to it just now
        gets its verdict."""
        ...


def judge_repeat(existing: DirectedObject, intake: Intake) -> Repeat:
    """What a further arrival of an object in custody means (table of D-6)."""
    identical = existing.fingerprint == intake.fingerprint
    again = Repeat.SEND_AGAIN if intake.resend else Repeat.KEPT
    match existing.state:
        case DirectedState.REFUSED:
            return again if identical else Repeat.REPLACE
        case _ if not identical:
            return Repeat.CONFLICT
        case DirectedState.DELIVERED:
            return Repeat.UNCHANGED
        case DirectedState.IN_FLIGHT:
            return Repeat.IN_FLIGHT
        case DirectedState.DEAD:
            return again
        case DirectedState.PENDING | DirectedState.UNCERTAIN | DirectedState.HELD:
            return Repeat.KEPT


def settle(
    row: DirectedObject,
    report: AttemptReport,
    now: datetime,
    patience: Patience,
    jitter: float,
    *,
    doubted: bool,
) -> DirectedObject:
    """The row after a report, the reports of attempts that lost their lease included.

    Args:
        doubted: the attempt is on record with an unknown outcome. A report that is written twice,
            because its first commit was not confirmed, must not take another attempt's doubt back.
    """
    attempt = report.attempt
    if attempt.version != row.version:
        return row
    current = row.state is DirectedState.IN_FLIGHT and row.attempt_id == attempt.attempt_id
    return (
        settle_current(row, report, now, patience, jitter)
        if current
        else _late(row, report, doubted)
    )


def settle_current(
    row: DirectedObject, report: AttemptReport, now: datetime, patience: Patience, jitter: float
) -> DirectedObject:
    """The row after the report of the attempt that has its lease."""
    verdict = report.verdict
    ended = replace(row, lease_until=None, last_answer=verdict.answer)
    match verdict:
        case Delivered(location=location):
            return _delivered(ended, location)
        case Refused(location=location):
            return _refused(ended, report, location)
        case Failed() | Unknown():
            unknown = row.unknown_outcomes + isinstance(verdict, Unknown)
            ended = replace(ended, unknown_outcomes=unknown)
            # What had to wait for its batch has been tried since then only.
            if now - max(row.received_at, row.batch_due_at or row.received_at) >= patience.give_up:
                days = patience.give_up.days
                return replace(
                    ended,
                    state=DirectedState.DEAD,
                    next_attempt_at=None,
                    reason=f"not delivered within {days} days",
                )
            due = now + _pause(row, verdict, patience, jitter)
            return replace(ended, state=DirectedState.PENDING, next_attempt_at=due)
        case NotSent(to_pull=to_pull):
            return replace(
                row,
                state=DirectedState.PENDING,
                lease_until=None,
                attempts=max(0, row.attempts - 1),
                next_attempt_at=None if to_pull else now + patience.delay(1, jitter),
            )
        case _:
            assert_never(verdict)


def _pause(
    row: DirectedObject, verdict: Failed | Unknown, patience: Patience, jitter: float
) -> timedelta:
    """Time until this object is due again; a receiver that is down is its backoff's business."""
    if isinstance(verdict, Failed) and verdict.answer.http is None:
        return timedelta()
    pause = patience.delay(max(row.attempts, 1), jitter)
    asked = timedelta(seconds=min(verdict.retry_after_s or 0.0, patience.longest_s))
    return max(pause, asked)


def _late(row: DirectedObject, report: AttemptReport, doubted: bool) -> DirectedObject:
    """A verdict after the lease was lost, or a further one on the last attempt.

    Delivered is delivered, whoever is trying now. A refusal or failure only takes the doubt back.
    """
    if row.state is DirectedState.DELIVERED:
        return row
    verdict = report.verdict
    if isinstance(verdict, Delivered):
        return _delivered(
            replace(row, lease_until=None, last_answer=verdict.answer), verdict.location
        )
    if isinstance(verdict, Refused) and _judged_by(row, report) and report.acknowledged:
        return replace(row, refused_after_ack=True)
    if isinstance(verdict, Unknown) or not doubted:
        return row
    known = replace(row, unknown_outcomes=max(0, row.unknown_outcomes - 1))
    if known.unknown_outcomes > 0:
        return known
    if row.state is DirectedState.UNCERTAIN:
        return replace(known, state=DirectedState.REFUSED, reason=None)
    if isinstance(verdict, Refused) and row.state is DirectedState.PENDING:
        return _refused(replace(known, last_answer=verdict.answer), report, verdict.location)
    return known


def _judged_by(row: DirectedObject, report: AttemptReport) -> bool:
    refused = row.state in (DirectedState.REFUSED, DirectedState.UNCERTAIN)
    return refused and row.attempt_id == report.attempt.attempt_id


def _delivered(row: DirectedObject, location: str | None) -> DirectedObject:
    return replace(
        row,
        state=DirectedState.DELIVERED,
        sent_version=row.version,
        next_attempt_at=None,
        receiver_location=location or row.receiver_location,
        reason=None,
    )


def _refused(row: DirectedObject, report: AttemptReport, location: str | None) -> DirectedObject:
    uncertain = row.unknown_outcomes > 0
    return replace(
        row,
        state=DirectedState.UNCERTAIN if uncertain else DirectedState.REFUSED,
        next_attempt_at=None,
        receiver_location=location or row.receiver_location,
        refused_after_ack=report.acknowledged,
        reason="refused after an attempt of unknown outcome" if uncertain else None,
    )


def answer_text(answer: LastAnswer | None) -> str:
    """One line for a person."""
    if answer is None:
        return "not tried yet"
    parts = [
        f"HTTP {answer.http}" if answer.http else "",
        f"OCPI {answer.ocpi}" if answer.ocpi else "",
    ]
    return ", ".join(part for part in (*parts, answer.message) if part) or "no answer"
