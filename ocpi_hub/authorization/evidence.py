"""Evidence: every decision leaves a record (design section 4, step 8).

A decision that the hub made itself waits a moment for its record to be committed; one that was
passed on does not, and is lost at most with the last batch of a killed process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import assert_never

from ocpi_hub.authorization.candidates import Refuse
from ocpi_hub.authorization.decision import AnswerFromStore, Final, PassOn
from ocpi_hub.authorization.protocols import (
    DecidedBy,
    DecisionRecord,
    EvidenceSink,
    LateAnswer,
    LateRecord,
    LegRecord,
)
from ocpi_hub.authorization.reply import Request
from ocpi_hub.clock import Clock
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import Overloaded
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import RequestLog, get_logger

log = get_logger(__name__)


class Case:
    """An authorization from its arrival to its record, and what comes after that.

    Attributes:
        received_at: monotonic seconds.
        decided_at: None until there is a record.
        waiting: late answers that came before the decision, while others were still asked.
    """

    __slots__ = ("decided_at", "received_at", "request", "waiting")

    def __init__(self, request: Request, received_at: float) -> None:
        self.request = request
        self.received_at = received_at
        self.decided_at: datetime | None = None
        self.waiting: list[LateAnswer] = []


class Recorder:
    """Makes the records and hands them over."""

    def __init__(
        self,
        sink: EvidenceSink,
        *,
        settings: Settings,
        clock: Clock,
        mask: Callable[[str], str],
    ) -> None:
        self._sink = sink
        self._wait_s = settings.evidence_wait_ms / 1000
        self._clock = clock
        self._mask = mask
        self._decided = RequestLog(settings, __name__, "authorization_decided")

    async def record(
        self,
        final: Final,
        case: Case,
        reference: str | None,
        legs: Sequence[LegRecord],
    ) -> None:
        """Record a decision. It stands also when it cannot be recorded; that is logged."""
        received_at = case.received_at
        total_ms = (self._clock.monotonic() - received_at) * 1000
        record = self._record(final, case.request, reference, legs, total_ms)
        case.decided_at = record.at
        if record.decided_by is not DecidedBy.EMSP:
            self._decided.line(record.at, **_ids(case.request.message), **self._fields(record))
        lost = partial(self._log, "authorization_evidence_lost", record)
        committed: asyncio.Future[None] | None = None
        try:
            if isinstance(final, AnswerFromStore):
                committed = self._sink.record(record, lost)
            else:
                self._sink.note(record, lost)
        except Overloaded:
            lost()
            return
        for answer in case.waiting:
            self.late(case, answer)
        if committed is not None and isinstance(final, AnswerFromStore):
            budget_s = final.candidate.terms.budget_ms / 1000
            left_s = received_at + budget_s - self._clock.monotonic()
            limit_s = min(self._wait_s, max(left_s, 0.0))
            if not await _ended_within(committed, limit_s):
                self._log("authorization_evidence_late", record)

    def late(self, case: Case, answer: LateAnswer) -> None:
        """Record what an eMSP said too late."""
        if case.decided_at is None:
            case.waiting.append(answer)
            return
        try:
            self._sink.record_late(
                LateRecord(case.decided_at, case.request.message.ids.correlation_id, answer)
            )
        except Overloaded:
            log.warning("late_answer_lost", emsp=str(answer.emsp), outcome=answer.outcome)

    def _record(
        self,
        final: Final,
        request: Request,
        reference: str | None,
        legs: Sequence[LegRecord],
        total_ms: float,
    ) -> DecisionRecord:
        message = request.message
        emsp, decided_by, reason, allowed, given, http_status, status_code = _outcome(final)
        return DecisionRecord(
            self._clock.now(),
            request.asked.uid,
            request.asked.token_type,
            message.sender,
            emsp,
            request.location,
            decided_by,
            reason,
            allowed,
            reference or given,
            http_status,
            status_code,
            round(total_ms, 3),
            tuple(legs),
            message.ids.correlation_id,
        )

    def _log(self, event: str, record: DecisionRecord) -> None:
        log.info(event, **self._fields(record))

    def _fields(self, record: DecisionRecord) -> dict[str, str | float | None]:
        return {
            "uid_hmac": self._mask(record.uid),
            "cpo": str(record.cpo),
            "emsp": str(record.emsp) if record.emsp else None,
            "decided_by": record.decided_by.value,
            "reason": record.reason,
            "allowed": record.allowed,
            "total_ms": record.total_ms,
        }


def _ids(message: Message) -> dict[str, str]:
    """What other lines have from the context."""
    return {
        "request_id": message.ids.request_id,
        "correlation_id": message.ids.correlation_id,
        "platform": message.platform.platform_id,
    }


class _TooLate(Exception):
    """The commit was not there in time."""


async def _ended_within(committed: asyncio.Future[None], limit_s: float) -> bool:
    """Wait for a commit, or its failure; false when it takes longer.

    The future is ours alone, so that time may end it too, which needs neither a second one nor
    `asyncio.wait`.
    """
    timer = asyncio.get_running_loop().call_later(limit_s, _give_up, committed)
    try:
        await committed
    except _TooLate:
        return False
    except Exception:  # noqa: BLE001 - whatever it failed with, `lost` was told
        return True
    finally:
        timer.cancel()
    return True


def _give_up(committed: asyncio.Future[None]) -> None:
    if not committed.done():
        committed.set_exception(_TooLate())


_Outcome = tuple[PartyId | None, DecidedBy, str, str | None, str | None, int, int]
"""A decision in the columns of its record: eMSP, who decided and why, AllowedType and reference
that were answered, HTTP status and status code."""


def _outcome(final: Final) -> _Outcome:
    match final:
        case PassOn(candidate=candidate, answered=answered):
            http_status, status_code = answered.answer.http_status, answered.status_code
            said = answered.allowed, answered.reference
            return candidate.emsp, DecidedBy.EMSP, "answered", *said, http_status, status_code
        case AnswerFromStore(candidate=candidate, decided_by=decided_by, reason=reason):
            allowed = final.allowed.value
            code = StatusCode.SUCCESS.value
            return candidate.emsp, decided_by, reason, allowed, None, 200, code
        case Refuse(error=error, reason=reason, emsp=emsp, decided_by=decided_by):
            return emsp, decided_by, reason, None, None, error.http_status, error.status_code
        case _:
            assert_never(final)
