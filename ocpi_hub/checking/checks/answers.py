"""What holds for every answer. These checks look back on all that was said, so they come last."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Callable, Iterable
from datetime import timedelta

from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, Run, Severity, Skip
from ocpi_hub.checking.partner import Partner
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.status_codes import is_success

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_LONGEST_TIME = 25
"""Characters of a DateTime."""
_CLOCKS_APART = timedelta(minutes=5)
_ROUTING = tuple(
    name.lower()
    for name in (headers.TO_COUNTRY, headers.TO_PARTY, headers.FROM_COUNTRY, headers.FROM_PARTY)
)
_NO_BODY = frozenset({204, 304})

Judge = Callable[[Partner, Seen], str | None]
"""What is wrong with one answer; None: nothing."""


def every(wanted: Callable[[Seen], bool], judge: Judge, nothing: str) -> Run:
    """That no answer of a kind has a fault.

    Args:
        nothing: why it is skipped when there was none.
    """

    async def run(partner: Partner, notes: Notes) -> None:
        looked = [seen for seen in partner.said if seen.failure is None and wanted(seen)]
        if not looked:
            raise Skip(nothing)
        notes.saw(looked[0])
        for seen in looked:
            if (text := judge(partner, seen)) is not None:
                notes.fault(text, seen)

    return run


def _any(_seen: Seen) -> bool:
    return True


def _admitted(seen: Seen) -> bool:
    return seen.asked.good and seen.http != 401


def _succeeded(seen: Seen) -> bool:
    return seen.asked.good and seen.succeeded


def _erred(seen: Seen) -> bool:
    return 400 <= seen.http < 500 and seen.http != 401


def _refused(seen: Seen) -> bool:
    return seen.http == 401


def _enveloped(seen: Seen) -> bool:
    return "timestamp" in seen.fields


def _routed(seen: Seen) -> bool:
    return _succeeded(seen) and seen.asked.routed


def _unrouted(seen: Seen) -> bool:
    return _succeeded(seen) and not seen.asked.routed


def _repeats(name: str) -> Judge:
    def judge(_partner: Partner, seen: Seen) -> str | None:
        sent = _sent(seen, name)
        if sent is None or seen.headers.get(name.lower()) == sent:
            return None
        came = seen.headers.get(name.lower())
        return f"{name} is {'missing' if came is None else 'another one'} in the answer"

    return judge


def _sent(seen: Seen, name: str) -> str | None:
    return next((t for n, t in seen.asked.headers.items() if n.lower() == name.lower()), None)


def _json_type(_partner: Partner, seen: Seen) -> str | None:
    kind = seen.headers.get("content-type", "")
    if seen.http in _NO_BODY or kind.partition(";")[0].strip().lower() == "application/json":
        return None
    return f"Content-Type is {kind[:60] or 'missing'}"


def _utf8(_partner: Partner, seen: Seen) -> str | None:
    if seen.body.startswith(b"\xef\xbb\xbf"):
        return "the body begins with a byte order mark"
    if not seen.is_json:
        return f"{seen.outcome}: {seen.json_fault}"
    return None


def _shape(_partner: Partner, seen: Seen) -> str | None:
    if not seen.is_json:
        return None
    if not isinstance(seen.value, dict):
        return "the answer is JSON, but no object"
    missing = [name for name in ("status_code", "timestamp") if name not in seen.fields]
    if missing:
        return f"{' and '.join(missing)}: missing in the envelope"
    if not isinstance(seen.fields.get("status_message", ""), str | None):
        return "status_message is no string"
    return None


def _known_code(_partner: Partner, seen: Seen) -> str | None:
    if "status_code" not in seen.fields:
        return None
    if seen.code is None:
        return "status_code is no number"
    return None if 1000 <= seen.code <= 4999 else f"status_code {seen.code} is in no known range"


def _date_time(_partner: Partner, seen: Seen) -> str | None:
    text = seen.fields["timestamp"]
    try:
        parse_datetime(text if isinstance(text, str) else "")
    except ValueError:
        return f"timestamp is no DateTime in UTC: {str(text)[:40]}"
    if len(str(text)) > _LONGEST_TIME:
        return f"timestamp has {len(str(text))} characters, {_LONGEST_TIME} are allowed"
    return None


def _clock(partner: Partner, seen: Seen) -> str | None:
    try:
        told = parse_datetime(str(seen.fields["timestamp"]))
    except ValueError:
        return None
    apart = told - partner.clock.now()
    # The answer may have come a whole run ago.
    early = -_CLOCKS_APART - timedelta(seconds=partner.limits.total_s)
    return None if early <= apart <= _CLOCKS_APART else f"the clock is off by {apart}"


def _error_envelope(_partner: Partner, seen: Seen) -> str | None:
    if seen.code is not None and not is_success(seen.code):
        return None
    return f"{seen.outcome}, without an OCPI error code"


def _turned_round(partner: Partner, seen: Seen) -> str | None:
    came = [seen.headers.get(name, "").upper() for name in _ROUTING]
    if not all(came):
        return "routing headers are missing in the answer"
    sender = partner.sender
    if sender is not None and tuple(came[:2]) != sender:
        return f"TO in the answer is {came[0]}*{came[1]}, FROM in the request was {sender}"
    return None


def _without_routing(_partner: Partner, seen: Seen) -> str | None:
    there = [name for name in _ROUTING if name in seen.headers]
    return f"{there[0]} in an answer of a configuration module" if there else None


def _no_redirect(_partner: Partner, seen: Seen) -> str | None:
    return f"answered with a redirect (HTTP {seen.http})" if 300 <= seen.http < 400 else None


def _no_server_error(_partner: Partner, seen: Seen) -> str | None:
    return f"answered with HTTP {seen.http}" if seen.http >= 500 else None


def _agrees(_partner: Partner, seen: Seen) -> str | None:
    if seen.code is not None and is_success(seen.code) and seen.http >= 400:
        return f"HTTP {seen.http} together with status_code {seen.code}"
    return None


def _keeps_secret(partner: Partner, seen: Seen) -> str | None:
    token = str(partner.target.token).encode()
    shown = seen.body + " ".join(seen.headers.values()).encode()
    encoded = base64.b64encode(token).rstrip(b"=")
    told = token in shown or encoded in shown
    # The credentials object is there to tell it.
    is_credentials = isinstance(seen.data, dict) and "roles" in seen.data
    return "an answer repeats the credentials token" if told and not is_credentials else None


async def in_time(partner: Partner, notes: Notes) -> None:
    answered = sorted((seen for seen in partner.said if seen.failure is None), key=_seconds)
    if not answered:
        raise Skip("there were no answers")
    slowest = answered[-1]
    median_ms = round(statistics.median(map(_seconds, answered)) * 1000)
    notes.remark(f"median {median_ms} ms, slowest {round(slowest.seconds * 1000)} ms")
    notes.saw(slowest)
    limit = partner.limits.response_s
    for seen in _slower(answered, limit):
        notes.fault(f"an answer took {seen.seconds:.1f} s, more than {limit:g} s", seen)


def _seconds(seen: Seen) -> float:
    return seen.seconds


def _slower(answered: Iterable[Seen], limit: float) -> list[Seen]:
    return [seen for seen in answered if seen.seconds > limit]


async def answers_at_all(partner: Partner, notes: Notes) -> None:
    if not partner.said:
        raise Skip("nothing was asked")
    notes.saw(partner.said[0])
    for seen in partner.said:
        if seen.failure is not None:
            notes.fault(seen.failure, seen)


_FIX_IDS = (
    "Copy the header of each request into its answer, errors included: both sides find a message"
    " in their logs by it."
)
_NONE = "there were no such answers"
CHECKS = (
    Check("http.answers", "Every request is answered", ("TF-10",), MUST,
          "See the reason: name, port, firewall, certificate, time-outs, size of answers.",
          answers_at_all),
    Check("http.redirects", "Nothing is redirected", ("TF-34",), MUST,
          "Announce the URLs that answer. Redirects are not followed: they would take the token to"
          " another place.", every(_any, _no_redirect, _NONE)),
    Check("http.server_errors", "No request makes the server fail", ("ER-02",), MUST,
          "Look the request up in your logs by its X-Request-ID; answer wrong input with 2001.",
          every(_any, _no_server_error, _NONE)),
    Check("http.time", "Answers come in time", ("TK-05",), SHOULD,
          "Drivers wait at the charger for some of these answers: look for what is slow.", in_time),
    Check("headers.request_id", "X-Request-ID is repeated in the answer", ("TF-29",), MUST,
          _FIX_IDS, every(_admitted, _repeats(headers.REQUEST_ID), _NONE)),
    Check("headers.correlation_id", "X-Correlation-ID is repeated in the answer", ("TF-29",), MUST,
          _FIX_IDS, every(_admitted, _repeats(headers.CORRELATION_ID), _NONE)),
    Check("headers.ids_on_401", "A 401 repeats the message ids, too", ("TF-29",), SHOULD,
          _FIX_IDS, every(_refused, _repeats(headers.REQUEST_ID), _NONE)),
    Check("headers.content_type", "Answers are application/json", ("TF-08", "TF-10"), MUST,
          "Send `Content-Type: application/json`.", every(_succeeded, _json_type, _NONE)),
    Check("headers.routing", "Functional modules answer with routing headers", ("RT-01", "RT-07"),
          MUST, "Send the four OCPI-to- and OCPI-from- headers in answers too, turned round.",
          every(_routed, _turned_round, _NONE)),
    Check("headers.unrouted", "Configuration modules answer without routing headers", ("RT-02",),
          SHOULD, "Leave routing headers out on versions, credentials and hubclientinfo.",
          every(_unrouted, _without_routing, _NONE)),
    Check("envelope.json", "Answers are JSON in UTF-8", ("TF-10",), MUST,
          "Send valid JSON in UTF-8, without a byte order mark, on success.",
          every(lambda seen: seen.asked.good and seen.http in {200, 201}, _utf8, _NONE)),
    Check("envelope.shape", "Answers have the OCPI envelope", ("TF-10",), MUST,
          "Wrap every answer into {data, status_code, status_message, timestamp}.",
          every(_admitted, _shape, _NONE)),
    Check("envelope.code", "status_code is in a range of the specification", ("ER-05", "ER-06"),
          MUST, "Use 1xxx for success, 2xxx, 3xxx and 4xxx for errors, as a JSON number.",
          every(_any, _known_code, _NONE)),
    Check("envelope.timestamp", "timestamp is a DateTime in UTC", ("TY-03", "TY-04"), MUST,
          "Write times as 2026-01-31T08:00:00Z: UTC, with Z, never with an offset.",
          every(_enveloped, _date_time, _NONE)),
    Check("envelope.clock", "The clock is right", ("TY-03",), SHOULD,
          "Synchronize the server's clock (NTP) and write UTC: lists by date depend on it.",
          every(_enveloped, _clock, _NONE)),
    Check("envelope.success", "Success is not sent with an HTTP error", ("ER-02",), SHOULD,
          "Send HTTP 200 or 201 with status_code 1000.", every(_any, _agrees, _NONE)),
    Check("envelope.errors", "HTTP errors carry an envelope", ("TF-10", "ER-07"), SHOULD,
          "Send an envelope with status_code 2xxx with HTTP errors; frameworks and gateways answer"
          " with pages of their own unless told otherwise.",
          every(_erred, _error_envelope, _NONE)),
    Check("access.envelope", "A 401 carries an OCPI envelope", ("TF-06", "TF-10"), SHOULD,
          "Send the envelope with a status_code of 2xxx along with the 401; gateways in front of"
          " the platform often leave it out.", every(_refused, _error_envelope, _NONE)),
    Check("access.secret", "No answer repeats the token", ("CR-17",), SHOULD,
          "Keep tokens out of error texts and headers: they end up in the logs of others.",
          every(_any, _keeps_secret, _NONE)),
)  # fmt: skip
