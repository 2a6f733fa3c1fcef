"""Custody of sessions: what changes make of them, pure. `session_verdicts` has the other half.

Every change makes a new version of the text that the hub keeps. `sent_version` is the last one that
the receiver took; a session is *clean* while that is the newest. A PATCH of a clean session goes to
the receiver as it came. In every other case the whole text goes out by PUT: whatever the receiver
has or missed, it then has the newest state. A PATCH is therefore sent once at most, by the request
that brought it, and charging periods are not doubled where an outcome is unknown:

    clean ──PATCH──► in_flight (PATCH) ──1xxx──► clean
                       │ silence, failure
                       ▼
                     pending ──due──► in_flight (PUT) ──1xxx──► clean
                       ▲                 │ changed meanwhile, failure
                       └─────────────────┘

What arrives during an attempt is merged and goes out when the attempt has ended. A change that the
receiver refuses while its sender waits for the verdict has not happened: the hub takes it back, as
its owner will. A refusal that comes later does not undo what was acknowledged.

A session is never deleted. One that is over may change all the same: the receiver gets the change
like any other, and the log says so.

Changes are told apart by `last_updated` and content. What is older than the text that is kept is
dropped; the marks of the changes at its very `last_updated` are kept with it, so that one that is
brought twice is not applied twice.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ocpi_hub.delivery.custody import Attempt, Start
from ocpi_hub.delivery.dating import is_older
from ocpi_hub.delivery.session_change import LISTED, Arrival, SessionChange, SessionRead, Taken
from ocpi_hub.domain.objects import DirectedObject, DirectedState
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.session_text import appended_periods, changes_what_is_over, has_periods

MAX_MARKS: Final = 100
"""Changes at one `last_updated` that are told apart; of more, the oldest are forgotten."""


def take_change(
    row: DirectedObject | None, change: SessionChange, now: datetime, lease: timedelta
) -> Taken:
    """Apply a change to the row that is there.

    Raises:
        InvalidRequest: what comes of it cannot be kept; nothing is applied.
    """
    if row is None:
        if change.partial:
            return Taken(Arrival.MISSING, None)
        return _begun(Arrival.CREATED, _new_row(change, now), change, now, lease)
    stands = (row.last_updated, row.received_at)
    if is_older(change.last_updated, *stands, now, listed=change.listed):
        return Taken(Arrival.STALE, row)
    if change.last_updated == row.last_updated and (change.listed or is_applied(row, change)):
        return _again(row, change, now, lease)
    text = _text_after(row, change)
    read = change.read(text)
    if change.partial and read.receiver != row.receiver:
        raise InvalidRequest("cdr_token: a PATCH cannot give a Session to another eMSP: PUT it")
    taken = _changed(row, change, text, read, now, lease)
    return replace(taken, over=changes_what_is_over(row.body, text))


def is_clean(row: DirectedObject) -> bool:
    """Whether the receiver has the newest version, as far as the hub knows."""
    return row.state is DirectedState.DELIVERED and row.sent_version == row.version


def is_applied(row: DirectedObject, change: SessionChange) -> bool:
    """Whether a change of the very moment of the text that is kept is in it already.

    An owner's list shows what the PATCH of that moment says, whether it is still on its way or was
    not answered and is sent again.
    """
    if change.mark in row.applied:
        return True
    if change.partial:
        listed = any(mark.startswith(LISTED) for mark in row.applied)
        return listed and _has_periods(row, change)
    content = fingerprint(change.body)
    return content == row.fingerprint or LISTED + content in row.applied


def _has_periods(row: DirectedObject, change: SessionChange) -> bool:
    try:
        return has_periods(row.body, change.body)
    except ValueError:
        return False  # whoever applies it says what is wrong


def _again(row: DirectedObject, change: SessionChange, now: datetime, lease: timedelta) -> Taken:
    """The same change again: what was refused or given up goes out once more."""
    stopped = row.state in (DirectedState.REFUSED, DirectedState.DEAD)
    if change.listed or not stopped:
        return Taken(Arrival.REPEATED, row)
    again = replace(row, correlation_id=change.correlation_id, received_at=now)
    return _begun(Arrival.REPEATED, again, change, now, lease)


def _text_after(row: DirectedObject, change: SessionChange) -> str:
    if not change.partial:
        text = change.body
    else:
        try:
            text = appended_periods(row.body, change.body)
        except ValueError as error:
            raise InvalidRequest(f"The Session cannot be changed like that: {error}") from None
    size = len(text.encode())
    if size > change.max_bytes:
        raise InvalidRequest(
            f"The Session would have {size} bytes; this hub keeps {change.max_bytes} at most"
        )
    return text


def _changed(
    row: DirectedObject,
    change: SessionChange,
    text: str,
    read: SessionRead,
    now: datetime,
    lease: timedelta,
) -> Taken:
    same_receiver = read.receiver == row.receiver
    same_moment = read.last_updated == row.last_updated
    after = replace(
        row,
        receiver=read.receiver,
        body=text,
        fingerprint=fingerprint(text),
        last_updated=read.last_updated,
        correlation_id=change.correlation_id,
        version=row.version + 1,
        received_at=now,
        refused_after_ack=False,
        reason=None,
        applied=(*(row.applied if same_moment else ()), change.mark)[-MAX_MARKS:],
    )
    if not same_receiver:
        # To the new one nothing was ever sent, and whatever is under way does not concern it.
        after = replace(
            after,
            sent_version=0,
            unknown_outcomes=0,
            lease_until=None,
            attempts=0,
            doubted_until=None,
        )
    elif row.state is DirectedState.IN_FLIGHT:
        return Taken(Arrival.CHANGED, after)
    elif is_clean(row):
        after = replace(after, attempts=0)
    patched = change.partial and change.patchable and same_receiver and is_clean(row)
    return _begun(
        Arrival.CHANGED,
        after,
        change,
        now,
        lease,
        patch=change.body if patched else None,
        before=row if same_receiver else None,
    )


def _begun(
    arrival: Arrival,
    row: DirectedObject,
    change: SessionChange,
    now: datetime,
    lease: timedelta,
    *,
    patch: str | None = None,
    before: DirectedObject | None = None,
) -> Taken:
    """Leased to the bringing request, or left to the worker or to the receiver."""
    # A PATCH was looked up before: where the session has gone to another receiver meanwhile, its
    # request does not know the way.
    start = change.start if change.receiver == row.receiver else Start.WAIT
    if start is not Start.SEND:
        due = None if start is Start.PULL else now
        waits = replace(row, state=DirectedState.PENDING, next_attempt_at=due, lease_until=None)
        return Taken(arrival, waits)
    leased = replace(
        row,
        state=DirectedState.IN_FLIGHT,
        attempt_id=change.attempt_id,
        lease_until=now + lease,
        attempts=row.attempts + 1,
        next_attempt_at=None,
    )
    attempt = Attempt(
        attempt_id=change.attempt_id,
        key=leased.key,
        version=leased.version,
        receiver=leased.receiver,
        body=leased.body,
        correlation_id=leased.correlation_id,
        path=change.path,
        patch=patch,
        before=before,
    )
    return Taken(arrival, leased, attempt)


def _new_row(change: SessionChange, now: datetime) -> DirectedObject:
    text = change.body
    if len(text.encode()) > change.max_bytes:
        raise InvalidRequest(f"The Session is larger than the {change.max_bytes} bytes kept here")
    read = change.read(text)
    return DirectedObject(
        key=change.key,
        serial=0,
        receiver=read.receiver,
        body=text,
        fingerprint=fingerprint(text),
        last_updated=read.last_updated,
        correlation_id=change.correlation_id,
        state=DirectedState.PENDING,
        version=1,
        sent_version=0,
        attempt_id=change.attempt_id,
        lease_until=None,
        attempts=0,
        unknown_outcomes=0,
        next_attempt_at=None,
        received_at=now,
        last_answer=None,
        receiver_location=None,
        reason=None,
        applied=(change.mark,),
    )
