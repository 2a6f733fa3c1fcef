"""step_size, the four decimals of hours, and FLAT."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ocpi_hub.clearing.pricing import Verdict
from tests.support.pricing import (
    cdr,
    charging,
    check,
    codes,
    element,
    energy,
    flat,
    hours,
    net,
    parking,
    tariff,
)


@pytest.mark.req("TA-15")
def test_energy_is_rounded_once_for_the_session_by_the_last_component() -> None:
    found = tariff(element(energy(0.2, step=700), end_time="17:00"), element(energy(0.3, step=500)))
    # 4.1 + 1.2 = 5.3 kWh make 11 steps of 500 Wh: 5.5 kWh. The 0.2 kWh more are billed by the last
    # component: 4.1 x 0.20 + 1.4 x 0.30 = 0.82 + 0.42.
    periods = [("16:30", {"ENERGY": 4.1}), ("17:00", {"ENERGY": 1.2})]
    assert net(found, periods, "17:30") == Decimal("1.24")


@pytest.mark.req("TA-15", "TA-16")
def test_time_is_rounded_once_and_not_when_elements_change() -> None:
    found = tariff(
        element(charging(6, step=1200), end_time="17:00"), element(charging(12, step=600))
    )
    # 7 + 16 = 23 min make 30: 7 min at 6.00 and 23 min at 12.00 an hour: 0.70 + 4.60.
    periods = [("16:53", {"TIME": hours(7)}), ("17:00", {"TIME": hours(16)})]
    assert net(found, periods, "17:16") == pytest.approx(Decimal("5.3"))


@pytest.mark.req("TA-16")
def test_charging_followed_by_parking_leaves_charging_unrounded() -> None:
    found = tariff(element(charging(6, step=300), parking(12, step=420)))
    # 3 min stay 3 (0.30), 6 min of parking become 7 (1.40).
    periods = [("09:00", {"TIME": hours(3)}), ("09:03", {"PARKING_TIME": hours(6)})]
    assert net(found, periods, "09:09") == pytest.approx(Decimal("1.7"))


@pytest.mark.req("TA-16")
def test_parking_that_is_priced_at_nothing_is_rounded_all_the_same_and_free_parking_is_not() -> (
    None
):
    periods = [("09:00", {"TIME": hours(7)}), ("09:07", {"PARKING_TIME": hours(6)})]
    priced = tariff(element(charging(6, step=600), parking(0, step=600)))
    assert net(priced, periods, "09:13") == pytest.approx(Decimal("0.7"))
    unpriced = tariff(element(charging(6, step=600)))
    assert net(unpriced, periods, "09:13") == pytest.approx(Decimal(1))


@pytest.mark.req("TA-15")
def test_what_no_component_prices_does_not_count() -> None:
    found = tariff(element(parking(6, step=900), end_time="20:00"))
    # 8 min are priced, 12 are not: 8 become 15, not 20 become 30.
    periods = [("19:52", {"PARKING_TIME": hours(8)}), ("20:00", {"PARKING_TIME": hours(12)})]
    assert net(found, periods, "20:12") == pytest.approx(Decimal("1.5"))


@pytest.mark.req("TA-16")
def test_step_of_the_last_tariff_works_on_the_session_when_tariffs_change() -> None:
    first = tariff(element(energy(0.2, step=8000)), id="A")
    second = tariff(element(energy(0.4, step=5000)), id="B")
    periods = [("09:00", {"ENERGY": 4}, "A"), ("09:30", {"ENERGY": 8}, "b")]
    # 12 kWh become 15, not 8 + 10: 4 x 0.20 + 11 x 0.40 = 5.20. Ids are compared without case.
    assert net([first, second], periods, "10:00") == Decimal("5.2")
    # On the last tariff's own part 8 kWh become 10: 0.80 + 4.00. That reading is allowed.
    told = cdr([first, second], periods, "10:00", total_cost={"excl_vat": 4.8})
    assert check(told).verdict is Verdict.AMBIGUOUS


@pytest.mark.req("TA-17")
@pytest.mark.parametrize(
    ("wh", "step", "billed"),
    [(115.2, 1, 116), (115.2, 25, 125), (125, 25, 125), (100, 25, 100), (1, 500, 500)],
)
def test_amount_is_rounded_up_and_a_multiple_stays(wh: float, step: int, billed: int) -> None:
    answer = check(cdr([tariff(element(energy(1, step=step)))],
                       [("09:00", {"ENERGY": wh / 1000})], "10:00"))  # fmt: skip
    assert [each.billed for each in answer.lines] == [Decimal(billed) / 1000]


@pytest.mark.req("TA-17")
def test_shares_that_add_up_but_for_a_last_digit_make_no_step_more() -> None:
    # A third of 9 kWh before 17:00, two thirds after: 9 kWh are three steps, not four.
    found = tariff(element(energy(1, step=3000), end_time="17:00"), element(energy(4, step=3000)))
    told = cdr([found], [("16:40", {"ENERGY": 9})], "17:40", total_cost={"excl_vat": 27})
    answer = check(told)  # 3 x 1.00 + 6 x 4.00
    assert "fits another reading: periods divided in proportion" in [
        each.message for each in answer.findings
    ]


@pytest.mark.req("TA-08", "TA-17")
def test_step_that_is_not_positive_rounds_nothing() -> None:
    found = tariff(element(energy(1, step=0), flat(1, step=0)))
    answer = check(cdr([found], [("09:00", {"ENERGY": 1.23})], "10:00",
                       total_cost={"excl_vat": 2.23}))  # fmt: skip
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["step_size_undefined"]


def test_ten_minutes_with_four_decimals_are_ten_minutes() -> None:
    # 0.1667 h are 600.12 s, which would be two steps of ten minutes.
    found = tariff(element(charging(6, step=600)))
    told = cdr([found], [("09:00", {"TIME": 0.1667})], "09:10", total_cost={"excl_vat": 1})
    assert check(told).verdict is Verdict.EQUAL
    # Who bills two is not called wrong.
    assert check({**told, "total_cost": {"excl_vat": 2}}).verdict is Verdict.AMBIGUOUS
    # In a period of eleven minutes they are what they say.
    longer = cdr([found], [("09:00", {"TIME": 0.1667})], "09:11", total_cost={"excl_vat": 2})
    assert check(longer).verdict is Verdict.EQUAL


def test_flat_is_paid_once_when_it_becomes_active() -> None:
    found = tariff(element(flat(1), energy(0.2)))
    periods = [("09:00", {"ENERGY": 1}), ("09:30", {"ENERGY": 1})]
    assert net(found, periods, "10:00") == Decimal("1.4")
    # A fee from the second hour on, which begins within a period.
    late = tariff(element(flat(3), min_duration=3600))
    assert net(late, [("09:00", {"ENERGY": 1})], "11:00") == 3
    assert net(late, [("09:00", {"ENERGY": 1})], "10:00") == 0


def test_of_several_flat_fees_the_first_is_paid_and_all_are_another_reading() -> None:
    found = tariff(element(flat(1), end_time="10:00"), element(flat(2)))
    periods = [("09:00", {"ENERGY": 1}), ("10:00", {"ENERGY": 1})]
    told = cdr([found], periods, "11:00", total_cost={"excl_vat": 1})
    assert check(told).verdict is Verdict.EQUAL
    assert check({**told, "total_cost": {"excl_vat": 3}}).verdict is Verdict.AMBIGUOUS


def test_each_tariff_of_a_session_has_its_fee() -> None:
    tariffs = [tariff(element(flat(1)), id="A"), tariff(element(flat(2)), id="B")]
    periods = [("09:00", {"ENERGY": 1}, "A"), ("10:00", {"ENERGY": 1}, "B")]
    assert net(tariffs, periods, "11:00") == 3
