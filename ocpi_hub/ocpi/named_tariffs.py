"""Which Tariffs an object names, to find out whether there are any such."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ocpi_hub.ocpi.base import NOT_AVAILABLE, OcpiModel

MOST: Final = 20
"""Tariffs of one object that are looked at; few name more than two or three."""
LONGEST: Final = 255
"""Characters of an id that is looked at: nobody can have sent a Tariff with a longer one."""

_PARTS: Final = ("evses", "connectors", "charging_periods")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Names:
    """Where objects of a class may name Tariffs.

    Only fields that the class has: what a partner adds under such a name may be anything.
    """

    own: bool
    many: bool
    one: bool
    parts: tuple[str, ...]


@functools.cache
def _names(model: type[OcpiModel]) -> _Names | None:
    """None: nowhere."""
    fields = model.model_fields
    many, one = "tariff_ids" in fields, "tariff_id" in fields
    parts = tuple(name for name in _PARTS if name in fields)
    if not (many or one or parts):
        return None
    return _Names("tariffs" in fields, many, one, parts)


def named_tariffs(value: OcpiModel) -> Mapping[str, str]:
    """Ids of Tariffs, folded, each with the first field that names it.

    Tariffs that the object brings itself, as a CDR does, are left out. Objects of all modules and
    the bodies of PATCH requests have the same names for the same fields.
    """
    names = _names(type(value))
    if names is None:
        return _NONE
    found: dict[str, str] = {}
    own: frozenset[str] | None = None
    for path, tariff_id in _named(value, names, ""):
        if own is None:
            own = _brought(value, names)
        folded = tariff_id.upper()
        named = 0 < len(tariff_id) <= LONGEST and tariff_id != NOT_AVAILABLE
        if named and folded not in own:
            found.setdefault(folded, path)
            if len(found) >= MOST:
                break
    return found or _NONE


def _brought(value: OcpiModel, names: _Names) -> frozenset[str]:
    tariffs = getattr(value, "tariffs", None) if names.own else None
    return frozenset(tariff.id.upper() for tariff in tariffs or ())


def _named(value: OcpiModel, names: _Names, prefix: str) -> Iterator[tuple[str, str]]:
    if names.many:
        for index, tariff_id in enumerate(getattr(value, "tariff_ids", None) or ()):
            yield f"{prefix}tariff_ids[{index}]", tariff_id
    if names.one:
        tariff_id = getattr(value, "tariff_id", None)
        if tariff_id is not None:
            yield f"{prefix}tariff_id", tariff_id
    for name in names.parts:
        for index, part in enumerate(getattr(value, name, None) or ()):
            model: type[OcpiModel] = type(part)
            inner = _names(model)
            if inner is not None:
                yield from _named(part, inner, f"{prefix}{name}[{index}].")
