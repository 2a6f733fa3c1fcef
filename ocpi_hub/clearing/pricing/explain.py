"""A price check as people and programs read it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.pricing.model import (
    SECONDS_PER_HOUR,
    Dimension,
    Finding,
    Line,
    Money,
    Part,
    PartTotal,
    PriceCheck,
    rounded,
    shown,
    told,
)

_SHOWN: Final = Decimal("0.000001")
_FEES: Final = frozenset({Dimension.FLAT, Dimension.RESERVATION_FLAT})
_LINE_FIELDS: Final = (
    *("dimension", "tariff_id", "element", "component", "periods", "volume", "billed", "unit"),
    *("step_size", "price", "vat", "excl_vat", "incl_vat", "currency", "skipped"),
)
_HEADINGS: Final = ("", "periods", "tariff", "volume", "billed", "price", "VAT", "net", "gross")


def as_json(check: PriceCheck) -> dict[str, object]:
    """The answer as a JSON value: money rounded in `total`, to a millionth elsewhere; volumes in
    kWh, hours or pieces."""
    total = None if check.total is None else check.total.rounded(check.unit)
    return {
        "total": {
            "excl_vat": None if total is None else _number(total.net),
            "incl_vat": None if total is None else _number(total.gross),
        },
        "dimensions": {part.value: _part(part, each) for part, each in check.parts.items()},
        "lines": [_line(each, check.currency) for each in check.lines] + _limit_line(check),
        "findings": [_finding(each) for each in check.findings],
        "verdict": check.verdict.value,
    }


def as_text(check: PriceCheck) -> str:
    """The answer as a table with remarks."""
    text = [f"verdict: {check.verdict.value}"]
    if check.total is not None:
        total = check.total.rounded(check.unit)
        text += _table(check)
        text += [f"total: {total.net} {shown(check.currency)} without VAT, {total.gross} with VAT"]
        text += [_stated(part, each, check.unit) for part, each in check.parts.items()]
    for each in check.findings:
        times = f" ({each.times} times)" if each.times > 1 else ""
        where = f" [{each.where}]" if each.where else ""
        text.append(f"- {each.code}: {each.message}{where}{times}")
    return "\n".join(line for line in text if line)


def _line(line: Line, currency: str) -> dict[str, object]:
    return {
        "dimension": line.dimension.value,
        "tariff_id": line.tariff_id,
        "element": line.element,
        "component": line.component,
        "periods": {"count": line.periods, "first": line.first, "last": line.last},
        "volume": _number(_in_units(line.volume, line.dimension)),
        "billed": _number(_in_units(line.billed, line.dimension)),
        "unit": _unit(line.dimension),
        "step_size": line.step_size,
        "price": _optional(line.price),
        "vat": _optional(line.vat),
        "excl_vat": _number(line.cost.net),
        "incl_vat": _number(line.cost.gross),
        "currency": currency,
        "skipped": list(line.skipped),
    }


def _limit_line(check: PriceCheck) -> list[dict[str, object]]:
    """What min_price or max_price changed: a line like the others, of which most is empty."""
    if check.limit == Money():
        return []
    amounts = {"excl_vat": _number(check.limit.net), "incl_vat": _number(check.limit.gross)}
    about = {"dimension": _limit_name(check.limit), "currency": check.currency, "skipped": []}
    return [dict.fromkeys(_LINE_FIELDS) | about | amounts]


def _limit_name(limit: Money) -> str:
    return "MIN_PRICE" if limit.net > 0 or limit.gross > 0 else "MAX_PRICE"


def _part(part: Part, each: PartTotal) -> dict[str, object]:
    """`stated` is the CDR's own figure, `difference` what it asks for beyond ours."""
    dimension = _dimension(part)
    stated = each.stated
    return {
        "volume": _number(_in_units(each.volume, dimension)),
        "billed": _number(_in_units(each.billed, dimension)),
        "unit": _unit(dimension),
        "excl_vat": _number(each.cost.net),
        "incl_vat": _number(each.cost.gross),
        "stated": None
        if stated is None
        else {"excl_vat": _number(stated), "incl_vat": _optional(each.stated_gross)},
        "difference": None if stated is None else _number(stated - each.cost.net),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "message": finding.message,
        "where": finding.where,
        "times": finding.times,
    }


def _table(check: PriceCheck) -> list[str]:
    rows = [_HEADINGS, *(_row(each) for each in check.lines)]
    if check.limit != Money():
        amounts = (_plain(check.limit.net), _plain(check.limit.gross))
        rows.append((_limit_name(check.limit), *[""] * 6, *amounts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    found = []
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        found.append("  ".join(cells).rstrip())
        if 0 < number <= len(check.lines):
            found += [f"    not {reason}" for reason in check.lines[number - 1].skipped]
    return found


def _row(line: Line) -> tuple[str, ...]:
    unit = _unit(line.dimension)
    first, last = line.first + 1, line.last + 1
    return (
        line.dimension.value,
        str(first) if first == last else f"{first}-{last}",
        "free"
        if line.element is None
        else f"{shown(line.tariff_id or '')} elements[{line.element}]",
        f"{_plain(_in_units(line.volume, line.dimension))} {unit}".rstrip(),
        f"{_plain(_in_units(line.billed, line.dimension))} {unit}".rstrip(),
        "" if line.price is None else _plain(line.price),
        "" if line.vat is None else f"{_plain(line.vat)} %",
        _plain(line.cost.net),
        _plain(line.cost.gross),
    )


def _stated(part: Part, each: PartTotal, unit: Decimal) -> str:
    if each.stated is None:
        return ""
    mine = rounded(each.cost.net, unit)
    return f"{part.value}: {mine} recomputed, {told(each.stated)} in the CDR"


def _dimension(part: Part) -> Dimension:
    return Dimension.RESERVATION_TIME if part is Part.RESERVATION else Dimension(part.value)


def _unit(dimension: Dimension) -> str:
    if dimension is Dimension.ENERGY:
        return "kWh"
    return "" if dimension in _FEES else "h"


def _in_units(volume: Decimal, dimension: Dimension) -> Decimal:
    return volume / SECONDS_PER_HOUR if _unit(dimension) == "h" else volume


def _plain(amount: Decimal) -> str:
    """A number for people: no exponent, no zeros at the end but those of cents."""
    text = f"{rounded(amount, _SHOWN):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction.ljust(2, '0')}" if fraction else whole


def _number(amount: Decimal) -> int | float:
    """A JSON number. Amounts of less than ten digits are told exactly."""
    found = rounded(amount, _SHOWN)
    return int(found) if found == found.to_integral_value() else float(found)


def _optional(amount: Decimal | None) -> int | float | None:
    return None if amount is None else _number(amount)
