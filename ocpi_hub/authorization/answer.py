"""What an eMSP's answer to authorize is worth. Pure.

Spec: 2.2.1 mod_tokens_post_method, mod_tokens_authorizationinfo_object.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.envelope import Envelope, parse_envelope
from ocpi_hub.ocpi.status_codes import StatusCode, is_success
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType

_WITHHELD = frozenset({401, 403, 429})
"""HTTP statuses about the hub's credentials or pace, not about the token (RT-18)."""

MAX_KEPT = 100
"""Characters of an eMSP's values that go into the evidence."""


@value
class Asked:
    """The token that was asked for."""

    uid: str
    token_type: str


@value
class Answered:
    """The eMSP answered, and its answer can be passed on.

    Attributes:
        allowed: AllowedType of a success, None for any other status code.
        reference: the eMSP's authorization_reference, if it gave one.
    """

    answer: Answer
    status_code: int
    allowed: str | None
    reference: str | None = None

    @property
    def says_yes(self) -> bool:
        return self.allowed == AllowedType.ALLOWED

    @property
    def says_unknown(self) -> bool:
        return self.status_code == StatusCode.UNKNOWN_TOKEN

    @property
    def outcome(self) -> str:
        """For the evidence: the AllowedType, else the status code."""
        return self.allowed or str(self.status_code)


class Failure(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    OFFLINE = "offline"
    NO_INTERFACE = "no_interface"
    UNUSABLE = "unusable"
    NOT_ASKED = "not_asked"


@value
class Failed:
    """The eMSP did not answer, or not with something that can be passed on.

    Attributes:
        denied: the answer was broken, but it said no; the hub then never says yes in its place.
    """

    failure: Failure
    detail: str
    denied: bool = False

    @property
    def outcome(self) -> str:
        return self.failure.value


def read_answer(exchange: Exchange, asked: Asked, emsp: PartyId) -> Answered | Failed:
    """Tell an answer from what only looks like one."""
    match exchange:
        case Busy(reason=reason):
            return Failed(Failure.TIMEOUT, f"{emsp} was not asked: {reason}")
        case Unreachable(reason=reason):
            return Failed(Failure.UNREACHABLE, f"{emsp} cannot be reached: {reason}")
        case NoAnswer(reason=reason):
            return Failed(Failure.TIMEOUT, f"{emsp} did not answer: {reason}")
        case Answer():
            return _read(exchange, asked, emsp)


def _read(answer: Answer, asked: Asked, emsp: PartyId) -> Answered | Failed:
    status = answer.http_status
    if status in _WITHHELD or status >= 500:
        return Failed(Failure.UNUSABLE, f"{emsp} answered HTTP {status}")
    envelope = parse_envelope(answer.body)
    if envelope is None:
        detail = f"{emsp} answered HTTP {status} without an OCPI envelope"
        return Failed(Failure.UNUSABLE, detail)
    if not is_success(envelope.status_code):
        return Answered(answer, envelope.status_code, None)
    return _read_success(answer, envelope, asked, emsp)


def _read_success(
    answer: Answer, envelope: Envelope, asked: Asked, emsp: PartyId
) -> Answered | Failed:
    info = envelope.data if isinstance(envelope.data, dict) else {}
    allowed, token = info.get("allowed"), info.get("token")
    says_no = isinstance(allowed, str) and allowed not in ("", AllowedType.ALLOWED)
    if answer.http_status >= 300:
        detail = f"{emsp} answered HTTP {answer.http_status} with {envelope.status_code}"
        return Failed(Failure.UNUSABLE, detail, denied=says_no)
    if not isinstance(allowed, str) or not allowed or not isinstance(token, dict):
        detail = f"{emsp} answered {envelope.status_code} without an AuthorizationInfo"
        return Failed(Failure.UNUSABLE, detail, denied=says_no)
    if not says_no and not _is_asked(token, asked, emsp):
        return Failed(Failure.UNUSABLE, f"{emsp} answered ALLOWED for another token than asked")
    reference = info.get("authorization_reference")
    kept = _kept(reference) if isinstance(reference, str) else None
    return Answered(answer, envelope.status_code, _kept(allowed), kept)


def _kept(text: str) -> str:
    """A partner's text as PostgreSQL takes it."""
    kept = text[:MAX_KEPT].replace("\0", "")
    return kept if kept.isascii() else kept.encode("utf-8", "replace").decode()


def _is_asked(token: Mapping[str, object], asked: Asked, emsp: PartyId) -> bool:
    """Whether a Token in an answer is the one asked for.

    Its owner counts too: the CDR goes to the party that the token names.
    """
    country_code, party_id, uid = token.get("country_code"), token.get("party_id"), token.get("uid")
    return (
        isinstance(country_code, str)
        and isinstance(party_id, str)
        and isinstance(uid, str)
        and (country_code.upper(), party_id.upper()) == emsp
        and uid.upper() == asked.uid.upper()
        and token.get("type") == asked.token_type
    )
