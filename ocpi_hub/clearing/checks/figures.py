"""Totals that cannot be, or that operators want to see."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.checks.context import LocationSeen
from ocpi_hub.clearing.checks.rules import HoldRules
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.clearing.pricing.model import told
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR

ABSURD_KWH: Final = Decimal(10_000)
ABSURD_H: Final = Decimal(8784)
"""A year."""
ABSURD_COST: Final = Decimal(1_000_000_000)
"""In any currency."""
_SECONDS_PER_HOUR: Final = 3600
_SHORTEST_H: Final = Decimal("0.05")
"""Energy of shorter times says nothing about power: both are rounded."""
_SLACK_KWH: Final = Decimal("0.1")

_LARGEST_KW: Final = {
    "AC_1_PHASE": Decimal(25),
    "AC_2_PHASE": Decimal(50),
    "AC_2_PHASE_SPLIT": Decimal(50),
    "AC_3_PHASE": Decimal(100),
}
"""Where the connector's power is not known: what no such connector gives."""
_LARGEST_DC_KW: Final = Decimal(4000)


def look_at_limits(cdr: CDR, rules: HoldRules) -> Iterator[CdrFinding]:
    cost = abs(cdr.total_cost.excl_vat)
    for name, figure, limit, absurd, unit in (
        ("total_energy", cdr.total_energy, rules.limit("energy_kwh"), ABSURD_KWH, "kWh"),
        ("total_time", cdr.total_time, rules.limit("duration_h"), ABSURD_H, "h"),
        ("total_cost", cost, rules.limit("total_cost"), ABSURD_COST, cdr.currency),
    ):
        if limit is not None and figure > limit:
            text = f"{name} {told(figure)} {unit} is above {told(limit)}"
            yield CdrFinding(f"{name}_above_limit", text)
        if abs(figure) >= absurd:
            yield CdrFinding("absurd_total", f"{name} is {told(figure)} {unit}")


def look_at_signs(cdr: CDR) -> Iterator[CdrFinding]:
    cost = cdr.total_cost.excl_vat
    if cost < 0 and not cdr.credit:
        text = f"total_cost is {told(cost)} {cdr.currency}, and it is no Credit CDR"
        yield CdrFinding("negative_total", text)
    if cost > 0 and cdr.credit:
        text = f"it is a Credit CDR, and total_cost is {told(cost)} {cdr.currency}"
        yield CdrFinding("credit_positive", text)
    if cdr.total_energy < 0 and not cdr.credit:
        yield CdrFinding("negative_energy", f"total_energy is {told(cdr.total_energy)} kWh")
    for name, hours in (
        ("total_time", cdr.total_time),
        ("total_parking_time", cdr.total_parking_time),
    ):
        if hours is not None and hours < 0 and not cdr.credit:
            yield CdrFinding("negative_time", f"{name} is {told(hours)} h")
    yield from _look_at_vat(cdr)


def _look_at_vat(cdr: CDR) -> Iterator[CdrFinding]:
    gross, net = cdr.total_cost.incl_vat, cdr.total_cost.excl_vat
    if gross is not None and abs(gross) < abs(net):
        text = f"total_cost is {told(net)} without VAT and {told(gross)} with it"
        yield CdrFinding("vat_below_net", text)


def look_at_power(
    cdr: CDR, location: LocationSeen | None, rules: HoldRules
) -> Iterator[CdrFinding]:
    """Energy beside the time it took: that without parking, or by the clock if that is longer."""
    factor = rules.limit("power_factor")
    if factor is None:
        return
    length = (cdr.end_date_time - cdr.start_date_time).total_seconds()
    hours = max(cdr.total_time, Decimal(int(length)) / _SECONDS_PER_HOUR)
    energy = cdr.total_energy
    at = cdr.cdr_location
    known = _known_kw(cdr, location)
    most = known
    if most is None:
        most = _LARGEST_KW.get(at.connector_power_type, _LARGEST_DC_KW)
    allowed = most * factor * max(hours, _SHORTEST_H) + _SLACK_KWH
    if energy > allowed:
        whose = "the connector gives" if known is not None else f"{at.connector_power_type} allows"
        text = (
            f"{told(energy)} kWh in {hours.quantize(Decimal('0.01'))} h is more than {told(most)}"
            f" kW, which {whose}"
            if 0 <= hours < ABSURD_H
            else f"{told(energy)} kWh is more than the connector gives in that time"
        )
        yield CdrFinding("power_above_connector", text)


def _known_kw(cdr: CDR, location: LocationSeen | None) -> Decimal | None:
    if location is None:
        return None
    at = cdr.cdr_location
    return location.connectors.get((at.evse_uid.upper(), at.connector_id.upper()))
