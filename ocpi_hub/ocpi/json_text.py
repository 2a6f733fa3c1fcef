"""JSON as text: its members and elements as they were written, exact numbers, a fingerprint.

Objects are stored and forwarded as the text that came in, so what is done to them is done to the
text: a number keeps its digits, unknown fields keep their place. All texts here have passed
`ocpi.parse`, which refuses NaN, lone surrogates and deep nesting.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, NoReturn

from ocpi_hub.ocpi.envelope import timestamp

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER_MARK: Final = "\ud800"
"""Begins a number inside a canonical form. No parsed string contains a lone surrogate."""

_PLAIN: Final = 40
"""Numbers that need no more characters than this are canonical without an exponent."""
_MAX_EXPONENT_DIGITS: Final = 1000
"""Beyond any use, and slow or impossible to convert."""


class NotJsonError(ValueError):
    """What Python's parser takes, but JSON does not know."""


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant`: NaN and the infinities are not JSON.

    Raises:
        NotJsonError: always.
    """
    raise NotJsonError(f"{name} is no value")


_SCANNER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=refuse_constant)


def members(text: str) -> list[tuple[str, str]]:
    """The members of a JSON object: decoded key and value text, in order; a key may repeat.

    Raises:
        ValueError: the text is not one JSON object.
    """
    return [(key, text[start:end]) for key, start, end in member_places(text)]


def member_places(text: str) -> list[tuple[str, int, int]]:
    """The same with the place of each value: where its text starts and ends.

    Raises:
        ValueError: as `members`.
    """
    found: list[tuple[str, int, int]] = []

    def member(at: int) -> int:
        if text[at : at + 1] != '"':
            raise ValueError(f"a member name is expected at {at}")
        key, at = _SCANNER.raw_decode(text, at)
        at = _past(text, ":", _skip(text, at))
        at = _skip(text, at)
        _, end = _SCANNER.raw_decode(text, at)
        found.append((key, at, end))
        return end

    _items(text, "{", "}", member)
    return found


def elements(text: str) -> list[str]:
    """The element texts of a JSON array.

    Raises:
        ValueError: the text is not one JSON array.
    """
    found: list[str] = []

    def element(at: int) -> int:
        _, end = _SCANNER.raw_decode(text, at)
        found.append(text[at:end])
        return end

    _items(text, "[", "]", element)
    return found


def _items(text: str, opening: str, closing: str, item: Callable[[int], int]) -> None:
    """Walk the items of an object or array; `item` takes where one begins, returns where it ends.

    Raises:
        ValueError: the text is something else, or nested deeper than the interpreter allows.
    """
    at = _skip(text, _past(text, opening, _skip(text, 0)))
    try:
        while text[at : at + 1] != closing:
            at = _skip(text, item(at))
            if text[at : at + 1] == closing:
                break
            at = _skip(text, _past(text, ",", at))
            if text[at : at + 1] == closing:
                raise ValueError(f"an item is expected at {at}")
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"nothing is expected after {at}")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _past(text: str, sign: str, at: int) -> int:
    if text[at : at + 1] != sign:
        raise ValueError(f"{sign} is expected at {at}")
    return at + 1


def fingerprint(body: bytes | str) -> bytes:
    """SHA-256 of the content: equal for texts that differ in layout, in the order of members or in
    the writing of numbers (`1`, `1.0`, `10e-1`). Strings and the order of lists count exactly.

    Raises:
        ValueError: the text is not JSON, or nested deeper than the interpreter allows.
    """
    text = body.decode() if isinstance(body, bytes) else body
    try:
        value = json.loads(
            text,
            parse_float=_canonical_number,
            parse_int=_canonical_number,
            parse_constant=refuse_constant,
        )
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None
    return hashlib.sha256(canonical.encode()).digest()


def _canonical_number(text: str) -> str:
    """A mark and one writing for all texts of a number; a large exponent is never expanded."""
    if len(text) <= _PLAIN and "e" not in text and "E" not in text:
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return f"{_NUMBER_MARK}{'0' if text == '-0' else text}"
    mantissa, _, exponent = text.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return f"{_NUMBER_MARK}0"
    if len(exponent) > _MAX_EXPONENT_DIGITS:
        return f"{_NUMBER_MARK}{text}"
    power = int(exponent or "0") - len(fraction) + len(digits) - len(significant)
    if abs(power) < _PLAIN:
        plain = f"{Decimal(f'{sign}{significant}e{power}'):f}"
        if len(plain) <= _PLAIN:
            return f"{_NUMBER_MARK}{plain}"
    return f"{_NUMBER_MARK}{sign}{significant}e{power}"


def dump(value: object) -> bytes:
    """Compact JSON; decimals are written as numbers, with all their digits.

    Raises:
        TypeError: a value that JSON cannot express.
        ValueError: a number that is not finite.
    """
    return "".join(_encode(value)).encode()


def _encode(value: object) -> Iterator[str]:
    match value:
        case dict():
            yield "{"
            for index, (key, item) in enumerate(value.items()):
                yield f"{',' if index else ''}{json.dumps(str(key), ensure_ascii=False)}:"
                yield from _encode(item)
            yield "}"
        case list() | tuple():
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _encode(item)
            yield "]"
        case Decimal():
            yield _number(value)
        case datetime():
            yield f'"{timestamp(value)}"'
        case _:
            yield json.dumps(value, ensure_ascii=False, allow_nan=False)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("a number must be finite")
    # Both forms are JSON numbers; the plain one is what people expect to read.
    return f"{value:f}" if -20 < value.adjusted() < 20 else str(value)
