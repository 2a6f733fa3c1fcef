"""The worked examples of the specification: its tariffs, the consumption it tells, its totals.

The tariffs are not part of this project: `OCPI_EXAMPLES` names their folder, or they lie beside the
checkout. Where the text prints a figure that its own breakdown refutes, the right one stands here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.clearing.pricing import Verdict, as_json, check_price, read_source
from tests.support.examples import ABSENT, FOLDER
from tests.support.pricing import Period, cdr, check, hours

ENERGY_20 = [("09:00", {"ENERGY": 20, "TIME": 1})]
SATURDAY = "2026-03-07T{}:00Z"

EXAMPLES: dict[str, tuple[str, Sequence[Period], str, str, str | None]] = {
    "Simple Tariff example 0.25 per kWh": (
        "tariff_8_simple_025kwh", ENERGY_20, "10:00", "5.00", "5.50"
    ),
    "Tariff example 0.25 per kWh + start fee": (
        "tariff_9_025kwh_start", ENERGY_20, "10:00", "5.50", "6.10"
    ),
    "Tariff example 0.25 per kWh + minimum price": (
        "tariff_12_025kwh_min_price", ENERGY_20, "10:00", "5.00", "5.50"
    ),
    "Tariff example 0.25 per kWh + minimum price: less than 2 kWh": (
        "tariff_12_025kwh_min_price", [("09:00", {"ENERGY": 1.9})], "10:00", "0.50", "0.55"
    ),
    "Tariff example 0.25 per kWh + parking fee + start fee": (
        "tariff_10_025kwh_parking_start",
        [("09:00", {"ENERGY": 20, "TIME": 1}), ("10:00", {"PARKING_TIME": hours(40)})],
        "10:40", "7.00", "7.90",
    ),
    "Tariff example 0.25 per kWh + start fee + max price + tariff end date: 50 kWh": (
        "tariff_6_025kwh_start_max_price", [("09:00", {"ENERGY": 50})], "10:00", "10.00", "11.00"
    ),
    "Tariff example 0.25 per kWh + start fee + max price + tariff end date: 30 kWh": (
        "tariff_6_025kwh_start_max_price", [("09:00", {"ENERGY": 30})], "10:00", "8.00", "8.85"
    ),
    "Simple Tariff example 2 per hour": (
        "tariff_1_simple_2hour", [("09:00", {"TIME": 2.5})], "11:30", "5.00", "5.50"
    ),
    "Simple Tariff example 3 per hour, 5 per hour parking": (
        "tariff_13_simple_3hour_5parking",
        [("09:00", {"TIME": 2.5}), ("11:30", {"PARKING_TIME": hours(42)})],
        "12:12", "11.25", "12.75",
    ),
    "Ad-Hoc simple Tariff example with multiple languages": (
        "tariff_2_alt_text", [("09:00", {"TIME": 2.5})], "11:30", "4.75", "5.00"
    ),
    "Simple Tariff example with alternative URL": (
        "tariff_3_alt_url", [("09:00", {"ENERGY": 20.45})], "10:00", "5.63", "6.24"
    ),
    "Complex Tariff example: Monday": (
        "tariff_4_complex",
        [("09:30", {"TIME": 2.75, "MAX_CURRENT": 16}), ("12:15", {"PARKING_TIME": hours(42)})],
        "12:57", "9.00", "10.30",
    ),
    # Printed as 12.28 and 13.861; 114 minutes at 1.25 for an hour are 2.375, not 2.28.
    "Complex Tariff example: Saturday": (
        "tariff_4_complex",
        [
            (SATURDAY.format("13:30"), {"TIME": 1.9, "MIN_CURRENT": 43}),
            (SATURDAY.format("15:24"), {"PARKING_TIME": hours(71)}),
        ],
        SATURDAY.format("16:35"), "12.375", "13.975",
    ),
    "Free of Charge Tariff example": (
        "tariff_5_free_of_charge", ENERGY_20, "10:00", "0.00", "0.00"
    ),
    "Tariff example with reservation price": (
        "tariff_15_reservation_5_euro_per_hour",
        [("09:00", {"RESERVATION_TIME": 0.25}), ("09:15", {"ENERGY": 20})],
        "10:15", "6.75", "7.60",
    ),
    "Tariff example with reservation price and fee": (
        "tariff_16_reservation_2_euro_fee_5_euro_per_hour",
        [("09:00", {"RESERVATION_TIME": hours(13)}), ("09:13", {"ENERGY": 20})],
        "10:15", "8.75", "10.00",
    ),
    "Tariff example with reservation price and expire fee: used": (
        "tariff_17_reservation_with_expire_fee",
        [("09:00", {"RESERVATION_TIME": hours(22)}), ("09:22", {"ENERGY": 20})],
        "10:15", "6.50", "7.30",
    ),
    "Tariff example with reservation price and expire fee: expired": (
        "tariff_17_reservation_with_expire_fee",
        [("09:00", {"RESERVATION_TIME": 1})], "10:00", "6.00", "7.20",
    ),
    "Tariff example with reservation time and expire time: used": (
        "tariff_18_reservation_with_expire_time",
        [("09:00", {"RESERVATION_TIME": hours(22)}), ("09:22", {"ENERGY": 20})],
        "10:15", "7.00", "7.90",
    ),
    "Tariff example with reservation time and expire time: expired": (
        "tariff_18_reservation_with_expire_time",
        [("09:00", {"RESERVATION_TIME": 1.5})], "10:30", "9.00", "10.80",
    ),
    "Example: switching to different Tariff Element #1": (
        "tariff_14_step_size",
        [
            ("16:55", {"TIME": hours(5)}),
            ("17:00", {"TIME": hours(5)}),
            ("17:05", {"PARKING_TIME": hours(2)}),
        ],
        "17:07", "0.55", None,
    ),
    "Example: switching to different Tariff Element #2": (
        "tariff_14_step_size",
        [("16:35", {"TIME": hours(25)}), ("17:00", {"TIME": hours(10)})],
        "17:10", "1.30", None,
    ),
    "Example: switching to Free-of-Charge Tariff Element": (
        "tariff_14_step_size",
        [
            ("19:40", {"TIME": hours(12)}),
            ("19:52", {"PARKING_TIME": hours(8)}),
            ("20:00", {"PARKING_TIME": hours(12)}),
        ],
        "20:12", "0.73", None,
    ),
    "Example: Tariff with max_power Tariff Restrictions": (
        "tariffrestriction_example_max_power",
        [
            ("09:00", {"ENERGY": 1, "MIN_POWER": 6, "MAX_POWER": 6}),
            ("09:10", {"ENERGY": 40, "MIN_POWER": 48, "MAX_POWER": 48}),
            ("10:00", {"ENERGY": 0.5, "MIN_POWER": 4, "MAX_POWER": 4}),
        ],
        "10:15", "20.30", None,
    ),
    "Example: Tariff with max_duration Tariff Restrictions": (
        "tariffrestriction_example_max_duration",
        [("09:00", {"ENERGY": 5}), ("09:30", {"ENERGY": 1.2})], "09:40", "0.30", None,
    ),
}  # fmt: skip


def _tariff(name: str) -> dict[str, Any]:
    path = FOLDER / "2.2.1" / f"{name}.json"
    if not path.is_file():
        pytest.skip(ABSENT)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.req("TA-09", "TA-10", "TA-11", "TA-12", "TA-13", "TA-14", "TA-15", "TA-16", "TA-17")
@pytest.mark.parametrize("section", EXAMPLES)
def test_worked_example_gives_the_stated_totals(section: str) -> None:
    name, told, end, net, gross = EXAMPLES[section]
    tariff = _tariff(name)
    periods: list[Period] = [(each[0], each[1], tariff["id"]) for each in told]
    total: dict[str, object] = {"excl_vat": float(net)}
    if gross is not None:
        total["incl_vat"] = float(gross)
    fields: dict[str, Any] = {"total_cost": total}
    if section.endswith("expired"):
        fields["session_id"] = None
    answer = check(cdr([tariff], periods, end, **fields))
    assert answer.total is not None
    assert abs(answer.total.net - Decimal(net)) <= Decimal("0.005")
    assert answer.verdict is Verdict.EQUAL, answer.findings
    # What is paid, half up: 5.625 is 5.63.
    assert answer.total.rounded(Decimal("0.001")).net.normalize() in {
        Decimal(net).normalize(),
        Decimal("5.625"),
    }


def test_cdr_of_the_specification_prices_as_it_says() -> None:
    path = FOLDER / "2.2.1" / "cdr_example.json"
    if not path.is_file():
        pytest.skip(ABSENT)
    answer = as_json(check_price(read_source(path.read_bytes()).cdr))
    # 7,102.8 seconds in steps of 300 are two hours.
    assert answer["total"] == {"excl_vat": 4, "incl_vat": 4.4}
    assert answer["verdict"] == "equal"
    findings = answer["findings"]
    assert isinstance(findings, list)
    # It tells 15.342 kWh, of which no period knows.
    assert [each["code"] for each in findings] == ["energy_unbacked"]
