"""Tariffs, Sessions and CDRs: figures that fit together, times that run forward."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from ocpi_hub.checking.checks.locations import parts
from ocpi_hub.checking.checks.objects import each_object
from ocpi_hub.checking.model import Check, Severity
from ocpi_hub.checking.reading import Object
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.base import parse_datetime

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_CENT = Decimal("0.01")
_WATT_HOURS = Decimal("0.01")
_MINUTE_H = Decimal(1) / 60
_MOST_VAT = 50
_MOST_KWH = 1000
_PARTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
_BOUNDS = (
    ("min_kwh", "max_kwh"),
    ("min_current", "max_current"),
    ("min_power", "max_power"),
    ("min_duration", "max_duration"),
    ("start_date", "end_date"),
)


def _number(item: Object, name: str) -> Decimal | None:
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _moment(item: Object, name: str) -> datetime | None:
    try:
        return parse_datetime(str(item.get(name)))
    except ValueError:
        return None


def _runs_backwards(item: Object) -> Iterable[str]:
    start, end = _moment(item, "start_date_time"), _moment(item, "end_date_time")
    if start is not None and end is not None and end < start:
        yield "end_date_time is before start_date_time"


# Tariffs -----------------------------------------------------------------------------------------


def _prices(item: Object) -> Iterable[str]:
    for element in parts(item, "elements"):
        for component in parts(element, "price_components"):
            price, vat = _number(component, "price"), _number(component, "vat")
            if price is not None and price < 0:
                yield f"a price of {price}"
            if vat is not None and not 0 <= vat <= _MOST_VAT:
                yield f"vat of {vat}: it is a percentage, such as 19"
            if vat is not None and 0 < vat < 1:
                yield f"vat of {vat} percent: is it a fraction?"


def _steps(item: Object) -> Iterable[str]:
    for element in parts(item, "elements"):
        for component in parts(element, "price_components"):
            step = _number(component, "step_size")
            if step is not None and step < 0:
                yield f"a step_size of {step}"


def _restrictions(item: Object) -> Iterable[str]:
    for element in parts(item, "elements"):
        found = element.get("restrictions")
        limits = found if isinstance(found, dict) else {}
        for least, most in _BOUNDS:
            low, high = limits.get(least), limits.get(most)
            if type(low) is type(high) and low is not None and not low < high:
                yield f"{least} is not below {most}: the element never applies"


# Sessions ----------------------------------------------------------------------------------------


def _session_energy(item: Object) -> Iterable[str]:
    kwh = _number(item, "kwh")
    if kwh is not None and not 0 <= kwh <= _MOST_KWH:
        yield f"{kwh} kWh: is it in Wh?"


# CDRs --------------------------------------------------------------------------------------------


def _energy(item: Object) -> Iterable[str]:
    volumes = [
        volume
        for period in parts(item, "charging_periods")
        for dimension in parts(period, "dimensions")
        if dimension.get("type") == "ENERGY"
        and (volume := _number(dimension, "volume")) is not None
    ]
    total = _number(item, "total_energy")
    if volumes and total is not None and abs(sum(volumes) - total) > _WATT_HOURS:
        yield f"the periods have {sum(volumes)} kWh, total_energy is {total}"


def _costs(item: Object) -> Iterable[str]:
    total = _excl_vat(item, "total_cost")
    costs = [cost for name in _PARTS if (cost := _excl_vat(item, name)) is not None]
    # Without all of them nobody knows what the rest is; credits need only name the total.
    if item.get("credit") is True or total is None or not costs:
        return
    if sum(costs) > total + _CENT:
        yield f"the parts cost {sum(costs)}, total_cost is {total}"


def _excl_vat(item: Object, name: str) -> Decimal | None:
    price = item.get(name)
    return _number(price, "excl_vat") if isinstance(price, dict) else None


def _vat(item: Object) -> Iterable[str]:
    for name in ("total_cost", *_PARTS):
        price = item.get(name)
        if not isinstance(price, dict):
            continue
        without, including = _number(price, "excl_vat"), _number(price, "incl_vat")
        if without is not None and including is not None and 0 <= including < without:
            yield f"{name} is less with VAT than without"


def _periods(item: Object) -> Iterable[str]:
    starts = [
        start
        for period in parts(item, "charging_periods")
        if (start := _moment(period, "start_date_time")) is not None
    ]
    begin, end = _moment(item, "start_date_time"), _moment(item, "end_date_time")
    if starts != sorted(starts):
        yield "charging_periods are not in the order of time"
    elif starts and begin is not None and starts[0] < begin:
        yield "a charging period begins before the CDR"
    elif starts and end is not None and starts[-1] > end:
        yield "a charging period begins after the CDR has ended"


def _hours(item: Object) -> Iterable[str]:
    start, end = _moment(item, "start_date_time"), _moment(item, "end_date_time")
    total = _number(item, "total_time")
    if start is None or end is None or total is None or end < start:
        return
    hours = Decimal((end - start).total_seconds()) / 3600
    if total > hours + _MINUTE_H:
        yield f"total_time is {total} hours, from start to end are {round(hours, 2)}"


def _credits(item: Object) -> Iterable[str]:
    total = _excl_vat(item, "total_cost")
    if item.get("credit") is True and total is not None and total > 0:
        yield "total_cost of a credit CDR is positive"
    elif item.get("credit") is not True and total is not None and total < 0:
        yield "total_cost is negative, but credit is not set"


_TARIFFS, _SESSIONS, _CDRS = Module.TARIFFS, Module.SESSIONS, Module.CDRS
CHECKS = (
    Check("tariffs.prices", "Prices and VAT are plausible", ("TA-07",), SHOULD,
          "Prices are in the currency, not in cents, and without VAT; vat is a percentage.",
          each_object(_TARIFFS, _prices)),
    Check("tariffs.steps", "Steps are not negative", ("TA-08",), SHOULD,
          "step_size counts Wh or seconds, from 0 on.", each_object(_TARIFFS, _steps)),
    Check("tariffs.restrictions", "Restrictions leave something", ("TA-11", "TA-12"), SHOULD,
          "Lower bounds are inclusive, upper ones exclusive: they must differ.",
          each_object(_TARIFFS, _restrictions)),
    Check("tariffs.period", "A Tariff ends after it begins", ("TA-05",), SHOULD,
          "Correct start_date_time and end_date_time.", each_object(_TARIFFS, _runs_backwards)),
    Check("sessions.times", "A Session ends after it begins", ("SE-07", "SE-10"), MUST,
          "Write all times in UTC.", each_object(_SESSIONS, _runs_backwards)),
    Check("sessions.energy", "Energy of Sessions is in kWh", ("SE-07",), SHOULD,
          "kwh is in kilowatt hours and never negative.",
          each_object(_SESSIONS, _session_energy)),
    Check("cdrs.times", "A CDR ends after it begins", ("CD-13",), MUST,
          "Write all times in UTC.", each_object(_CDRS, _runs_backwards)),
    Check("cdrs.energy", "Energy of the periods adds up", ("CD-19", "CD-13"), SHOULD,
          "ENERGY of a period is in kWh and of this period alone; their sum is total_energy.",
          each_object(_CDRS, _energy)),
    Check("cdrs.costs", "Costs add up", ("CD-14",), SHOULD,
          "total_cost is the sum of the other costs.", each_object(_CDRS, _costs)),
    Check("cdrs.vat", "Amounts with VAT are not below those without", ("TY-06",), SHOULD,
          "Do not swap excl_vat and incl_vat.", each_object(_CDRS, _vat)),
    Check("cdrs.periods", "Charging periods are in order", ("CD-18",), MUST,
          "Sort charging_periods by start_date_time: each ends where the next begins.",
          each_object(_CDRS, _periods)),
    Check("cdrs.hours", "Duration fits start and end", ("CD-13",), SHOULD,
          "total_time is in hours, and no longer than from start to end.",
          each_object(_CDRS, _hours)),
    Check("cdrs.credit", "Credit CDRs are negative, others are not", ("CD-11",), SHOULD,
          "Set credit and credit_reference_id where total_cost is negative.",
          each_object(_CDRS, _credits)),
)  # fmt: skip
