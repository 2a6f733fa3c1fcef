"""What a receiver's answer to a directed object means for its custody.

The table of decision D-6, read from the receiver's side. The difference between `Failed` and
`Unknown` is whether the receiver may have taken the object although it did not say so: a refusal
that follows an unknown outcome may only be the receiver's way to say "I have that one already".
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.objects import LastAnswer
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.envelope import Envelope, parse_envelope
from ocpi_hub.ocpi.status_codes import StatusCode, is_client_error, is_success

MESSAGE_LENGTH = 500
"""Characters of a partner's status_message that are kept."""


@value
class Delivered:
    """1xxx: the receiver has the object. `location` is the URL of its copy, as it was sent."""

    answer: LastAnswer
    location: str | None = None


@value
class Refused:
    """2xxx: the object itself is at fault; sending it again changes nothing."""

    answer: LastAnswer
    location: str | None = None


@value
class Failed:
    """The receiver did not take the object, and said so or was not reached.

    Attributes:
        retry_after_s: what the receiver asked for.
    """

    answer: LastAnswer
    retry_after_s: float | None = None


@value
class Unknown:
    """The receiver may or may not have taken the object."""

    answer: LastAnswer
    retry_after_s: float | None = None


@value
class NotSent:
    """Nothing was tried: the hub's own limit for this receiver was used up. No attempt, and no
    reason to try the receiver less often.

    Attributes:
        to_pull: the receiver announces no interface (any more) to send it to.
    """

    answer: LastAnswer
    to_pull: bool = False


Verdict = Delivered | Refused | Failed | Unknown | NotSent

_NOT_TAKEN = frozenset({401, 403, 404, 405, 429})
_HTTP_FAULTS = frozenset({401, 403, 429})


def judge(exchange: Exchange) -> Verdict:
    """Read an exchange as a verdict."""
    match exchange:
        case Busy(reason=reason):
            return NotSent(LastAnswer(None, None, reason))
        case Unreachable(reason=reason):
            return Failed(LastAnswer(None, None, reason))
        case NoAnswer(reason=reason):
            return Unknown(LastAnswer(None, None, reason))
        case Answer():
            return _judge_answer(exchange)


def _judge_answer(answer: Answer) -> Verdict:
    status = answer.http_status
    envelope = parse_envelope(answer.body)
    if envelope is None or status in _HTTP_FAULTS or status >= 500:
        code = envelope.status_code if envelope else None
        last = LastAnswer(status, code, _text(envelope, "the answer is no OCPI envelope"))
        wait = retry_after_s(answer.headers)
        return Failed(last, wait) if status in _NOT_TAKEN else Unknown(last, wait)
    return _judge_envelope(answer, envelope)


def _judge_envelope(answer: Answer, envelope: Envelope) -> Verdict:
    code = envelope.status_code
    last = LastAnswer(answer.http_status, code, _text(envelope, None))
    location = answer.headers.get("location")
    if is_success(code) and answer.http_status < 300:
        return Delivered(last, location)
    if is_client_error(code):
        return Refused(last, location)
    # A hub behind us that got no answer in time knows as little as we do.
    return Unknown(last) if code == StatusCode.RECEIVER_TIMEOUT else Failed(last)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; dates are not used by OCPI platforms and are ignored."""
    with contextlib.suppress(ValueError):
        seconds = float(headers.get("retry-after", ""))
        if 0 <= seconds <= 86_400:
            return seconds
    return None


def _text(envelope: Envelope | None, default: str | None) -> str | None:
    text = envelope.status_message if envelope else None
    if not text:
        return default
    # What cannot be printed (a NUL, above all) cannot be stored or shown either.
    return "".join(sign if sign.isprintable() else " " for sign in text[:MESSAGE_LENGTH])
