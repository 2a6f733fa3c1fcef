"""JSON whose text matters: numbers that are passed on must stay as they were written."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

_WHITESPACE = " \t\r\n"


def array_items(text: str) -> list[tuple[object, str]]:
    """The elements of a JSON array: each parsed, and its text as it was written.

    Raises:
        ValueError: `text` is not a JSON array.
    """
    decoder = json.JSONDecoder()
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError("a JSON array is expected")
    items: list[tuple[object, str]] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        if items:
            if text[at : at + 1] != ",":
                raise ValueError("a comma is missing between array elements")
            at = _skip(text, at + 1)
        value, end = decoder.raw_decode(text, at)
        items.append((value, text[at:end]))
        at = _skip(text, end)
    if _skip(text, at + 1) != len(text):
        raise ValueError("text follows the JSON array")
    return items


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at


def fingerprint(text: str) -> bytes:
    """Digest of the content: equal for texts that differ in layout or number format only.

    Raises:
        ValueError: `text` is not JSON.
    """
    value = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_number)
    return hashlib.sha256(canonical.encode()).digest()


def _number(value: object) -> object:
    # A list cannot be mistaken for a string of digits, which is another value in JSON.
    return ["number", str(value.normalize())] if isinstance(value, Decimal) else str(value)
