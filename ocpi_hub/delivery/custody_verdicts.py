"""Custody of directed objects: what verdicts make of a row, pure (decision D-6).

A verdict names its attempt: one that comes late, when another attempt is under way, still tells
whether the receiver has the object.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from ocpi_hub.delivery.custody import AttemptReport, Patience
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown
from ocpi_hub.domain.objects import DirectedObject, DirectedState


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
