"""The CDR's own figures beside the recomputed ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.pricing.charges import ONE
from ocpi_hub.clearing.pricing.compute import Computed
from ocpi_hub.clearing.pricing.model import (
    PART_OF,
    ZERO,
    Findings,
    Line,
    Money,
    Part,
    PartTotal,
    Verdict,
    rounded,
    told,
)
from ocpi_hub.clearing.pricing.readings import ALTERNATIVES, HIGHEST, LOWEST, ROUNDED, Reading
from ocpi_hub.clearing.pricing.totals import part_totals
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.common import Price

_FIELDS: Final[Mapping[Part, str]] = {
    Part.FLAT: "total_fixed_cost",
    Part.ENERGY: "total_energy_cost",
    Part.TIME: "total_time_cost",
    Part.PARKING_TIME: "total_parking_cost",
    Part.RESERVATION: "total_reservation_cost",
}

Recompute = Callable[[Reading], Computed | None]
"""The price under another reading; None when it cannot differ, or cannot be told."""


@value
class _Stated:
    """What the CDR asks for, positive also in a credit CDR.

    Attributes:
        gross: None when the CDR does not tell it.
    """

    net: Decimal
    gross: Decimal | None

    def near(self, total: Money, net: Decimal, gross: Decimal, up: Decimal = ZERO) -> bool:
        """Whether it is a total, give or take; or less than `up` above it."""
        if not _near(self.net - total.net, net, up):
            return False
        return self.gross is None or _near(self.gross - total.gross, gross, up)


def judge(
    cdr: CDR,
    ours: Computed,
    others: Recompute,
    *,
    unit: Decimal,
    tolerance: Decimal,
    findings: Findings,
) -> Verdict:
    """How the CDR's total stands to ours.

    Args:
        others: asked only when the totals are not equal.
        unit: of the currency.
        tolerance: differences up to it, in money, are none.
    """
    stated = _stated(cdr.total_cost, credit=bool(cdr.credit))
    half = max(unit / 2, tolerance)
    if stated.near(ours.total, half, half):
        return Verdict.EQUAL
    if _rounded_elsewhere(stated, ours, half, unit):
        return Verdict.ROUNDING
    for reading in ROUNDED:
        other = others(reading)
        if other is not None and stated.near(other.total, half, half):
            findings.add("rounded_early", f"fits when rounded early: {reading.what}", "total_cost")
            return Verdict.ROUNDING
    if _fits_another(stated, ours, others, half, unit, findings):
        return Verdict.AMBIGUOUS
    _tell_difference(stated, ours, unit, findings)
    return Verdict.DIFFERS


def compare_parts(
    cdr: CDR, ours: Computed, lines: tuple[Line, ...], unit: Decimal, findings: Findings
) -> dict[Part, PartTotal]:
    """The parts of the total beside the CDR's own; a difference is a finding and no more, because
    the text does not say clearly which fee belongs where."""
    parts = part_totals(lines)
    for part, field in _FIELDS.items():
        price: Price | None = getattr(cdr, field)
        if price is None:
            continue
        mine = parts.get(part, PartTotal(Money(), ZERO, ZERO))
        net, gross = price.excl_vat, price.incl_vat
        if cdr.credit and net < 0:  # the text asks for a negative total_cost only
            net, gross = -net, None if gross is None else -gross
        parts[part] = PartTotal(mine.cost, mine.volume, mine.billed, net, gross)
        count = sum(PART_OF[each.dimension] is part for each in lines)
        slack = unit / 2 * (count + 1)
        fits = _Stated(net, gross).near(mine.cost, slack, slack)
        if not fits and ours.limit == Money():
            text = f"{field} is {told(net)} without VAT, recomputed {rounded(mine.cost.net, unit)}"
            findings.add("subtotal_differs", text, field)
    return parts


def _stated(price: Price, *, credit: bool) -> _Stated:
    sign = -1 if credit else 1
    gross = None if price.incl_vat is None else price.incl_vat * sign
    return _Stated(price.excl_vat * sign, gross)


def _near(difference: Decimal, tolerance: Decimal, up: Decimal) -> bool:
    return abs(difference) <= tolerance or 0 < difference < up


def _rounded_elsewhere(stated: _Stated, total: Computed, half: Decimal, unit: Decimal) -> bool:
    """Whether rounding each priced line, computing VAT from what was rounded, or rounding up at
    the end explains the difference."""
    slack = unit / 2 * max(1, total.priced)
    rate = total.total.gross / total.total.net if total.total.net else ONE
    gross = slack * max(rate, ONE) + unit / 2
    return stated.near(total.total, max(half, slack), max(half, gross), unit)


def _fits_another(
    stated: _Stated,
    ours: Computed,
    others: Recompute,
    half: Decimal,
    unit: Decimal,
    findings: Findings,
) -> bool:
    found = False
    for reading in ALTERNATIVES:
        other = others(reading)
        if other is None or other.total == ours.total:
            continue
        if stated.near(other.total, half, half) or _rounded_elsewhere(stated, other, half, unit):
            text = f"fits another reading: {reading.what}"
            findings.add("fits_another_reading", text, "total_cost")
            found = True
    return found or _fits_some_division(stated, others, half, findings)


def _fits_some_division(
    stated: _Stated, others: Recompute, half: Decimal, findings: Findings
) -> bool:
    """Whether some division of the periods that should have been split comes to the CDR's total."""
    low, high = others(LOWEST), others(HIGHEST)
    if low is None or high is None or low.total == high.total:
        return False
    fits = low.total.net - half <= stated.net <= high.total.net + half
    if stated.gross is not None:
        fits = fits and low.total.gross - half <= stated.gross <= high.total.gross + half
    if fits:
        text = "fits between the lowest and the highest price of periods that were not split"
        findings.add("fits_another_reading", text, "total_cost")
    return fits


def _tell_difference(stated: _Stated, ours: Computed, unit: Decimal, findings: Findings) -> None:
    mine = ours.total.rounded(unit)
    if abs(stated.net - ours.total.net) > unit / 2:
        more = told(stated.net - mine.net)
        text = f"{told(stated.net)} without VAT, recomputed {mine.net}: {more} more"
    else:
        gross = told(stated.gross or ZERO)
        text = f"{gross} with VAT, recomputed {mine.gross}; equal without VAT"
    findings.add("total_differs", text, "total_cost")
