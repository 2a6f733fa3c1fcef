"""An OCMF record: `OCMF|payload|signature`, perhaps with `|key` behind it.

The signature is over the bytes of the payload as they came, so the record is cut, never written
anew. A bar may stand in a text of the payload; where the payload ends, its JSON tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn

from ocpi_hub.clearing.metering.model import NotVerifiable, Reason
from ocpi_hub.clearing.metering.text import PREFIX
from ocpi_hub.domain.value import value

MAX_DIGITS: Final = 40
_SPACE: Final = " \t\r\n"

Object = Mapping[str, object]


@value
class Record:
    """One signed value, taken apart.

    Attributes:
        payload: the signed bytes.
        content: what the payload tells; numbers are int or Decimal.
        signature: the section that follows.
        key: what follows that; None when nothing does.
    """

    payload: bytes
    content: Object
    signature: Object
    key: str | None


def read_record(found: bytes) -> Record:
    """Take a record apart.

    Raises:
        NotVerifiable: it is cut off, or no record.
    """
    if not found.startswith(PREFIX):
        raise NotVerifiable(Reason.RECORD_UNREADABLE, "a signed value is no OCMF record")
    try:
        text, codec = found.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        # Some devices write their texts in Latin-1, where every byte is a character.
        text, codec = found.decode("latin-1"), "latin-1"
    content, end = _object(text, len(PREFIX), "payload")
    if end == len(text):
        raise NotVerifiable(Reason.RECORD_TRUNCATED, "a record ends behind its payload")
    signature, behind = _object(text, end + 1, "signature")
    key = "".join(text[behind + 1 :].split())
    return Record(text[len(PREFIX) : end].encode(codec), content, signature, key or None)


def _object(text: str, start: int, name: str) -> tuple[Object, int]:
    """The JSON object of a section, and where the bar behind it, or the end, is."""
    begin = _skip(text, start)
    try:
        found, end = _DECODER.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or error.msg.startswith("Unterminated"):
            raise NotVerifiable(
                Reason.RECORD_TRUNCATED, f"a record ends within its {name}"
            ) from None
        raise _unreadable(name) from None
    except (ValueError, RecursionError):  # what the hooks refuse; brackets without end
        raise _unreadable(name) from None
    end = _skip(text, end)
    if not isinstance(found, dict) or (end < len(text) and text[end] != "|"):
        raise _unreadable(name)
    return found, end


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _unreadable(name: str) -> NotVerifiable:
    return NotVerifiable(Reason.RECORD_UNREADABLE, f"the {name} of a record cannot be read")


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two values of one name nobody knows which one was meant to be read."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number is too long")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("an exponent is too large") from None


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)
