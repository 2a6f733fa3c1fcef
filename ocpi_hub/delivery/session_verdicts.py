"""Custody of sessions: what verdicts make of them, pure.

A receiver that did not answer in time may be slow, and act on the request after all: after a newer
one, in the worst case. For that time the session stays dirty, and at its end the whole text goes
out once more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ocpi_hub.delivery.custody import AttemptReport, Patience
from ocpi_hub.delivery.custody_verdicts import settle_current
from ocpi_hub.delivery.session_custody import is_clean
from ocpi_hub.delivery.verdict import Delivered, Refused, Unknown
from ocpi_hub.domain.objects import DirectedObject, DirectedState


def settle_session(
    row: DirectedObject,
    report: AttemptReport,
    now: datetime,
    patience: Patience,
    jitter: float,
    *,
    doubted: bool,
    slow: timedelta,
) -> DirectedObject:
    """The row after a report, the reports of attempts that lost their lease included.

    Args:
        doubted: the attempt is on record with an unknown outcome: others have acted on that.
        slow: how long a receiver may still act on a request that it did not answer.
    """
    attempt, verdict = report.attempt, report.verdict
    if attempt.receiver != row.receiver:
        return row
    if row.state is not DirectedState.IN_FLIGHT or row.attempt_id != attempt.attempt_id:
        return _late(row, report, now, doubted=doubted, slow=slow)
    changed_since = attempt.version < row.version
    ended = replace(row, lease_until=None, last_answer=verdict.answer)
    if isinstance(verdict, Delivered):
        sent = replace(
            ended, sent_version=attempt.version, unknown_outcomes=0, attempts=0, reason=None
        )
        return _due_again(sent, now) if changed_since else _delivered(sent, now)
    if isinstance(verdict, Refused):
        if changed_since:
            return replace(_due_again(ended, now), attempts=0)
        if attempt.before is not None and not report.acknowledged:
            return _taken_back(ended, attempt.before, now)
        return replace(
            ended,
            state=DirectedState.REFUSED,
            next_attempt_at=None,
            refused_after_ack=report.acknowledged,
        )
    unsettled = settle_current(row, report, now, patience, jitter)
    return _doubted(unsettled, now + slow) if isinstance(verdict, Unknown) else unsettled


def _delivered(row: DirectedObject, now: datetime) -> DirectedObject:
    """The receiver has the newest version. Where it may still act on something older, it gets it
    once more when that time is over."""
    if row.doubted_until is not None and row.doubted_until > now:
        return _due_again(row, row.doubted_until)
    return replace(row, state=DirectedState.DELIVERED, next_attempt_at=None, doubted_until=None)


def _due_again(row: DirectedObject, at: datetime) -> DirectedObject:
    return replace(row, state=DirectedState.PENDING, next_attempt_at=at)


def _doubted(row: DirectedObject, until: datetime) -> DirectedObject:
    return replace(row, doubted_until=max(until, row.doubted_until or until))


def _taken_back(row: DirectedObject, before: DirectedObject, now: datetime) -> DirectedObject:
    """The row as it was before a change that was refused to its sender."""
    restored = replace(
        row,
        body=before.body,
        fingerprint=before.fingerprint,
        last_updated=before.last_updated,
        correlation_id=before.correlation_id,
        version=before.version,
        applied=before.applied,
        received_at=before.received_at,
        refused_after_ack=before.refused_after_ack,
    )
    if is_clean(before):
        return replace(restored, state=DirectedState.DELIVERED, next_attempt_at=None)
    if before.state is DirectedState.REFUSED:
        return replace(restored, state=DirectedState.REFUSED, next_attempt_at=None)
    return _due_again(restored, now)


def _late(
    row: DirectedObject, report: AttemptReport, now: datetime, *, doubted: bool, slow: timedelta
) -> DirectedObject:
    """A verdict after the lease was lost.

    Somebody has sent a newer attempt, or will. If the receiver took this one too, nobody knows
    which it took last: it gets the newest state once more.
    """
    if not doubted or not isinstance(report.verdict, Delivered | Unknown):
        return row
    if isinstance(report.verdict, Unknown):
        row = _doubted(row, now + slow)
    match row.state:
        case DirectedState.IN_FLIGHT:
            return replace(row, version=row.version + 1)
        case DirectedState.DELIVERED | DirectedState.REFUSED | DirectedState.DEAD:
            return _due_again(row, now)
        case DirectedState.PENDING | DirectedState.UNCERTAIN | DirectedState.HELD:
            return row
