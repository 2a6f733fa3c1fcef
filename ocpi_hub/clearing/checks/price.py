"""The recomputed price beside the CDR's own, in the words of the checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.checks.context import CheckContext
from ocpi_hub.clearing.checks.rules import HoldRules
from ocpi_hub.clearing.ledger import CdrFinding, PriceOutcome, VatAmount
from ocpi_hub.clearing.pricing import PriceCheck, Verdict, check_price
from ocpi_hub.clearing.pricing.model import ZERO, Money, rounded, shown, told
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR

_CODES: Final = {
    "no_tariff": "no_tariff",
    "tariff_missing": "tariff_missing",
    "tariff_not_in_cdr": "tariff_not_in_cdr",
    "tariff_changed": "tariff_changed",
    "tariff_not_valid": "tariff_not_valid",
    "time_zone_unknown": "time_zone_unknown",
    "missing_split": "periods_too_coarse",
    "current_unknown": "periods_too_coarse",
    "power_unknown": "periods_too_coarse",
    "current_straddles": "periods_too_coarse",
    "power_straddles": "periods_too_coarse",
    "step_size_undefined": "tariff_unclear",
    "unknown_component": "tariff_unclear",
    "unknown_dimension": "tariff_unclear",
    "tariff_twice": "tariff_unclear",
    "subtotal_differs": "subtotal_differs",
    "fits_another_reading": "price_ambiguous",
}
"""What the engine notes, as the checks call it; the rest is looked at elsewhere, or assumed."""
_TOLD: Final = frozenset(("no_tariff", "tariff_missing", "currency_differs", "time_zone_unknown"))
_VAT_DIGITS: Final = Decimal("0.000001")


def look_at_currency(cdr: CDR, context: CheckContext) -> Iterator[CdrFinding]:
    for tariff in (*cdr.tariffs, *context.tariffs):
        if tariff.currency.upper() != cdr.currency.upper():
            text = f"tariff {shown(tariff.id)} is in {shown(tariff.currency)}"
            yield CdrFinding("currency_differs", f"{text}, the CDR in {shown(cdr.currency)}")
            return


def recompute(
    cdr: CDR, context: CheckContext, rules: HoldRules
) -> tuple[PriceOutcome, Sequence[CdrFinding]]:
    """The price, and what it says about the CDR. Takes CPU time: see `checks.examine.effort`."""
    location = context.location
    check = check_price(
        cdr,
        tariffs=context.tariffs,
        time_zone=location.time_zone if location else None,
        tolerance=_tolerance(cdr, rules),
    )
    return _outcome(cdr, check), list(_findings(cdr, check, rules))


def _tolerance(cdr: CDR, rules: HoldRules) -> Decimal:
    percent = rules.limit("price_tolerance_percent") or ZERO
    share = abs(cdr.total_cost.excl_vat) * percent / 100
    return max(rules.limit("price_tolerance") or ZERO, share)


def _findings(cdr: CDR, check: PriceCheck, rules: HoldRules) -> Iterator[CdrFinding]:
    for each in check.findings:
        code = _CODES.get(each.code)
        if code is not None:
            where = f": {shown(each.where)}" if each.where else ""
            yield CdrFinding(code, f"{each.message}{where}")
    if check.verdict is Verdict.NOT_CHECKABLE:
        reason = check.findings[-1]
        if reason.code not in _TOLD:
            yield CdrFinding("price_not_checkable", reason.message)
    if check.verdict is Verdict.DIFFERS and check.total is not None:
        yield from _difference(cdr, check, check.total, rules)


def _difference(
    cdr: CDR, check: PriceCheck, total: Money, rules: HoldRules
) -> Iterator[CdrFinding]:
    stated = -cdr.total_cost.excl_vat if cdr.credit else cdr.total_cost.excl_vat
    mine = total.rounded(check.unit)
    more = stated - mine.net
    if more:
        text = f"total_cost is {told(stated)}, recomputed {mine.net}: {told(abs(more))}"
        text += f" {cdr.currency} {'more' if more > 0 else 'less'}"
    else:
        gross = cdr.total_cost.incl_vat or ZERO
        text = f"total_cost is {told(abs(gross))} with VAT, recomputed {mine.gross}"
    parts = "; ".join(_parts(check))
    text = f"{text} ({parts})" if parts else text
    yield CdrFinding("price_differs", text)
    limit = rules.limit("price_difference")
    if limit is not None and abs(more) > limit:
        yield CdrFinding("price_difference_above_limit", f"{text}; the limit is {told(limit)}")


def _parts(check: PriceCheck) -> Iterator[str]:
    """Each part of the price, beside what the CDR says about it."""
    for part, total in check.parts.items():
        mine = rounded(total.cost.net, check.unit)
        if total.stated is None:
            if mine:
                yield f"{part} {mine}"
        elif total.stated != mine:
            yield f"{part} {mine}, stated {told(total.stated)}"


def _outcome(cdr: CDR, check: PriceCheck) -> PriceOutcome:
    if check.total is None:
        return PriceOutcome(check.verdict.value)
    sign = -1 if cdr.credit else 1
    mine = check.total.rounded(check.unit)
    rates: dict[Decimal | None, Money] = {}
    for line in check.lines:
        if line.cost != Money():
            rates[line.vat] = rates.get(line.vat, Money()) + line.cost
    if check.limit != Money():
        # What a limit adds belongs to the rate of what it limits, where that is one.
        rate = next(iter(rates)) if len(rates) == 1 else None
        rates[rate] = rates.get(rate, Money()) + check.limit
    vat = (
        VatAmount(
            rate,
            sign * rounded(money.net, _VAT_DIGITS),
            sign * rounded(money.gross - money.net, _VAT_DIGITS),
        )
        for rate, money in rates.items()
    )
    return PriceOutcome(check.verdict.value, sign * mine.net, sign * mine.gross, tuple(vat))
