"""What holds for every price, and the engine beside a minute-by-minute account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ocpi_hub.clearing.pricing import Verdict, as_json, as_text
from tests.support.pricing import (
    AMSTERDAM,
    Period,
    cdr,
    charging,
    check,
    element,
    energy,
    flat,
    net,
    parking,
    tariff,
)
from tests.support.thorough import rounds

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
# Both nights of 2026 in which clocks are changed in Amsterdam, and a usual one.
NIGHTS = ("2026-03-28", "2026-10-24", "2026-06-17")
STEP_MIN = 3
"""A twentieth of an hour, so that hours are exact with four decimals."""

times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 10, 15, 30, 55)))
rates = st.integers(0, 12)


@st.composite
def local_restrictions(draw: st.DrawFn) -> dict[str, Any]:
    """Restrictions that only the moment decides about."""
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["start_time"] = draw(times)
    if draw(st.booleans()):
        found["end_time"] = draw(times)
    if draw(st.integers(0, 3)) == 0:
        found["day_of_week"] = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
    if draw(st.integers(0, 3)) == 0:
        found["min_duration"] = draw(st.integers(0, 600)) * 60
    if draw(st.integers(0, 3)) == 0:
        found["max_duration"] = draw(st.integers(0, 600)) * 60
    if draw(st.integers(0, 5)) == 0:
        found["start_date"] = draw(st.sampled_from(("2026-03-29", "2026-10-25")))
    if draw(st.integers(0, 5)) == 0:
        found["end_date"] = draw(st.sampled_from(("2026-03-29", "2026-10-25")))
    return found


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _filled(start: datetime, cuts: Sequence[int], total: int) -> tuple[list[Period], str]:
    """Periods full of charging: cuts and total in steps of STEP_MIN."""
    edges = sorted({0, total, *(each for each in cuts if 0 < each < total)})
    periods: list[Period] = [
        (
            _stamp(start + timedelta(minutes=begin * STEP_MIN)),
            {"TIME": (end - begin) * STEP_MIN / 60},
        )
        for begin, end in pairwise(edges)
    ]
    return periods, _stamp(start + timedelta(minutes=total * STEP_MIN))


def _second(text: str) -> int:
    return int(text[:2]) * 3600 + int(text[3:]) * 60


def _holds(of: Mapping[str, Any], local: datetime, elapsed_s: float) -> bool:
    """The restrictions written once more, as simply as they can be."""
    if "start_date" in of and local.date().isoformat() < of["start_date"]:
        return False
    if "end_date" in of and local.date().isoformat() >= of["end_date"]:
        return False
    if "day_of_week" in of and DAYS[local.weekday()] not in of["day_of_week"]:
        return False
    if elapsed_s < of.get("min_duration", 0) or elapsed_s >= of.get("max_duration", 10**9):
        return False
    now = local.hour * 3600 + local.minute * 60 + local.second
    start = _second(of.get("start_time", "00:00"))
    end = _second(of.get("end_time", "00:00")) or 86_400
    if of.get("start_time") == of.get("end_time"):
        return True
    return start <= now < end if start < end else now >= start or now < end


@given(
    night=st.sampled_from(NIGHTS),
    begin=st.integers(0, 20 * 20),
    total=st.integers(1, 20 * 20),
    cuts=st.lists(st.integers(1, 400), max_size=4),
    elements=st.lists(st.tuples(rates, local_restrictions()), min_size=1, max_size=4),
)
@settings(max_examples=rounds(60, 2000), deadline=None)
def test_time_costs_what_a_minute_by_minute_account_says(
    night: str,
    begin: int,
    total: int,
    cuts: list[int],
    elements: list[tuple[int, dict[str, Any]]],
) -> None:
    start = datetime.fromisoformat(f"{night}T12:00:00+00:00") + timedelta(minutes=begin * STEP_MIN)
    found = tariff(*(element(charging(rate), **limits) for rate, limits in elements))
    expected = Decimal(0)
    for minute in range(total * STEP_MIN):
        local = (start + timedelta(minutes=minute)).astimezone(ZoneInfo(AMSTERDAM))
        for rate, limits in elements:
            if _holds(limits, local, minute * 60):
                expected += rate
                break
    periods, end = _filled(start, cuts, total)
    told = net(found, periods, end, time_zone=AMSTERDAM)
    assert abs(told - expected / 60) < Decimal("1e-20")


@given(
    amounts=st.lists(st.integers(0, 400), min_size=1, max_size=5),
    where=st.integers(0, 4),
    part=st.integers(0, 400),
    bounds=st.lists(st.tuples(rates, st.integers(0, 80), st.integers(0, 80)), max_size=4),
)
@settings(max_examples=rounds(60, 2000), deadline=None)
def test_energy_split_anywhere_costs_the_same(
    amounts: list[int], where: int, part: int, bounds: list[tuple[int, int, int]]
) -> None:
    elements = [element(energy(r), min_kwh=low / 2, max_kwh=high / 2) for r, low, high in bounds]
    found = tariff(*elements, element(energy(3)))
    whole: list[Period] = [(f"0{n}:00", {"ENERGY": each / 10}) for n, each in enumerate(amounts)]
    where %= len(amounts)
    part = min(part, amounts[where])
    halves: list[Period] = [
        (f"0{where}:00", {"ENERGY": part / 10}),
        (f"0{where}:20", {"ENERGY": (amounts[where] - part) / 10}),
    ]
    split = [*whole[:where], *halves, *whole[where + 1 :]]
    assert net(found, whole, "09:00") == net(found, split, "09:00")


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(("ENERGY", "TIME", "PARKING_TIME")), rates, times, times),
        min_size=1,
        max_size=5,
    ),
    place=st.integers(0, 3),
    hour=st.integers(0, 23),
)
@settings(max_examples=rounds(60, 1000), deadline=None)
def test_order_matters_between_elements_of_one_dimension_only(
    rows: list[tuple[str, int, str, str]], place: int, hour: int
) -> None:
    makers = {"ENERGY": energy, "TIME": charging, "PARKING_TIME": parking}
    elements = [
        element(makers[kind](rate), start_time=start, end_time=end)
        for kind, rate, start, end in rows
    ]
    place %= len(rows)
    swapped = list(elements)
    if place + 1 < len(rows) and rows[place][0] != rows[place + 1][0]:
        swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    periods: list[Period] = [(f"{hour:02}:00", {"ENERGY": 4, "TIME": 0.25, "PARKING_TIME": 0.25})]
    end = f"{hour:02}:30"
    before = net(tariff(*elements), periods, end)
    assert net(tariff(*swapped), periods, end) == before
    # What comes after an element that always applies never counts.
    always = [element(energy(1), charging(1), parking(1))]
    assert net(tariff(*always, *elements), periods, end) == Decimal("4.5")


@given(
    low=st.integers(0, 50),
    more=st.integers(0, 50),
    kwh=st.integers(0, 400),
    vat=st.sampled_from((None, 0, 7, 21)),
)
@settings(max_examples=rounds(60, 1000), deadline=None)
def test_total_stays_within_the_limits_and_credit_and_original_are_nothing(
    low: int, more: int, kwh: int, vat: int | None
) -> None:
    limits = {
        "min_price": {"excl_vat": low, "incl_vat": low},
        "max_price": {"excl_vat": low + more, "incl_vat": low + more},
    }
    found = tariff(element(flat(1, vat=vat), energy(0.37, vat=vat)), **limits)
    told = cdr([found], [("09:00", {"ENERGY": kwh / 10})], "10:00")
    answer = check(told)
    assert answer.total is not None
    assert low <= answer.total.net <= low + more
    assert low <= answer.total.gross <= low + more
    paid = answer.total.rounded(answer.unit)
    total = {"excl_vat": float(paid.net), "incl_vat": float(paid.gross)}
    original = check({**told, "total_cost": total})
    negative = {name: -each for name, each in total.items()}
    fields = {"id": "CDR1-C", "credit": True, "credit_reference_id": "CDR1"}
    credit = check({**told, **fields, "total_cost": negative})
    assert original.verdict is credit.verdict is Verdict.EQUAL
    assert original.total == credit.total


numbers = st.one_of(
    st.integers(-(10**12), 10**12),
    st.floats(-1e20, 1e20).filter(lambda each: abs(each) > 1e-50),  # smaller ones are no numbers
    st.just(0),
)
whole_numbers = st.integers(-(10**6), 10**6)


@st.composite
def any_element(draw: st.DrawFn) -> dict[str, Any]:
    """An element that makes sense to nobody."""
    kinds = st.sampled_from(("ENERGY", "TIME", "PARKING_TIME", "FLAT", "OTHER"))
    components = [
        {"type": draw(kinds), "price": draw(numbers), "vat": 20, "step_size": draw(whole_numbers)}
        for _ in range(draw(st.integers(1, 3)))
    ]
    limits = draw(local_restrictions())
    for name in ("min_kwh", "max_kwh", "min_power", "max_current"):
        if draw(st.integers(0, 4)) == 0:
            limits[name] = draw(numbers)
    if draw(st.integers(0, 4)) == 0:
        limits["reservation"] = draw(st.sampled_from(("RESERVATION", "RESERVATION_EXPIRES", "X")))
    return element(*components, **limits)


@given(
    elements=st.lists(any_element(), min_size=1, max_size=4),
    periods=st.lists(
        st.tuples(
            st.integers(-2000, 4000),
            st.dictionaries(
                st.sampled_from(
                    ("ENERGY", "TIME", "PARKING_TIME", "RESERVATION_TIME", "MIN_POWER",
                     "MAX_CURRENT", "CURRENT", "FLAT")
                ),
                numbers,
                min_size=1,
            ),
            st.sampled_from(("T1", "t1", None)),
        ),
        min_size=1,
        max_size=5,
    ),
    end=st.integers(-2000, 4000),
    total=numbers,
)  # fmt: skip
@settings(max_examples=rounds(100, 5000), deadline=None)
def test_every_cdr_gets_an_answer_that_can_be_written(
    elements: list[dict[str, Any]],
    periods: list[tuple[int, dict[str, float], str | None]],
    end: int,
    total: float,
) -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    told: list[Period] = [
        (_stamp(start + timedelta(minutes=at)), volumes, named) for at, volumes, named in periods
    ]
    until = _stamp(start + timedelta(minutes=end))
    answer = check(
        cdr([tariff(*elements)], told, until, total_cost={"excl_vat": total}), time_zone=AMSTERDAM
    )
    json.dumps(as_json(answer), allow_nan=False)
    assert as_text(answer).startswith("verdict: ")
    if answer.total is not None:
        summed = sum((each.cost.net for each in answer.lines), answer.limit.net)
        assert abs(summed - answer.total.net) <= abs(answer.total.net) * Decimal("1e-20")
