"""Which Tariffs an object names, to find out whether there are any such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ocpi_hub.ocpi.base import NOT_AVAILABLE, OcpiModel

MOST: Final = 20
"""Tariffs of one object that are looked at; few name more than two or three."""

_PARTS: Final = ("evses", "connectors", "charging_periods")


def named_tariffs(value: OcpiModel) -> Mapping[str, str]:
    """Ids of Tariffs, folded, each with the first field that names it.

    Tariffs that the object brings itself, as a CDR does, are left out. Objects of all modules and
    the bodies of PATCH requests have the same names for the same fields.
    """
    own = {tariff.id.upper() for tariff in getattr(value, "tariffs", None) or ()}
    found: dict[str, str] = {}
    for path, tariff_id in _named(value, ""):
        folded = tariff_id.upper()
        if tariff_id and tariff_id != NOT_AVAILABLE and folded not in own:
            found.setdefault(folded, path)
            if len(found) >= MOST:
                break
    return found


def _named(value: OcpiModel, prefix: str) -> Iterator[tuple[str, str]]:
    for index, tariff_id in enumerate(getattr(value, "tariff_ids", None) or ()):
        yield f"{prefix}tariff_ids[{index}]", tariff_id
    tariff_id = getattr(value, "tariff_id", None)
    if tariff_id is not None:
        yield f"{prefix}tariff_id", tariff_id
    for name in _PARTS:
        for index, part in enumerate(getattr(value, name, None) or ()):
            yield from _named(part, f"{prefix}{name}[{index}].")
