"""Whether an element applies at a moment, and which component of each dimension is active.

All restrictions of an element have to hold at that moment. Lower bounds belong to the range they
open, upper bounds do not. Spec: 2.2.1 mod_tariffs_tariffrestrictions_class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from ocpi_hub.clearing.pricing.model import Dimension
from ocpi_hub.clearing.pricing.readings import Reading
from ocpi_hub.clearing.pricing.tariff import DAY_S, Candidate, Candidates, Component, Restrictions
from ocpi_hub.domain.value import value


@value
class Range:
    """The least and the largest value of a period; None: the CDR does not say."""

    low: Decimal | None
    high: Decimal | None


@value
class State:
    """What restrictions are judged by.

    Attributes:
        local_s: second of the local day.
        elapsed_us: microseconds since the start of the session.
        kwh: charged since the start of the session.
        current: ampere over all phases.
        power: kW.
    """

    local_s: int
    local_date: date
    elapsed_us: int
    kwh: Decimal
    current: Range
    power: Range


Active = dict[Dimension, Component | None]
"""The component that prices each dimension of a tariff; None: the dimension is free."""


def active(candidates: Candidates, state: State, reading: Reading) -> Active:
    """Of each dimension the first component whose element applies.

    Spec: 2.2.1 mod_tariffs_tariff_object.
    """
    return {
        dimension: next(
            (each.component for each in every if not obstacle(each.restrictions, state, reading)),
            None,
        )
        for dimension, every in candidates.items()
    }


def skipped(
    candidates: Sequence[Candidate], state: State, reading: Reading, limit: int
) -> Iterator[str]:
    """Which elements of a dimension come before the active one, and what spoke against each."""
    passed: list[Candidate] = []
    for each in candidates:
        if not obstacle(each.restrictions, state, reading):
            break
        passed.append(each)
    for each in passed[:limit]:
        reason = obstacle(each.restrictions, state, reading)
        yield f"elements[{each.component.element}]: {reason}"
    if len(passed) > limit:
        yield f"and {len(passed) - limit} more"


def obstacle(restrictions: Restrictions | None, state: State, reading: Reading) -> str:
    """The first restriction that does not hold, in words; empty when all hold."""
    if restrictions is None:
        return ""
    return (
        _time_of_day(restrictions, state, reading)
        or _day(restrictions, state)
        or _duration(restrictions, state)
        or _energy(restrictions, state)
        or _flow(
            "current", restrictions.min_current, restrictions.max_current, state.current, reading
        )
        or _flow("power", restrictions.min_power, restrictions.max_power, state.power, reading)
    )


def _time_of_day(of: Restrictions, state: State, reading: Reading) -> str:
    start, end = of.start_s, of.end_s
    if start is None and end is None:
        return ""
    if _within(start, end, state.local_s, reading):
        return ""
    return f"not between {_clock(start or 0)} and {_clock(end or 0)} local time"


def _within(start: int | None, end: int | None, now: int, reading: Reading) -> bool:
    """Times that are missing are the edges of the day; an end before the start is tomorrow's."""
    if start is None and end == 0:
        return reading.midnight
    first, last = start or 0, end or DAY_S
    if start is not None and start == end:
        # 00:00 to 00:00 is the whole day by the rule that 00:00 is the day's end.
        return reading.equal_times or start == 0
    return first <= now < last if first < last else now >= first or now < last


def _day(of: Restrictions, state: State) -> str:
    if of.start_date is not None and state.local_date < of.start_date:
        return f"before {of.start_date}"
    if of.end_date is not None and state.local_date >= of.end_date:
        return f"not before {of.end_date}"
    if of.weekdays and state.local_date.weekday() not in of.weekdays:
        return "another day of the week"
    return ""


def _duration(of: Restrictions, state: State) -> str:
    if of.min_duration_s is not None and state.elapsed_us < of.min_duration_s * 1_000_000:
        return f"less than {of.min_duration_s} s since the start"
    if of.max_duration_s is not None and state.elapsed_us >= of.max_duration_s * 1_000_000:
        return f"{of.max_duration_s} s or more since the start"
    return ""


def _energy(of: Restrictions, state: State) -> str:
    if of.min_kwh is not None and state.kwh < of.min_kwh:
        return f"less than {of.min_kwh} kWh charged"
    if of.max_kwh is not None and state.kwh >= of.max_kwh:
        return f"{of.max_kwh} kWh or more charged"
    return ""


def _flow(
    what: str, least: Decimal | None, bound: Decimal | None, found: Range, reading: Reading
) -> str:
    """Of current or power: by the value that proves the condition for the whole period, or, as the
    other reading has it, for some moment; by the other value where that one is missing."""
    if least is None and bound is None:
        return ""
    low = found.low if found.low is not None else found.high
    high = found.high if found.high is not None else found.low
    if low is None or high is None:
        return "" if reading.unknown_power else f"{what} not known"
    if not reading.whole_period:
        low, high = high, low
    if least is not None and low < least:
        return f"{what} below {least}"
    if bound is not None and high >= bound:
        return f"{what} not below {bound}"
    return ""


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"
