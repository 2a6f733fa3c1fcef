"""Bytes of a partner to models: limits first, then JSON, then the model.

Numbers become decimals from their own text: no float in between. Messages name the field, the shape
of what was there and the rule, never the content, which may be personal.
"""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from ocpi_hub.domain.value import value
from ocpi_hub.errors import InvalidRequest, MalformedJson
from ocpi_hub.ocpi.base import Finding, OcpiModel
from ocpi_hub.ocpi.findings import findings
from ocpi_hub.ocpi.json_text import NotJsonError, refuse_constant

MAX_FAULTS: Final = 3
MAX_MESSAGE: Final = 500
MAX_FINDINGS: Final = 100
MAX_NUMBER_LENGTH: Final = 100
"""Characters of a number, and powers of ten from 1."""

_BRACKETS: Final = b"[]{}"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ESCAPE: Final = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
"""Escapes worth a second look: surrogates, and NUL, which PostgreSQL does not read."""

M = TypeVar("M", bound=OcpiModel)
M_co = TypeVar("M_co", bound=OcpiModel, covariant=True)


@value
class Parsed(Generic[M_co]):
    """A valid object, and the mild faults to report."""

    value: M_co
    findings: tuple[Finding, ...]


def parse_json(body: bytes, *, max_depth: int) -> object:
    """The value of a JSON text: int, Decimal, str, bool, None, list, dict.

    Raises:
        MalformedJson: no JSON, no UTF-8, NaN, or nested too deeply.
        InvalidRequest: JSON with characters or numbers that nobody can keep intact, or with a
            field that comes twice.
    """
    _check_depth(body, max_depth)
    try:
        value: object = _DECODER.decode(body.decode())
    except json.JSONDecodeError as error:
        if not body.strip():
            raise MalformedJson("The body is not JSON: it is empty") from None
        raise MalformedJson(
            f"The body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8: byte {error.start}") from None
    except NotJsonError as error:
        raise MalformedJson(f"The body is not JSON: {error}") from None
    except ValueError:
        raise InvalidRequest("The body contains a number out of all range") from None
    except RecursionError:
        raise MalformedJson("The body is nested too deeply") from None
    if _ESCAPE.search(body):
        _check_characters(value)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names differ. Of two, one reader takes the first and another the last: what
    was checked here must be what the receiver reads.

    Raises:
        InvalidRequest: a name comes twice.
    """
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidRequest("The body contains an object in which a field comes twice")
    return value


def _decimal(text: str) -> decimal.Decimal:
    """The exact decimal.

    Raises:
        ValueError: so large, small or long that calculating with it would be an attack.
    """
    if len(text) <= MAX_NUMBER_LENGTH:
        try:
            number = decimal.Decimal(text)
        except decimal.InvalidOperation:
            raise ValueError("exponent out of range") from None
        if ("e" not in text and "E" not in text) or abs(number.adjusted()) <= MAX_NUMBER_LENGTH:
            return number
    raise ValueError("number out of range")


def _integer(text: str) -> int:
    """The number.

    Raises:
        ValueError: so long that no index of the database can hold it.
    """
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError("number out of range")
    return int(text)


# Made once: `json.loads` makes one for each text.
_DECODER: Final = json.JSONDecoder(
    parse_float=_decimal,
    parse_int=_integer,
    parse_constant=refuse_constant,
    object_pairs_hook=_object,
)


def _check_depth(body: bytes, max_depth: int) -> None:
    """Refuse deep nesting before anything is built: by the brackets outside of strings."""
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(body.split(b'"')[::2])
    steps = map(_STEP.__getitem__, outside.translate(None, _NOT_BRACKETS))
    if max(accumulate(steps), default=0) > max_depth:
        raise MalformedJson(f"The body is nested deeper than {max_depth} levels")


def _check_characters(value: object) -> None:
    """Refuse lone surrogates and NUL, in keys too: they are no Unicode text that can be stored."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The body contains half of a surrogate pair") from None
    # Backslashes come in pairs, except in the escapes that dumps made.
    if "\\u0000" in text.replace("\\\\", ""):
        raise InvalidRequest("The body contains a NUL character")


def require_object_text(body: bytes) -> str:
    """The text of a JSON object as it is stored: without the white space around it.

    The body has passed `parse_object` or `parse_json`, so that PostgreSQL accepts it.

    Raises:
        MalformedJson: no UTF-8.
        InvalidRequest: no object.
    """
    try:
        text = body.decode().strip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8: byte {error.start}") from None
    if not text.startswith("{"):
        raise InvalidRequest("The body must be a JSON object")
    return text


def parse_object(body: bytes, model: type[M], *, max_depth: int) -> Parsed[M]:
    """The object in a body.

    Raises:
        MalformedJson: as `parse_json`.
        InvalidRequest: naming the first hard faults.
    """
    return validate_object(parse_json(body, max_depth=max_depth), model)


def validate_object(value: object, model: type[M]) -> Parsed[M]:
    """The object in a value of `parse_json`.

    Raises:
        InvalidRequest: naming the first hard faults.
    """
    marks: list[bool] = []
    try:
        instance = model.model_validate(value, context=marks)
    except ValidationError as error:
        raise InvalidRequest(fault_message(error)) from None
    return Parsed(instance, findings(instance, limit=MAX_FINDINGS) if marks else ())


def fault_message(error: ValidationError) -> str:
    """The first faults of an object in words: field, rule, shape of what was there."""
    faults = error.errors(include_url=False, include_context=False)
    parts = [
        _fault(fault["type"], fault["loc"], fault["msg"], fault["input"])
        for fault in faults
        # pydantic also calls a list too short whose elements were refused.
        if not (fault["type"] == "too_short" and fault["input"])
    ]
    text = "; ".join(parts[:MAX_FAULTS])
    more = f"; and {len(parts) - MAX_FAULTS} more" if len(parts) > MAX_FAULTS else ""
    if len(text) + len(more) > MAX_MESSAGE:
        text = text[: MAX_MESSAGE - len(more) - 3] + "..."
    return text + more


_RULES: Final = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be a boolean",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "too_short": "must have at least one element",
}
_WITHOUT_SHAPE: Final = frozenset({"missing", "too_short", "value_error"})


def _fault(kind: str, loc: Sequence[int | str], message: str, value: Any) -> str:
    rule = _RULES.get(kind, message.removeprefix("Value error, "))
    shape = "" if kind in _WITHOUT_SHAPE else f", got {shape_of(value)}"
    path = _path(loc)
    if not path and kind != "value_error":
        path = "The body"
    return f"{path}: {rule}{shape}" if path else rule


def _path(loc: Sequence[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def shape_of(value: object) -> str:
    """What a JSON value is, without its content."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return f"a string of {len(value)} characters"
        case int() | decimal.Decimal():
            return "a number"
        case dict():
            return f"an object of {len(value)} fields"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return f"a {type(value).__name__}"
