"""What is odd about a CDR beside its price. Nothing here changes an amount."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.pricing.matching import Range
from ocpi_hub.clearing.pricing.model import (
    SECONDS_PER_HOUR,
    ZERO,
    Dimension,
    Findings,
    rounded,
    told,
)
from ocpi_hub.clearing.pricing.session import Period, Session
from ocpi_hub.clearing.pricing.tariff import Restrictions, Tariff
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR

ENERGY_TOLERANCE_KWH: Final = Decimal("0.001")
TIME_TOLERANCE_S: Final = Decimal(20)
"""Hours with two decimals, and times of day in whole seconds."""
_SHOWN_HOURS: Final = Decimal("0.0001")


def look_at(cdr: CDR, session: Session, findings: Findings) -> None:
    """Note what does not fit together."""
    _periods(session, findings)
    _flows(session, findings)
    _totals(cdr, session, findings)
    if session.expired:
        text = "taken for a reservation that expired: nothing but reservation time, and no session"
        findings.add("reservation_expired", text)
    if cdr.total_cost.excl_vat < 0 and not cdr.credit:
        findings.add("negative_total", "a total below 0 without `credit`", "total_cost")
    if cdr.total_cost.excl_vat > 0 and cdr.credit:
        findings.add("credit_positive", "a credit CDR with a total above 0", "total_cost")


def _periods(session: Session, findings: Findings) -> None:
    start_us, end_us, known = session.start_us, session.end_us, session.times_known
    for period in session.periods:
        if known and not start_us <= period.start_us <= end_us:
            text = "a charging period starts outside the session"
            findings.add("period_outside", text, _where(period))
        if period.tariff is None:
            if session.only is None:
                text = "periods without tariff_id cost nothing: there is more than one tariff"
            else:
                text = "periods without tariff_id are priced by the only tariff"
            findings.add("no_tariff_id", text, _where(period))
        if period.kwh < 0:
            text = "negative energy is priced as it comes"
            findings.add("negative_volume", text, _where(period))
        if period.seconds and not period.filled:
            _times(period, findings, judged=known)


def _times(period: Period, findings: Findings, *, judged: bool) -> None:
    if judged and sum(period.seconds.values()) > period.length_s + TIME_TOLERANCE_S:
        text = "the times of a period are longer than the period"
        findings.add("period_too_short", text, _where(period))
    if any(each < 0 for each in period.seconds.values()):
        findings.add("negative_volume", "negative time is priced as it comes", _where(period))


def _flows(session: Session, findings: Findings) -> None:
    """What the periods tell about current and power, where a price depends on it."""
    limits = [_limits(each.restrictions) for each in session.tariffs]
    if not any(limit for pair in limits for limit in pair):
        return
    limited = [_limited(each) for each in session.tariffs]
    for period in session.periods:
        tariff = period.tariff if period.tariff is not None else session.only
        if tariff is None or period.reserves_only:
            continue
        has = {Dimension.FLAT, *(dimension for dimension, _ in period.volumes)}
        for place, what, found in ((0, "current", period.current), (1, "power", period.power)):
            if has & limited[tariff][place]:
                _flow(what, limits[tariff][place], found, period, findings)


def _limited(tariff: Tariff) -> tuple[set[Dimension], set[Dimension]]:
    """The dimensions whose price depends on the current, and those for which it is the power."""
    currents, powers = set(), set()
    for dimension, every in tariff.candidates.items():
        for each in every:
            current, power = _limits([] if each.restrictions is None else [each.restrictions])
            if current:
                currents.add(dimension)
            if power:
                powers.add(dimension)
    return currents, powers


def _flow(
    what: str, limits: Sequence[Decimal], found: Range, period: Period, findings: Findings
) -> None:
    if found.low is None and found.high is None:
        text = f"a tariff asks for the {what}, and the period does not tell it"
        findings.add(f"{what}_unknown", text, _where(period))
    elif (
        found.low is not None
        and found.high is not None
        and bisect_right(limits, found.low) != bisect_right(limits, found.high)
    ):
        text = f"the {what} passes a limit of the tariff within a period"
        findings.add(f"{what}_straddles", text, _where(period))


def _limits(every: Sequence[Restrictions]) -> tuple[list[Decimal], list[Decimal]]:
    currents = {b for r in every for b in (r.min_current, r.max_current) if b is not None}
    powers = {b for r in every for b in (r.min_power, r.max_power) if b is not None}
    return sorted(currents), sorted(powers)


def _totals(cdr: CDR, session: Session, findings: Findings) -> None:
    kwh = session.periods[-1].kwh_before + session.periods[-1].kwh
    if abs(kwh - cdr.total_energy) > ENERGY_TOLERANCE_KWH:
        text = f"total_energy is {told(cdr.total_energy)} kWh, the periods add up to {told(kwh)}"
        findings.add("energy_unbacked", text, "total_energy")
    length = Decimal(session.end_us - session.start_us).scaleb(-6)
    judged = session.times_known and not session.reserved
    if judged and _apart(cdr.total_time, length):
        text = f"total_time is {told(cdr.total_time)} h, the session takes {_hours(length)}"
        findings.add("time_differs", text, "total_time")
    if cdr.total_parking_time is None:
        return
    parked = sum((p.seconds.get(Dimension.PARKING_TIME, ZERO) for p in session.periods), ZERO)
    if _apart(cdr.total_parking_time, parked):
        text = (
            f"total_parking_time is {told(cdr.total_parking_time)} h,"
            f" the periods add up to {_hours(parked)}"
        )
        findings.add("parking_time_differs", text, "total_parking_time")


def _apart(hours: Decimal, seconds: Decimal) -> bool:
    return abs(hours * SECONDS_PER_HOUR - seconds) > TIME_TOLERANCE_S


def _hours(seconds: Decimal) -> str:
    return told(rounded(seconds / SECONDS_PER_HOUR, _SHOWN_HOURS))


def _where(period: Period) -> str:
    return f"period {period.place + 1}"
