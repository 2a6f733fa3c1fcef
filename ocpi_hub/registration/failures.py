"""What kinds of things go wrong in a handshake, so that people are told what to do about each."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, Unreachable
from ocpi_hub.errors import EndpointsMissing, HubError, UnsupportedVersion
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.registration.protocols import (
    CredentialsGone,
    PartyReserved,
    PartyTaken,
    Stored,
    StoreResult,
    TooManyParties,
    WrongState,
)


class Failure(StrEnum):
    """A kind; the console has a hint for each."""

    NO_TLS = "no_tls"
    BAD_URL = "bad_url"
    PRIVATE_ADDRESS = "private_address"
    OWN_URL = "own_url"
    UNKNOWN_HOST = "unknown_host"
    PLAIN_HTTP = "plain_http"
    """The URL says https, and the server there speaks something else."""
    CERTIFICATE = "certificate"
    NO_CONNECTION = "no_connection"
    TIMEOUT = "timeout"
    LOST = "lost"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - the name of a kind
    NO_SUCH_PATH = "no_such_path"
    REDIRECT = "redirect"
    SERVER_ERROR = "server_error"
    HTML = "html"
    NO_JSON = "no_json"
    NO_OCPI = "no_ocpi"
    REFUSED = "refused"
    NO_CALL_BACK = "no_call_back"
    """The other side could not use the versions URL that it was given."""
    CONTENT = "content"
    NO_VERSION = "no_version"
    NO_CREDENTIALS = "no_credentials"
    CREDENTIALS = "credentials"
    CALLS = "calls"
    """One of the calls in between failed; it stands before."""
    PARTY_TAKEN = "party_taken"
    PARTY_RESERVED = "party_reserved"
    TOO_MANY = "too_many"
    USED = "used"
    EXPIRED = "expired"
    """The invitation was too old."""
    STATE = "state"
    KNOWN = "known"


_REASONS: tuple[tuple[str, Failure], ...] = (
    ("must start with", Failure.NO_TLS),
    ("URL of the hub itself", Failure.OWN_URL),
    ("valid IP address", Failure.BAD_URL),
    (r"\ban? [A-Za-z\- ]*address\b|not a public address", Failure.PRIVATE_ADDRESS),
    (r"\bthe URL\b", Failure.BAD_URL),
    ("cannot be resolved", Failure.UNKNOWN_HOST),
    ("TLS: (wrong version number|record layer failure|packet length too long)", Failure.PLAIN_HTTP),
    ("TLS: ", Failure.CERTIFICATE),
    ("no answer within", Failure.TIMEOUT),
    ("connection was lost", Failure.LOST),
)
"""Words of the reasons for which nothing was sent, or nothing came back."""

_CALL_BACK_FAILED = 3001
_BY_STATUS = {
    401: Failure.WRONG_TOKEN,
    403: Failure.WRONG_TOKEN,
    404: Failure.NO_SUCH_PATH,
    405: Failure.NO_SUCH_PATH,
}


def failure_of_reason(reason: str, otherwise: Failure = Failure.NO_CONNECTION) -> Failure:
    """The kind of a reason that the hub itself found."""
    return next((kind for words, kind in _REASONS if re.search(words, reason)), otherwise)


def failure_of_call(exchange: Exchange | None, error: HubError | str) -> Failure:
    """Why a call to a partner was of no use.

    Args:
        exchange: None: it was not made.
        error: what was made of it.
    """
    match error:
        case UnsupportedVersion():
            return Failure.NO_VERSION
        case EndpointsMissing():
            return Failure.NO_CREDENTIALS
        case _:
            text = str(error)
    match exchange:
        case None:
            return failure_of_reason(text, Failure.BAD_URL)
        case Unreachable(reason):
            return failure_of_reason(reason)
        case NoAnswer(reason):
            return failure_of_reason(reason, Failure.LOST)
        case Answer():
            return _failure_of_answer(exchange, text)


def failure_of_store(result: StoreResult) -> Failure | None:
    """Why a registration could not be stored."""
    match result:
        case Stored():
            return None
        case PartyTaken():
            return Failure.PARTY_TAKEN
        case PartyReserved():
            return Failure.PARTY_RESERVED
        case TooManyParties():
            return Failure.TOO_MANY
        case CredentialsGone():
            return Failure.USED
        case WrongState():
            return Failure.STATE


def _failure_of_answer(answer: Answer, text: str) -> Failure:
    status = answer.http_status
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Failure.SERVER_ERROR
    if 300 <= status < 400:
        return Failure.REDIRECT
    if answer.body.lstrip()[:1] == b"<":
        return Failure.HTML
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return Failure.NO_JSON
    code = value.get("status_code") if isinstance(value, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        return Failure.NO_OCPI
    if code == _CALL_BACK_FAILED:
        return Failure.NO_CALL_BACK
    if status >= 400 or not is_success(code):
        return Failure.REFUSED
    # The answer itself was fine: a URL in it may not be.
    return failure_of_reason(text, Failure.CONTENT)
