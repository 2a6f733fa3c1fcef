"""How the CDR's own total is judged, and what the answer says about it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.clearing.pricing import Verdict, as_json, as_text
from tests.support.pricing import (
    Periods,
    cdr,
    charging,
    check,
    codes,
    element,
    energy,
    flat,
    parking,
    tariff,
)

# 10.02 kWh x 0.35 = 3.507, with 21 % 4.24347.
ODD = cdr([tariff(element(energy(0.35, vat=21)))], [("09:00", {"ENERGY": 10.02})], "10:00")


def _verdict(told: dict[str, Any], net: float, gross: float | None = None) -> Verdict:
    total = {"excl_vat": net} if gross is None else {"excl_vat": net, "incl_vat": gross}
    return check({**told, "total_cost": total}).verdict


@pytest.mark.parametrize(
    ("net", "gross", "expected"),
    [
        (3.51, None, Verdict.EQUAL),
        (3.51, 4.24, Verdict.EQUAL),
        (3.507, 4.24347, Verdict.EQUAL),
        (3.51, 4.25, Verdict.ROUNDING),  # 21 % of 3.51, rounded: 4.2471
        (3.5, 4.24, Verdict.DIFFERS),
        (3.52, 4.26, Verdict.DIFFERS),
        (3.51, 3.51, Verdict.DIFFERS),  # VAT forgotten
        (-3.51, None, Verdict.DIFFERS),
    ],
)
def test_total_is_equal_rounded_or_different(
    net: float, gross: float | None, expected: Verdict
) -> None:
    assert _verdict(ODD, net, gross) is expected


def test_total_rounded_up_or_period_by_period_is_rounding() -> None:
    # 5.904, rounded up as some do: 5.91.
    up = cdr([tariff(element(energy(0.36)))], [("09:00", {"ENERGY": 16.4})], "10:00")
    assert _verdict(up, 5.91) is Verdict.ROUNDING
    assert _verdict(up, 5.89) is Verdict.DIFFERS
    # Ten periods of 0.0149 kWh at 1.00: 0.149 in all, but ten times 0.01 period by period.
    each = [(f"09:{minute:02}", {"ENERGY": 0.0149}) for minute in range(10)]
    many = cdr([tariff(element(energy(1, step=0)))], each, "09:10")
    assert _verdict(many, 0.15) is Verdict.EQUAL
    assert _verdict(many, 0.10) is Verdict.ROUNDING
    assert _verdict(many, 0.20) is Verdict.ROUNDING
    assert _verdict(many, 0.12) is Verdict.DIFFERS


def test_caller_may_tolerate_more() -> None:
    told = {**ODD, "total_cost": {"excl_vat": 3.55}}
    assert check(told).verdict is Verdict.DIFFERS
    assert check(told, tolerance=Decimal("0.05")).verdict is Verdict.EQUAL


def test_credit_cdr_is_compared_with_the_negated_price() -> None:
    credit = {**ODD, "id": "CDR1-C", "credit": True, "credit_reference_id": "CDR1"}
    assert _verdict(credit, -3.51, -4.24) is Verdict.EQUAL
    wrong = check({**credit, "total_cost": {"excl_vat": 3.51}})
    assert wrong.verdict is Verdict.DIFFERS
    assert "credit_positive" in codes(wrong)


def test_parts_are_compared_one_by_one() -> None:
    found = tariff(element(flat(1), energy(0.5), charging(2), parking(4)))
    periods: Periods = [("09:00", {"ENERGY": 10, "TIME": 1}), ("10:00", {"PARKING_TIME": 0.5})]
    told = cdr(
        [found],
        periods,
        "10:30",
        total_cost={"excl_vat": 11},  # 1.00 + 5.00 + 2.00 + 2.00 = 10.00
        total_fixed_cost={"excl_vat": 1},
        total_energy_cost={"excl_vat": 6},
        total_time_cost={"excl_vat": 2},
        total_parking_cost={"excl_vat": 2},
    )
    answer = check(told)
    assert answer.verdict is Verdict.DIFFERS
    assert [each.where for each in answer.findings] == ["total_cost", "total_energy_cost"]
    dimensions: Any = as_json(answer)["dimensions"]
    assert {name: each["difference"] for name, each in dimensions.items()} == {
        "FLAT": 0,
        "ENERGY": 1,
        "TIME": 0,
        "PARKING_TIME": 0,
    }


def test_json_has_the_promised_shape() -> None:
    told = as_json(check({**ODD, "total_cost": {"excl_vat": 3.51, "incl_vat": 4.24}}))
    assert list(told) == ["total", "dimensions", "lines", "findings", "verdict"]
    assert json.loads(json.dumps(told)) == {
        "total": {"excl_vat": 3.51, "incl_vat": 4.24},
        "dimensions": {
            "ENERGY": {
                "volume": 10.02,
                "billed": 10.02,
                "unit": "kWh",
                "excl_vat": 3.507,
                "incl_vat": 4.24347,
                "stated": None,
                "difference": None,
            }
        },
        "lines": [
            {
                "dimension": "ENERGY",
                "tariff_id": "T1",
                "element": 0,
                "component": 0,
                "periods": {"count": 1, "first": 0, "last": 0},
                "volume": 10.02,
                "billed": 10.02,
                "unit": "kWh",
                "step_size": 1,
                "price": 0.35,
                "vat": 21,
                "excl_vat": 3.507,
                "incl_vat": 4.24347,
                "currency": "EUR",
                "skipped": [],
            }
        ],
        "findings": [],
        "verdict": "equal",
    }


def test_line_of_a_limit_has_the_fields_of_the_others() -> None:
    found = tariff(element(energy(1)), min_price={"excl_vat": 3})
    lines: Any = as_json(check(cdr([found], [("09:00", {"ENERGY": 1})], "10:00")))["lines"]
    assert [each["dimension"] for each in lines] == ["ENERGY", "MIN_PRICE"]
    assert list(lines[0]) == list(lines[1])
    assert sum(each["excl_vat"] for each in lines) == 3


def test_text_can_be_followed() -> None:
    found = tariff(
        element(charging(6, step=600), start_time="18:00", end_time="20:00"),
        element(flat(1, vat=20), charging(3, step=600)),
        max_price={"excl_vat": 2.5, "incl_vat": 3},
    )
    told = cdr([found], [("09:00", {"TIME": 0.65})], "09:39", total_cost={"excl_vat": 2.5})
    assert as_text(check(told)).splitlines() == [
        "verdict: equal",
        "           periods  tariff          volume      billed  price   VAT    net  gross",
        "TIME       1        T1 elements[1]  0.65 h  0.666667 h      3            2      2",
        "    not elements[0]: not between 18:00 and 20:00 local time",
        "FLAT       1        T1 elements[1]       1           1      1  20 %      1   1.20",
        "MAX_PRICE                                                            -0.50  -0.20",
        "total: 2.50 EUR without VAT, 3.00 with VAT",
    ]
