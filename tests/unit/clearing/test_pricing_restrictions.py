"""When elements apply: judged moment by moment, in local time, at exact bounds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ocpi_hub.clearing.pricing import Verdict
from tests.support.pricing import (
    AMSTERDAM,
    START,
    cdr,
    charging,
    check,
    codes,
    element,
    energy,
    flat,
    net,
    parking,
    tariff,
)

FREE = tariff(element(flat(0)))


@pytest.mark.req("TA-09")
def test_first_element_with_the_dimension_wins_and_dimensions_are_looked_up_separately() -> None:
    found = tariff(
        element(charging(6), start_time="08:00", end_time="20:00"),
        element(energy(0.4), charging(2)),
        element(energy(9), charging(9), parking(9)),
    )
    # The first element has no ENERGY, so energy comes from the second: 10 x 0.40 = 4.00. TIME comes
    # from the first: 1 h x 6.00. Together 10.00.
    assert net(found, [("09:00", {"ENERGY": 10, "TIME": 1})], "10:00") == Decimal(10)


@pytest.mark.req("TA-09")
def test_dimension_without_matching_element_costs_nothing() -> None:
    found = tariff(element(energy(0.4), start_time="20:00", end_time="22:00"), element(flat(1)))
    answer = check(cdr([found], [("09:00", {"ENERGY": 10})], "10:00", total_cost={"excl_vat": 1}))
    assert answer.total is not None
    assert answer.total.net == 1
    free = next(each for each in answer.lines if each.element is None)
    assert (free.volume, free.price) == (Decimal(10), None)
    assert free.skipped == ("elements[0]: not between 20:00 and 22:00 local time",)


@pytest.mark.req("TA-10")
def test_all_restrictions_of_an_element_have_to_hold() -> None:
    found = tariff(
        element(energy(1), start_time="08:00", end_time="18:00", min_kwh=5, day_of_week=["MONDAY"]),
        element(energy(0.1)),
    )
    two = [("09:00", {"ENERGY": 5}), ("09:30", {"ENERGY": 2})]
    # Monday: 5 x 0.10, and from 5 kWh on 2 x 1.00.
    assert net(found, two, "10:00") == Decimal("2.5")
    # Tuesday is another day: 7 x 0.10.
    tuesday = [(f"2026-03-03T{start}:00Z", volumes) for start, volumes in two]
    assert net(found, tuesday, "2026-03-03T10:00:00Z") == Decimal("0.7")


@pytest.mark.req("TA-10")
def test_elements_are_judged_at_each_moment_not_for_the_session() -> None:
    found = tariff(element(charging(6), start_time="09:30", end_time="10:00"), element(charging(2)))
    # 30 min at 2.00, 30 min at 6.00, 15 min at 2.00: 1.00 + 3.00 + 0.50.
    periods = [("09:00", {"TIME": 0.5}), ("09:30", {"TIME": 0.5}), ("10:00", {"TIME": 0.25})]
    assert net(found, periods, "10:15") == Decimal("4.5")
    # The same in one period that fills its time: the clock tells how it divides.
    assert net(found, [("09:00", {"TIME": 1.25})], "10:15") == Decimal("4.5")


@pytest.mark.req("TA-11")
@pytest.mark.parametrize(
    ("start", "end", "at", "applies"),
    [
        ("09:00", "10:00", "09:00", True),  # inclusive
        ("09:00", "10:00", "10:00", False),  # exclusive
        ("22:00", "06:00", "23:00", True),  # wraps past midnight
        ("22:00", "06:00", "05:59", True),
        ("22:00", "06:00", "06:00", False),
        ("22:00", "06:00", "21:59", False),
        ("22:00", "00:00", "23:59", True),  # 00:00 is the end of the day
        ("22:00", "00:00", "00:00", False),
        ("22:00", None, "23:00", True),  # a missing bound is the edge of the day
        ("22:00", None, "01:00", False),
        (None, "06:00", "00:00", True),
        (None, "06:00", "06:00", False),
        (None, "00:00", "12:00", True),
        ("00:00", "00:00", "12:00", True),
        ("08:00", "08:00", "12:00", True),
    ],
)
def test_times_of_day(start: str | None, end: str | None, at: str, applies: bool) -> None:
    limits = {"start_time": start, "end_time": end}
    window = {name: each for name, each in limits.items() if each is not None}
    found = tariff(element(energy(1), **window), element(energy(0)))
    # Of no length, so that it does not reach the next boundary.
    assert net(found, [(at, {"ENERGY": 3})], at) == (3 if applies else 0)


@pytest.mark.req("TA-11")
def test_period_of_no_length_at_the_end_is_judged_by_its_own_moment() -> None:
    found = tariff(element(energy(1), start_time="10:00", end_time="12:00"), element(energy(0)))
    periods = [("09:00", {"ENERGY": 1}), ("10:00", {"ENERGY": 5})]
    assert net(found, periods, "10:00") == 5
    # Also when the session is said to have ended before.
    assert net(found, periods, "08:00", start_date_time=START) == 5


@pytest.mark.req("TA-11")
def test_dates_bound_days_and_times_apply_on_each_of_them() -> None:
    found = tariff(
        element(
            energy(1),
            start_date="2026-03-03",
            end_date="2026-03-05",
            start_time="10:00",
            end_time="12:00",
        )
    )
    days = {day: f"2026-03-0{day}T11:00:00Z" for day in (2, 3, 4, 5)}
    told = {day: net(found, [(at, {"ENERGY": 1})], at) for day, at in days.items()}
    assert told == {2: 0, 3: 1, 4: 1, 5: 0}
    early = "2026-03-04T09:59:00Z"
    assert net(found, [(early, {"ENERGY": 1})], early) == 0


@pytest.mark.req("TA-11")
def test_weekday_of_a_window_past_midnight_is_that_of_each_moment() -> None:
    found = tariff(element(energy(1), start_time="20:00", end_time="06:00", day_of_week=["FRIDAY"]))
    told = {
        at: net(found, [(at, {"ENERGY": 1})], at)
        for at in ("2026-03-06T02:00:00Z", "2026-03-06T21:00:00Z", "2026-03-07T02:00:00Z")
    }
    assert list(told.values()) == [1, 1, 0]


@pytest.mark.req("TA-11")
def test_times_are_local_to_the_location() -> None:
    found = tariff(element(energy(0.5), start_time="17:00", end_time="20:00"), element(energy(0.2)))
    # 16:30 UTC in March is 17:30 in Amsterdam.
    periods = [("16:30", {"ENERGY": 10})]
    assert net(found, periods, "16:45", time_zone=AMSTERDAM) == 5
    assert net(found, periods, "16:45") == 2


@pytest.mark.req("TA-11")
def test_night_in_which_clocks_go_forward_has_an_hour_less() -> None:
    # 29 March 2026, Amsterdam: 02:00 is followed by 03:00. Local 01:00 to 04:00 lasts 2 h.
    found = tariff(element(charging(1), start_time="01:00", end_time="04:00"), element(charging(0)))
    periods = [("2026-03-28T23:00:00Z", {"TIME": 5})]  # local 00:00 to 06:00, in 5 hours
    assert net(found, periods, "2026-03-29T04:00:00Z", time_zone=AMSTERDAM) == 2
    # A window inside the hour that is left out never comes.
    gap = tariff(element(charging(1), start_time="02:15", end_time="02:45"), element(charging(0)))
    assert net(gap, periods, "2026-03-29T04:00:00Z", time_zone=AMSTERDAM) == 0
    # One that reaches out of it begins when the clock is changed: 03:00 to 03:30.
    out = tariff(element(charging(1), start_time="02:30", end_time="03:30"), element(charging(0)))
    assert net(out, periods, "2026-03-29T04:00:00Z", time_zone=AMSTERDAM) == Decimal("0.5")


@pytest.mark.req("TA-11")
def test_night_in_which_clocks_go_back_has_an_hour_more() -> None:
    # 25 October 2026, Amsterdam: 02:00 to 03:00 comes twice. Local 01:00 to 04:00 lasts 4 h.
    found = tariff(element(charging(1), start_time="01:00", end_time="04:00"), element(charging(0)))
    periods = [("2026-10-24T22:00:00Z", {"TIME": 7})]  # local 00:00 to 06:00, in 7 hours
    assert net(found, periods, "2026-10-25T05:00:00Z", time_zone=AMSTERDAM) == 4
    # 02:15 to 02:45 comes twice, half an hour each.
    twice = tariff(element(charging(1), start_time="02:15", end_time="02:45"), element(charging(0)))
    assert net(twice, periods, "2026-10-25T05:00:00Z", time_zone=AMSTERDAM) == 1


@pytest.mark.req("TA-12")
def test_energy_bounds_divide_a_period_exactly() -> None:
    found = tariff(
        element(energy(0.5), max_kwh=10), element(energy(0.3), min_kwh=10, max_kwh=20), FREE_REST
    )
    # 4 + 6 kWh at 0.50, 10 kWh at 0.30, 5 kWh at 0.10: 5.00 + 3.00 + 0.50.
    periods = [("09:00", {"ENERGY": 4}), ("09:30", {"ENERGY": 21})]
    assert net(found, periods, "10:00") == Decimal("8.5")
    # At exactly 10 kWh the second element has begun.
    exact = [("09:00", {"ENERGY": 10}), ("09:30", {"ENERGY": 1})]
    assert net(found, exact, "10:00") == Decimal("5.3")


FREE_REST = element(energy(0.1))


@pytest.mark.req("TA-12")
def test_durations_count_from_the_start_of_the_session_whatever_the_dimension() -> None:
    found = tariff(element(parking(0), max_duration=3600), element(parking(6)))
    # Parking from minute 30 to minute 90 of the session: half an hour is free, half costs 3.00.
    periods = [("09:00", {"TIME": 0.5}), ("09:30", {"PARKING_TIME": 1})]
    assert net(found, periods, "10:30") == 3
    later = tariff(element(energy(1), min_duration=1800))
    at_bound = [("09:00", {"ENERGY": 1}), ("09:30", {"ENERGY": 1})]
    assert net(later, at_bound, "10:00") == 1


@pytest.mark.req("TA-12")
@pytest.mark.parametrize(
    ("flows", "expected"),
    [
        ({"MIN_POWER": 16, "MAX_POWER": 20}, 2),  # min_power 16 is inclusive
        ({"MIN_POWER": 11, "MAX_POWER": 15.9}, 1),
        ({"MIN_POWER": 11, "MAX_POWER": 16}, 4),  # max_power 16 is exclusive, and 11 is below 16
        ({"MIN_POWER": 32, "MAX_POWER": 40}, 4),
        ({"MAX_POWER": 15}, 1),  # the one that is there counts
        ({"MIN_POWER": 43}, 4),
        ({}, 4),  # not known: no limit can be proved
    ],
)
def test_power_limits_hold_for_the_whole_period(flows: dict[str, float], expected: int) -> None:
    found = tariff(
        element(energy(1), max_power=16),
        element(energy(2), min_power=16, max_power=32),
        element(energy(4)),
    )
    assert net(found, [("09:00", {"ENERGY": 1, **flows})], "09:30") == expected


@pytest.mark.req("TA-12")
def test_current_limits_are_compared_with_the_sum_over_the_phases_as_told() -> None:
    found = tariff(element(charging(1), max_current=32), element(charging(5), min_current=32))
    periods = [
        ("09:00", {"TIME": 1, "MIN_CURRENT": 6, "MAX_CURRENT": 31.9}),
        ("10:00", {"TIME": 1, "MIN_CURRENT": 32, "MAX_CURRENT": 48}),
    ]
    assert net(found, periods, "11:00") == 6


@pytest.mark.req("TA-10")
def test_energy_across_a_moment_is_priced_as_at_the_start_and_told() -> None:
    found = tariff(element(energy(0.5), start_time="17:00", end_time="20:00"), element(energy(0.2)))
    periods = [("16:30", {"ENERGY": 10, "TIME": 1})]
    told = cdr([found], periods, "17:30", total_cost={"excl_vat": 2})
    answer = check(told)
    # Nothing tells how much of the 10 kWh came before 17:00: all at 0.20.
    assert answer.total is not None
    assert answer.total.net == 2
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["missing_split"]
    # A CPO that divided evenly, or in any other way, is not called wrong.
    even = check({**told, "total_cost": {"excl_vat": 3.5}})
    assert even.verdict is Verdict.AMBIGUOUS
    assert "fits another reading: periods divided in proportion" in [
        each.message for each in even.findings
    ]
    assert check({**told, "total_cost": {"excl_vat": 4.2}}).verdict is Verdict.AMBIGUOUS
    # More than all of it at the higher price is.
    assert check({**told, "total_cost": {"excl_vat": 5.1}}).verdict is Verdict.DIFFERS


def test_boundary_at_which_no_price_changes_is_none() -> None:
    found = tariff(element(parking(9), start_time="17:00"), element(energy(0.2)))
    answer = check(cdr([found], [("16:30", {"ENERGY": 10})], "17:30", total_cost={"excl_vat": 2}))
    assert codes(answer) == []


def test_time_that_does_not_fill_its_period_is_not_divided() -> None:
    found = tariff(element(charging(6), start_time="17:00"), element(charging(2)))
    answer = check(cdr([found], [("16:30", {"TIME": 0.5})], "17:30", total_cost={"excl_vat": 1}))
    assert answer.total is not None
    assert answer.total.net == 1
    assert codes(answer) == ["missing_split"]


def test_straddled_and_unknown_power_are_told() -> None:
    found = tariff(element(energy(1), max_power=16), element(energy(2)))
    both = [("09:00", {"ENERGY": 1, "MIN_POWER": 3, "MAX_POWER": 40}), ("09:30", {"ENERGY": 1})]
    answer = check(cdr([found], both, "10:00", total_cost={"excl_vat": 4}))
    assert codes(answer) == ["power_straddles", "power_unknown"]
    touched = check(cdr([found], both[:1], "10:00", total_cost={"excl_vat": 1}))
    assert touched.verdict is Verdict.AMBIGUOUS


def test_free_tariff_costs_nothing() -> None:
    assert net(FREE, [("09:00", {"ENERGY": 10, "TIME": 1})], "10:00") == 0
