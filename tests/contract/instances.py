"""Objects made from the models: correct ones, and ones with one hard fault.

A correct object has every required field, any of the optional ones, and the values that its types
allow: DateTimes with and without `Z` and fraction, decimals of many digits.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.strings import OpenEnum, Text

Json = Any
"""A JSON value with decimals; the only place where types end."""

_PRINTABLE: Final = st.characters(exclude_categories=["Cs", "Cc"])
_ASCII: Final = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_CREDENTIALS_TOKEN: Final = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64
)
_NUMBERS: Final = st.integers(-(10**6), 10**6) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=4
)
_RATES: Final = st.integers(0, 10**6) | st.decimals(min_value=0, max_value=10**6, places=1)
_WRONG: Final[Mapping[type, tuple[Json, ...]]] = {
    str: (None, 7, True, [], {}, Decimal("1.5")),
    Decimal: (None, "1.5", True, [], {}),
    int: (None, "1", False, [], Decimal("1.5")),
    bool: (None, 0, 1, "true", []),
    datetime: (None, 5, "yesterday", "2026-01-01", "2026-01-01T00:00:00+00:00"),
    tuple: ({}, "x", 7, True, [None]),
}


@st.composite
def date_times(draw: st.DrawFn) -> str:
    """OCPI DateTimes in all their forms."""
    moment = draw(st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)))  # noqa: DTZ001 - UTC by rule
    fraction = draw(st.sampled_from(["", ".0", ".25", ".123", ".123456", ".1234567"]))
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{draw(st.sampled_from(['', 'Z']))}"


def hints_of(model: type[OcpiModel]) -> Mapping[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}


def _taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The bare type of a hint, its metadata, and whether null may stand for it."""
    nullable = False
    metadata: tuple[Any, ...] = ()
    while get_origin(hint) in (Annotated, Union, types.UnionType):
        if get_origin(hint) is Annotated:
            hint, metadata = get_args(hint)[0], (*get_args(hint)[1:], *metadata)
        else:
            (hint,) = (choice for choice in get_args(hint) if choice is not type(None))
            nullable = True
    return hint, metadata, nullable


@cache
def instances(model: type[OcpiModel]) -> st.SearchStrategy[dict[str, Json]]:
    """Correct objects of a model; rules between fields may be broken."""
    required: dict[str, st.SearchStrategy[Json]] = {}
    optional: dict[str, st.SearchStrategy[Json]] = {}
    for name, hint in hints_of(model).items():
        kind = required if model.model_fields[name].is_required() else optional
        kind[name] = _values(hint) if (model.__name__, name) != _TOKEN else _CREDENTIALS_TOKEN
    return st.fixed_dictionaries(required, optional=optional)


_TOKEN: Final = ("Credentials", "token")


def _values(hint: Any) -> st.SearchStrategy[Json]:
    bare, metadata, nullable = _taken_apart(hint)
    if get_origin(bare) is tuple:
        least: int = next(each.min_length for each in metadata if hasattr(each, "min_length"))
        item = get_args(bare)[0]
        # The parties of Credentials have to differ.
        most = 1 if getattr(item, "__name__", "") == "CredentialsRole" else 2
        filled = st.lists(_values(item), min_size=least, max_size=most)
        return filled if least else filled | st.none()
    values = instances(bare) if issubclass(bare, OcpiModel) else _scalars(bare, metadata)
    return values | st.none() if nullable else values


def _scalars(bare: type, metadata: tuple[Any, ...]) -> st.SearchStrategy[Json]:
    if bare is str:
        return _strings(metadata[0])
    if bare is Decimal:
        return _RATES if len(metadata) > 1 else _NUMBERS
    if bare is int:
        bounds = [each for each in metadata if hasattr(each, "least")]
        return st.integers(bounds[0].least, bounds[0].most) if bounds else st.integers(0, 10**6)
    return {bool: st.booleans(), datetime: date_times()}[bare]


def _strings(wire: Text | OpenEnum) -> st.SearchStrategy[str]:
    if isinstance(wire, OpenEnum):
        return st.sampled_from([member.value for member in wire.known])
    if wire.form is not None:
        form = wire.form.removeprefix("^").removesuffix("$")
        return st.from_regex(form, fullmatch=True).filter(lambda text: len(text) <= wire.max_length)
    characters = _ASCII if wire.allowed_is_hard else _PRINTABLE
    return st.text(characters, min_size=wire.min_length, max_size=min(wire.max_length, 40))


@st.composite
def faulty(draw: st.DrawFn, model: type[OcpiModel]) -> tuple[dict[str, Json], str]:
    """An object with one hard fault, and the path of the field at fault."""
    value = dict(draw(instances(model)))
    hints = hints_of(model)
    name = draw(st.sampled_from(sorted(hints)))
    required = model.model_fields[name].is_required()
    bare, _, nullable = _taken_apart(hints[name])
    is_list = get_origin(bare) is tuple
    if required and draw(st.booleans()):
        value.pop(name)
        return value, name
    if is_list or not issubclass(bare, OcpiModel):
        wrong = [
            each for each in _WRONG[tuple if is_list else bare] if each is not None or not nullable
        ]
        value[name] = draw(st.sampled_from(wrong))
        return value, name
    if draw(st.booleans()):
        value[name] = draw(st.sampled_from([7, "x", [], True]))
        return value, name
    value[name], path = draw(faulty(bare))
    return value, f"{name}.{path}"
