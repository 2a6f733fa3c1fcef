"""The end of the month: the statements of all relations, closed and proved over the admin API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocpi_hub.demo.cdrs import DemoCdr
from ocpi_hub.demo.story import Story

_Place = tuple[str, str, str, str]
"""CPO, eMSP, month and currency."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was settled.

    Attributes:
        statements: as they were closed.
        proofs: a recheck of each of them.
    """

    statements: Sequence[Mapping[str, Any]]
    proofs: Sequence[Mapping[str, Any]]


async def settle(story: Story) -> Settlement:
    """Close the statements of all months that CDRs are of.

    Raises:
        OperatorError: the hub refuses.
    """
    admin = story.world.admin
    statements, proofs = [], []
    for month in sorted({_month(json.loads(cdr.text)) for cdr in story.cdrs}):
        for item in (await admin.call("GET", f"/statements/{month}"))["items"]:
            place = f"/statements/{month}/{item['cpo']}/{item['emsp']}"
            statements.append(await admin.call("POST", f"{place}/close"))
            proofs.append(await admin.call("GET", f"{place}/recheck"))
    return Settlement(statements, proofs)


def tell_settlement(story: Story, settlement: Settlement) -> None:
    report = story.report
    report.section("Settlement: the statements of the months that are over, closed and proved")
    for statement in settlement.statements:
        for total in statement["totals"]:
            name = f"{statement['month']} {statement['cpo']} - {statement['emsp']}"
            energy, money = Decimal(total["energy_kwh"]), Decimal(total["incl_vat"])
            text = (
                f"{total['cdrs']:4} CDRs, {energy:10,.3f} kWh, {total['currency']} {money:10,.2f}"
            )
            report.line(name, text)


def unsettled(settlement: Settlement, cdrs: Sequence[DemoCdr]) -> Iterator[str]:
    """Where statements are not what the CPOs' own CDRs add up to."""
    wanted: dict[_Place, list[Decimal]] = {}
    for cdr in cdrs:
        body = json.loads(cdr.text, parse_float=Decimal, parse_int=Decimal)
        place = (str(cdr.owner), str(cdr.receiver), _month(body), body["currency"])
        cost = body["total_cost"]
        figures = (Decimal(1), body["total_energy"], cost["excl_vat"], cost["incl_vat"])
        before = wanted.get(place, [Decimal(0)] * len(figures))
        wanted[place] = [one + other for one, other in zip(before, figures, strict=True)]
    told = {
        (statement["cpo"], statement["emsp"], statement["month"], total["currency"]): [
            Decimal(total[name]) for name in ("cdrs", "energy_kwh", "excl_vat", "incl_vat")
        ]
        for statement in settlement.statements
        for total in statement["totals"]
    }
    for place in sorted(wanted.keys() | told.keys()):
        if wanted.get(place) != told.get(place):
            yield f"{' '.join(place)}: {told.get(place)} instead of {wanted.get(place)}"


def unproved(settlement: Settlement) -> Iterator[str]:
    for proof in settlement.proofs:
        if not proof["reproduced"]:
            yield f"statement {proof['statement']}: {proof['differences']}"


def _month(cdr: Mapping[str, Any]) -> str:
    return str(cdr["end_date_time"])[:7]
