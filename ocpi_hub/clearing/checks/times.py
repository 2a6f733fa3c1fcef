"""Times that do not fit together, and totals that the charging periods do not back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from ocpi_hub.clearing.checks.rules import HoldRules
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.clearing.pricing.model import told
from ocpi_hub.clearing.pricing.plausibility import ENERGY_TOLERANCE_KWH, TIME_TOLERANCE_S
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR, ChargingPeriod

AHEAD: Final = timedelta(minutes=15)
"""Clocks of charge points differ."""
PERIOD_CODES: Final = frozenset(
    (
        *("time_differs", "parking_above_time", "energy_unbacked", "periods_unsorted"),
        *("periods_overlap", "period_outside"),
    )
)
"""What all charging periods have to be looked at for."""
_SECONDS_PER_HOUR: Final = Decimal(3600)
_TIMES: Final = frozenset(("TIME", "PARKING_TIME", "RESERVATION_TIME"))
_ZERO: Final = Decimal(0)
_NO_TIME: Final = timedelta()
_SHOWN_HOURS: Final = Decimal("0.0001")


def look_at_dates(cdr: CDR, received_at: datetime, rules: HoldRules) -> Iterator[CdrFinding]:
    start, end = cdr.start_date_time.astimezone(UTC), cdr.end_date_time.astimezone(UTC)
    if end < start:
        text = f"it ends at {_moment(end)}, before its start at {_moment(start)}"
        yield CdrFinding("ends_before_start", text)
    if max(start, end) > received_at + AHEAD:
        text = f"it ends at {_moment(max(start, end))} and came at {_moment(received_at)}"
        yield CdrFinding("in_future", text)
    days = rules.limit("age_days")
    if days is not None and Decimal((received_at - end).days) >= days:
        text = f"it ended at {_moment(end)}, more than {told(days)} days before it came"
        yield CdrFinding("ancient", text)


def look_at_totals(cdr: CDR) -> Iterator[CdrFinding]:
    """Totals beside the clock and the periods. Reservations may lie before the start."""
    kwh, reserved = Decimal(0), False
    for period in cdr.charging_periods:
        for each in period.dimensions:
            if each.type == "ENERGY":
                kwh += each.volume
            elif each.type == "RESERVATION_TIME":
                reserved = True
    if abs(kwh - cdr.total_energy) > ENERGY_TOLERANCE_KWH:
        text = f"total_energy is {told(cdr.total_energy)} kWh, the periods add up to {told(kwh)}"
        yield CdrFinding("energy_unbacked", text)
    length = _seconds(cdr.end_date_time - cdr.start_date_time)
    if (
        length >= 0
        and not reserved
        and abs(cdr.total_time * _SECONDS_PER_HOUR - length) > TIME_TOLERANCE_S
    ):
        clock = (length / _SECONDS_PER_HOUR).quantize(_SHOWN_HOURS)
        text = f"total_time is {told(cdr.total_time)} h, from start to end it is {clock}"
        yield CdrFinding("time_differs", text)
    parked = cdr.total_parking_time
    if parked is not None and (parked - cdr.total_time) * _SECONDS_PER_HOUR > TIME_TOLERANCE_S:
        text = f"total_parking_time is {told(parked)} h, total_time {told(cdr.total_time)}"
        yield CdrFinding("parking_above_time", text)


def look_at_periods(cdr: CDR) -> Iterator[CdrFinding]:
    periods = cdr.charging_periods
    if any(a.start_date_time > b.start_date_time for a, b in pairwise(periods)):
        yield CdrFinding("periods_unsorted", "charging periods are not in order of time")
        periods = tuple(sorted(periods, key=lambda each: each.start_date_time))
    start, end = cdr.start_date_time, cdr.end_date_time
    if end < start:
        return
    for place, each in enumerate(periods):
        if not start <= each.start_date_time <= end:
            text = f"a charging period starts at {_moment(each.start_date_time)}, not within"
            yield CdrFinding("period_outside", f"{text} {_moment(start)} to {_moment(end)}")
            break
        until = periods[place + 1].start_date_time if place + 1 < len(periods) else end
        if _overlaps(each, until, last=place + 1 == len(periods)):
            text = f"the charging period from {_moment(each.start_date_time)} on takes longer than"
            yield CdrFinding("periods_overlap", f"{text} until {_moment(until)}")
            break


def _overlaps(period: ChargingPeriod, until: datetime, *, last: bool) -> bool:
    length = until - period.start_date_time
    if length <= _NO_TIME:
        return not last and any(each.volume for each in period.dimensions)
    hours = _ZERO
    for each in period.dimensions:
        if each.type in _TIMES:
            hours += each.volume
    if not hours:
        return False
    return hours * _SECONDS_PER_HOUR > _seconds(length) + TIME_TOLERANCE_S


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)).scaleb(-6)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
