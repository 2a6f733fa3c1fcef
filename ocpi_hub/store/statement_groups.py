"""What a statement was when it closed, group by group, as JSON: checks that look at its CDRs again
change the ledger, and never what was settled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.statement import Group

_AMOUNTS: Final = (
    *("energy_kwh", "time_h", "parking_h"),
    *("excl_vat", "stated_excl", "incl_vat"),
)


def groups_text(groups: Iterable[Group]) -> str:
    return json.dumps([_written(each) for each in groups])


def groups_of(text: str) -> Sequence[Group]:
    """What `groups_text` wrote."""
    return [_read(each) for each in json.loads(text)]


def _written(group: Group) -> dict[str, object]:
    return {
        "day": group.day.isoformat(),
        "currency": group.currency,
        "vat": group.vat,
        "flags": group.flags,
        "cdrs": group.cdrs,
        "credits": group.credits,
        **{name: f"{getattr(group, name):f}" for name in _AMOUNTS},
    }


def _read(group: dict[str, str]) -> Group:
    return Group(
        day=date.fromisoformat(group["day"]),
        currency=group["currency"],
        vat=group["vat"],
        flags=tuple(group["flags"]),
        cdrs=int(group["cdrs"]),
        credits=int(group["credits"]),
        energy_kwh=Decimal(group["energy_kwh"]),
        time_h=Decimal(group["time_h"]),
        parking_h=Decimal(group["parking_h"]),
        excl_vat=Decimal(group["excl_vat"]),
        stated_excl=Decimal(group["stated_excl"]),
        incl_vat=Decimal(group["incl_vat"]),
    )
