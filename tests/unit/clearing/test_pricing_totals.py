"""VAT, limits, reservations, currencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.clearing.pricing import Verdict
from tests.support.pricing import (
    Periods,
    cdr,
    charging,
    check,
    codes,
    element,
    energy,
    flat,
    hours,
    price,
    tariff,
)

TEN_KWH = [("09:00", {"ENERGY": 10})]


@pytest.mark.req("TA-07")
def test_vat_is_that_of_each_component_and_may_be_absent() -> None:
    found = tariff(element(flat(1), energy(0.5, vat=20), charging(6, vat=0)))
    # 1.00 without VAT; 5.00 + 20 %; 3.00 + 0 %.
    periods = [("09:00", {"ENERGY": 10, "TIME": 0.5})]
    assert price(found, periods, "09:30") == (Decimal(9), Decimal(10))


@pytest.mark.req("TA-14")
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        # 10 x 0.50 = 5.00, with 20 % 6.00.
        ({}, (5, 6)),
        ({"min_price": {"excl_vat": 8, "incl_vat": 9}}, (8, 9)),
        ({"min_price": {"excl_vat": 4, "incl_vat": 7}}, (5, 7)),  # each for itself
        ({"max_price": {"excl_vat": 4, "incl_vat": 7}}, (4, 6)),
        ({"max_price": {"excl_vat": 6, "incl_vat": 5.5}}, (5, 5.5)),
        ({"min_price": {"excl_vat": 10}}, (10, 12)),  # the VAT moves with it
        ({"max_price": {"excl_vat": 2.5}}, (2.5, 3)),
    ],
)
def test_limits_bound_both_totals(limits: dict[str, Any], expected: tuple[float, float]) -> None:
    found = price(tariff(element(energy(0.5, vat=20)), **limits), TEN_KWH, "10:00")
    assert found == tuple(Decimal(str(each)) for each in expected)


@pytest.mark.req("TA-14")
def test_nothing_charged_still_costs_the_minimum() -> None:
    found = tariff(element(energy(0.5, vat=20)), min_price={"excl_vat": 2, "incl_vat": 2.4})
    assert price(found, [("09:00", {"ENERGY": 0})], "10:00") == (Decimal(2), Decimal("2.4"))


@pytest.mark.req("TA-14")
def test_limit_is_a_line_so_that_lines_add_up() -> None:
    found = tariff(element(energy(0.5)), max_price={"excl_vat": 4})
    told = cdr([found], TEN_KWH, "10:00",
               total_cost={"excl_vat": 4}, total_energy_cost={"excl_vat": 5})  # fmt: skip
    answer = check(told)
    assert answer.total is not None
    assert sum(each.cost.net for each in answer.lines) + answer.limit.net == answer.total.net == 4
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == []


RESERVABLE = tariff(
    element(flat(3), charging(9), reservation="RESERVATION_EXPIRES"),
    element(flat(1), charging(6, step=600), reservation="RESERVATION"),
    element(flat(0.5), energy(0.2), charging(60)),
)


@pytest.mark.req("TA-13")
def test_used_reservation_has_its_own_prices_fee_and_rounding() -> None:
    # Reserved 14 min, billed 20 at 6.00: 2.00, and the fee 1.00. Session: fee 0.50, 10 x 0.20.
    periods: Periods = [("09:00", {"RESERVATION_TIME": hours(14)}), ("09:14", {"ENERGY": 10})]
    parts = {"total_reservation_cost": {"excl_vat": 3}, "total_fixed_cost": {"excl_vat": 0.5}}
    told = cdr([RESERVABLE], periods, "10:00", total_cost={"excl_vat": 5.5}, **parts)
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL, answer.findings
    assert codes(answer) == []


@pytest.mark.req("TA-13")
def test_expired_reservation_is_priced_by_its_own_elements_first() -> None:
    periods = [("09:00", {"RESERVATION_TIME": 1})]
    told = cdr([RESERVABLE], periods, "10:00", session_id=None, total_cost={"excl_vat": 12})
    # Fee 3.00 and 1 h at 9.00; neither the fee of the session nor that of a used reservation.
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL, answer.findings
    assert codes(answer) == ["reservation_expired"]
    # With a session it was used: 1.00 + 6.00. The CDR may mean the other; that is no fault.
    used = {**told, "session_id": "S1", "total_cost": {"excl_vat": 7}}
    assert check(used).verdict is Verdict.EQUAL
    assert check({**used, "total_cost": {"excl_vat": 12}}).verdict is Verdict.AMBIGUOUS


@pytest.mark.req("TA-13")
def test_expired_reservation_falls_back_to_reservation_where_it_has_no_component() -> None:
    found = tariff(
        element(flat(4), reservation="RESERVATION_EXPIRES"),
        element(charging(2), reservation="RESERVATION"),
    )
    periods = [("09:00", {"RESERVATION_TIME": 1.5})]
    assert price(found, periods, "10:30", session_id=None)[0] == 7


@pytest.mark.req("TA-13")
def test_reservation_prices_neither_energy_nor_parking() -> None:
    found = tariff(element(energy(9), charging(1), reservation="RESERVATION"))
    told = cdr([found], [("09:00", {"ENERGY": 5, "TIME": 1})], "10:00")
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["unknown_component"]


def test_totals_are_rounded_half_up_and_last() -> None:
    # 3 x 0.333 = 0.999 and 0.626 x 1: nothing is rounded before the sum 1.625, which is 1.63.
    found = tariff(element(flat(0.626), energy(0.333)))
    answer = check(cdr([found], [("09:00", {"ENERGY": 3})], "10:00"))
    assert answer.total is not None
    assert answer.total.net == Decimal("1.625")
    assert answer.total.rounded(answer.unit).net == Decimal("1.63")


@pytest.mark.parametrize(("currency", "unit"), [("JPY", "1"), ("KWD", "0.001"), ("sek", "0.01")])
def test_smallest_amount_is_that_of_the_currency(currency: str, unit: str) -> None:
    found = tariff(element(energy(1)), currency=currency)
    answer = check(cdr([found], TEN_KWH, "10:00", currency=currency.upper()))
    assert answer.unit == Decimal(unit)


@pytest.mark.req("TA-19")
def test_free_of_charge_is_a_flat_fee_of_nothing() -> None:
    answer = check(cdr([tariff(element(flat(0)))], TEN_KWH, "10:00"))
    assert answer.verdict is Verdict.EQUAL
    assert answer.total is not None
    assert answer.total.net == answer.total.gross == 0
