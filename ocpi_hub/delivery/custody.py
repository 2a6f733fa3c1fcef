"""Custody of directed objects: what arrives and how attempts end, pure (decision D-6).

`custody_verdicts` says what verdicts make of CDRs, `session_custody` and `session_verdicts` what
becomes of sessions.

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
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from ocpi_hub.clearing.ledger import Examination
from ocpi_hub.delivery.shared import Page
from ocpi_hub.delivery.verdict import Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
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
