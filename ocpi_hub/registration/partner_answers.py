"""What a partner's answers during a handshake mean: pure, whatever they are.

Each text names the step that it is about, and is fit for a message of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.errors import ClientApiUnusable, InvalidRequest, UnsupportedVersion
from ocpi_hub.ocpi.parse import parse_json, validate_object
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.registration.steps import without

QUOTED = 200
"""Characters of a partner's text that are shown."""

MAX_BYTES = 1024 * 1024
"""Of an answer. Versions, version details and credentials are a few kilobytes; what is much larger
is there to keep the hub busy."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The partner took the credentials and gave its own."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Declined:
    """The partner refused, or was not reached: nothing has changed there."""

    reason: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """The partner may have taken the credentials, but gave none that can be used."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Success:
    data: object


@dataclass(frozen=True, slots=True)
class _Fault:
    """`refused`: the partner said no. Else it failed, perhaps after it did what was asked."""

    text: str
    refused: bool


def data_of(step: str, exchange: Exchange, max_depth: int, *secrets: str) -> object:
    """The `data` of a successful answer.

    Args:
        secrets: tokens that partners quote when they refuse them.

    Raises:
        ClientApiUnusable: it was none.
    """
    match exchange:
        case Unreachable(reason) | NoAnswer(reason):
            raise ClientApiUnusable(f"{step}: {reason}")
        case Answer():
            read = _read(exchange, max_depth, secrets)
            if isinstance(read, _Fault):
                raise ClientApiUnusable(f"{step}: {read.text}")
            return read.data


def details_url(data: object, step: str, wanted: Sequence[OcpiVersion]) -> tuple[OcpiVersion, str]:
    """The first version wanted that is offered, and the URL of its details.

    Raises:
        ClientApiUnusable: `data` is no list of versions.
        UnsupportedVersion: none of them is in it.
    """
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise ClientApiUnusable(f"{step}: data is not a list of versions")
    for version in wanted:
        for entry in data:
            if entry.get("version") == version:
                url = entry.get("url")
                if isinstance(url, str):
                    return version, url
                raise ClientApiUnusable(f"{step}: version {version} has no url")
    offered = ", ".join(quoted(str(entry.get("version")), 10) for entry in data[:10])
    raise UnsupportedVersion(
        f"{step}: {' or '.join(wanted)} is not offered, only: {offered or 'nothing'}"
    )


def credentials_outcome(
    step: str, exchange: Exchange, max_depth: int, *secrets: str
) -> Agreed | Declined | Unclear:
    """What came of a POST or PUT of the hub's credentials; arguments as of `data_of`."""
    match exchange:
        case Unreachable(reason):
            return Declined(f"{step}: {reason}", reached=False)
        case NoAnswer(reason):
            return Unclear(f"{step}: {reason}")
        case Answer():
            return _agreement(step, exchange, max_depth, secrets)


def _agreement(
    step: str, answer: Answer, max_depth: int, secrets: Sequence[str]
) -> Agreed | Declined | Unclear:
    read = _read(answer, max_depth, secrets)
    if isinstance(read, _Fault):
        reason = f"{step}: {read.text}"
        return Declined(reason, reached=True) if read.refused else Unclear(reason)
    try:
        return Agreed(validate_object(read.data, Credentials).value)
    except InvalidRequest as error:
        return Unclear(f"{step}: {error.message}")


def _read(answer: Answer, max_depth: int, secrets: Sequence[str]) -> _Success | _Fault:
    status = answer.http_status
    if 300 <= status < 400:
        return _Fault(f"HTTP {status}: redirects are not followed", refused=True)
    if len(answer.body) > MAX_BYTES:
        text = f"HTTP {status} with {len(answer.body)} bytes; at most {MAX_BYTES} are read"
        return _Fault(text, refused=400 <= status < 500)
    try:
        value = parse_json(answer.body, max_depth=max_depth)
    except InvalidRequest as error:
        detail = error.message if status < 300 else ""
        return _Fault(_joined(f"HTTP {status}", detail), refused=300 <= status < 500)
    fields = value if isinstance(value, dict) else {}
    message = fields.get("status_message")
    said = quoted(without(message, secrets)) if isinstance(message, str) else ""
    if status >= 300:
        return _Fault(_joined(f"HTTP {status}", said), refused=status < 500)
    code = fields.get("status_code")
    if not isinstance(code, int) or isinstance(code, bool):
        return _Fault("the answer has no status_code: it is not from OCPI", refused=False)
    if not is_success(code):
        return _Fault(_joined(f"OCPI {code}", said), refused=True)
    return _Success(fields.get("data"))


def _joined(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def quoted(text: str, limit: int = QUOTED) -> str:
    """Text of a partner, fit for a message of ours."""
    shown = "".join(character for character in text[:limit] if character.isprintable())
    return f"{shown}..." if len(text) > limit else shown
