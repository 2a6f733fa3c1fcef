"""CDRs that lack something, contradict themselves, or were made to hurt."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from ocpi_hub.clearing.pricing import Verdict, as_json, as_text, check_price, read_source
from ocpi_hub.errors import InvalidRequest, MalformedJson
from tests.support.pricing import (
    AMSTERDAM,
    UTC_ZONE,
    Period,
    cdr,
    charging,
    check,
    codes,
    component,
    element,
    energy,
    flat,
    tariff,
)
from tests.support.thorough import rounds

SIMPLE = tariff(element(energy(0.5)))
LOCAL = tariff(element(energy(0.5), start_time="17:00", end_time="20:00"), element(energy(0.2)))
ONE_KWH = [("09:00", {"ENERGY": 1})]


def _not_checkable(told: dict[str, Any], code: str, **options: Any) -> None:
    answer = check(told, **options)
    assert answer.verdict is Verdict.NOT_CHECKABLE
    assert codes(answer)[-1] == code
    assert answer.total is None
    shown = as_json(answer)
    assert shown["total"] == {"excl_vat": None, "incl_vat": None}
    assert "not_checkable" in as_text(answer)


def test_without_tariff_the_price_is_not_nothing_but_unknown() -> None:
    _not_checkable(cdr([], ONE_KWH, "10:00"), "no_tariff")


def test_tariff_of_a_period_that_is_nowhere_is_missing() -> None:
    told = cdr([SIMPLE], [("09:00", {"ENERGY": 1}, "T9")], "10:00")
    _not_checkable(told, "tariff_missing")
    answer = check(told, tariffs=[tariff(element(energy(1)), id="t9")])
    assert answer.total is not None
    assert answer.total.net == 1
    assert "tariff_not_in_cdr" in codes(answer)


def test_given_tariffs_count_where_the_cdr_has_none_and_only_there() -> None:
    dear = [tariff(element(energy(9)))]
    for own, expected in (([], 9), ([SIMPLE], 0.5)):
        answer = check(cdr(own, ONE_KWH, "10:00"), tariffs=dear)
        assert answer.total is not None
        assert answer.total.net == expected


def test_other_currency_is_not_checkable() -> None:
    _not_checkable(cdr([SIMPLE], ONE_KWH, "10:00", currency="SEK"), "currency_differs")


def test_periods_without_tariff_id_use_the_only_tariff() -> None:
    told = cdr([SIMPLE], [("09:00", {"ENERGY": 1}, None)], "10:00", total_cost={"excl_vat": 0.5})
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["no_tariff_id"]
    # By the letter, such a period costs nothing.
    assert check({**told, "total_cost": {"excl_vat": 0}}).verdict is Verdict.AMBIGUOUS
    two = cdr(
        [SIMPLE, tariff(element(flat(3)), id="T2")], [("09:00", {"ENERGY": 1}, None)], "10:00"
    )
    assert check(two).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("start_time", "25:00"),
        ("end_time", "24:00"),
        ("start_time", "7:00"),
        ("start_date", "2026-02-30"),
        ("end_date", "2026-W01-1"),
        ("day_of_week", ["MON"]),
        ("reservation", "PERHAPS"),
    ],
)
def test_restriction_that_cannot_be_read_leaves_the_price_open(name: str, text: object) -> None:
    found = tariff(element(energy(0.5), **{name: text}), element(energy(0.2)))
    _not_checkable(cdr([found], ONE_KWH, "10:00"), "restriction_unreadable")


def test_unknown_components_are_left_out_and_told() -> None:
    found = tariff(element(component("SMILE", 4), energy(0.5)))
    answer = check(cdr([found], ONE_KWH, "10:00", total_cost={"excl_vat": 0.5}))
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["unknown_component"]


def test_unknown_zone_matters_only_where_local_time_does() -> None:
    for zone in ("Europe/Atlantis", "../../etc/passwd", "Europe", "", "/etc/localtime", "a\0b"):
        _not_checkable(cdr([LOCAL], ONE_KWH, "10:00"), "time_zone_unknown", time_zone=zone)
    answer = check(cdr([SIMPLE], ONE_KWH, "10:00"), time_zone="Europe/Atlantis")
    assert answer.total is not None


def test_zone_comes_from_the_country_when_that_tells() -> None:
    # 16:30 UTC is 17:30 in Amsterdam.
    told = cdr([LOCAL], [("16:30", {"ENERGY": 1})], "16:40", total_cost={"excl_vat": 0.5})
    answer = check(told, time_zone=None)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["time_zone_guessed"]
    # 17:30 in Madrid, 16:30 on the Canary Islands.
    spain = {**told, "cdr_location": {**told["cdr_location"], "country": "ESP"}}
    _not_checkable(spain, "time_zone_unknown", time_zone=None)
    noon = cdr([LOCAL], [("12:00", {"ENERGY": 1})], "12:10", cdr_location=spain["cdr_location"])
    assert check(noon, time_zone=None).total is not None
    elsewhere = {**told, "cdr_location": {**told["cdr_location"], "country": "USA"}}
    _not_checkable(elsewhere, "time_zone_unknown", time_zone=None)


def test_periods_out_of_order_are_sorted_and_told() -> None:
    periods = [("09:30", {"TIME": 0.5}), ("09:00", {"TIME": 0.5})]
    told = cdr([tariff(element(charging(2)))], periods, "10:00",
               start_date_time="2026-03-02T09:00:00Z", total_time=1,
               total_cost={"excl_vat": 2})  # fmt: skip
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["periods_unsorted"]


def test_periods_outside_and_overlapping_are_told() -> None:
    periods = [("08:00", {"TIME": 2}), ("09:00", {"TIME": 1}), ("11:00", {"ENERGY": 1})]
    told = cdr([SIMPLE], periods, "10:00", start_date_time="2026-03-02T09:00:00Z", total_time=1)
    found = {each.code: each.where for each in check(told).findings}
    assert found["period_outside"] == "period 1"
    assert found["period_too_short"] == "period 1"


def test_session_that_ends_before_it_starts_is_told() -> None:
    answer = check(cdr([LOCAL], [("09:00", {"ENERGY": 1, "TIME": 1})], "08:00"))
    assert {"ends_before_start", "period_too_short"} <= set(codes(answer))


def test_figures_beside_the_periods_are_compared_never_used() -> None:
    told = cdr([SIMPLE], ONE_KWH, "10:00", total_energy=7, total_time=3, total_parking_time=2,
               total_cost={"excl_vat": 0.5})  # fmt: skip
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["energy_unbacked", "time_differs", "parking_time_differs"]


def test_negative_figures_are_priced_as_they_come_and_told() -> None:
    periods = [("09:00", {"ENERGY": 5}), ("09:30", {"ENERGY": -2}), ("09:40", {"TIME": -1})]
    told = cdr([SIMPLE], periods, "10:00", total_cost={"excl_vat": 1.5})
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["negative_volume", "negative_volume"]
    assert "negative_total" in codes(check({**told, "total_cost": {"excl_vat": -1}}))


def test_tariff_of_another_time_is_told_and_used() -> None:
    found = tariff(element(energy(0.5)), end_date_time="2026-01-05T00:00:00Z",
                   last_updated="2026-04-01T00:00:00Z")  # fmt: skip
    answer = check(cdr([found], ONE_KWH, "10:00", total_cost={"excl_vat": 0.5}))
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["tariff_not_valid", "tariff_changed"]


def test_tariff_that_ends_or_changes_hands_during_the_session_still_prices_it() -> None:
    ends = tariff(element(energy(0.5)), end_date_time="2026-03-02T09:30:00Z")
    periods: list[Period] = [("09:00", {"ENERGY": 1}), ("09:30", {"ENERGY": 1})]
    answer = check(cdr([ends], periods, "10:00", total_cost={"excl_vat": 1}))
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == []  # it was valid when the session started
    both = [SIMPLE, tariff(element(energy(0.7)), id="T2")]
    switched: list[Period] = [("09:00", {"ENERGY": 1}, "T1"), ("09:30", {"ENERGY": 1}, "T2")]
    answer = check(cdr(both, switched, "10:00", total_cost={"excl_vat": 1.2}))
    assert answer.verdict is Verdict.EQUAL


@pytest.mark.parametrize("total", [1e99, -1e99, 1e-9, 10**12, -(10**12)])
def test_absurd_total_differs_in_few_words(total: float) -> None:
    answer = check(cdr([SIMPLE], ONE_KWH, "10:00", total_cost={"excl_vat": total}))
    assert answer.verdict is Verdict.DIFFERS
    assert ("negative_total" in codes(answer)) is (total < 0)
    assert all(len(each.message) < 100 for each in answer.findings)
    json.dumps(as_json(answer), allow_nan=False)


def test_period_that_starts_with_another_one_is_too_short_for_its_time() -> None:
    periods: list[Period] = [("09:00", {"TIME": 0.5}), ("09:00", {"TIME": 0.5})]
    answer = check(cdr([tariff(element(charging(2)))], periods, "09:30"))
    assert "period_too_short" in codes(answer)
    # Priced as they say all the same, however often it is the same hour.
    assert answer.total is not None
    assert answer.total.net == 2


def test_of_two_tariffs_with_one_id_the_first_counts() -> None:
    answer = check(cdr([SIMPLE, tariff(element(energy(7)))], ONE_KWH, "10:00"))
    assert answer.total is not None
    assert answer.total.net == pytest.approx(0.5)
    assert "tariff_twice" in codes(answer)


@pytest.mark.req("CD-24")
def test_unknown_times_matter_only_where_a_tariff_asks_for_them() -> None:
    unknown = {"start_date_time": "1970-1-1T00:00:00Z", "end_date_time": "1970-1-1T00:00:00Z"}
    told = {**cdr([SIMPLE], ONE_KWH, "10:00", total_cost={"excl_vat": 0.5}), **unknown}
    answer = check(told)
    assert answer.verdict is Verdict.EQUAL
    assert codes(answer) == ["tariff_changed", "time_unknown"]  # 1970 was before the tariff
    _not_checkable({**told, "tariffs": [LOCAL]}, "time_unknown", time_zone=AMSTERDAM)


def test_absurd_numbers_end_in_an_answer() -> None:
    for volume, rate in ((1e99, 1e99), (1e-99, 1e99), (10**99, 10**99), (0.1, 1e31)):
        found = tariff(element(energy(rate, step=10**30)))
        total = {"excl_vat": volume}
        told = cdr([found], ONE_KWH, "10:00", total_cost=total, total_energy=volume)
        told["charging_periods"][0]["dimensions"][0]["volume"] = volume
        answer = check(told)
        json.dumps(as_json(answer), allow_nan=False)
        assert all(len(each.message) < 300 for each in answer.findings)
        as_text(answer)


def test_times_of_ten_thousand_years_end_in_an_answer() -> None:
    for start, end in (
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("1971-01-01T00:00:00Z", "2200-12-31T23:59:59Z"),
    ):
        for zone in (AMSTERDAM, "Pacific/Kiritimati"):
            periods = [(start, {"ENERGY": 1, "TIME": 1})]
            check(cdr([LOCAL], periods, end), time_zone=zone)
            check(cdr([SIMPLE], periods, end), time_zone=zone)


def test_hostile_tariff_is_given_up_on() -> None:
    day = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
    many = [element(energy(price), start_time=at) for price, at in enumerate(day)]
    told = cdr([tariff(*many)], [("2026-01-01T00:00:00Z", {"ENERGY": 1})], "2026-12-31T00:00:00Z")
    _not_checkable(told, "too_large")
    steps = [element(energy(n), min_kwh=n) for n in range(1, 1000)]
    back_and_forth = [
        (f"2026-03-02T09:{n // 60:02}:{n % 60:02}Z", {"ENERGY": 1000 * (-1) ** n})
        for n in range(2000)
    ]
    _not_checkable(cdr([tariff(*steps)], back_and_forth, "10:00"), "too_large")


def test_many_tariffs_share_one_budget() -> None:
    tariffs = [
        tariff(element(energy(1), start_time="10:00", end_time="11:00"), id=f"T{n}")
        for n in range(600)
    ]
    periods: list[Period] = [
        (f"2026-03-02T09:{n // 60:02}:{n % 60:02}Z", {"ENERGY": 1}, f"T{n}") for n in range(600)
    ]
    _not_checkable(cdr(tariffs, periods, "2026-12-31T00:00:00Z"), "too_large")


def test_words_of_partners_are_short_and_move_no_cursor() -> None:
    told = cdr([SIMPLE], ONE_KWH, "10:00", currency="\x1b[2J" + "x" * 5000)
    message = check(told).findings[-1].message
    assert message == f"tariff T1 is in EUR, the CDR in ?[2J{'x' * 36}"


def test_many_periods_make_a_short_answer() -> None:
    number = rounds(10_000, 100_000)
    found = tariff(
        element(energy(0.5), max_power=20),
        element(energy(0.4), start_time="10:00", end_time="18:00"),
        element(energy(0.3)),
    )
    day = [
        {
            "start_date_time": f"2026-03-{2 + n // 86400:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:"
            f"{n % 60:02}Z",
            "dimensions": [
                {"type": "ENERGY", "volume": 0.001},
                {"type": "MAX_POWER", "volume": 10 + n % 30},
            ],
            "tariff_id": "T1",
        }
        for n in range(number)
    ]
    told = cdr([found], [("2026-03-02T00:00:00Z", {"ENERGY": 100})], "2026-03-03T04:00:00Z")
    source = read_source(json.dumps({**told, "charging_periods": day}).encode())
    answer = check_price(source.cdr, time_zone=UTC_ZONE)
    # Of 30 powers 10 are below 20 kW. 10:00 comes after 36,000 seconds.
    assert sum(each.periods for each in answer.lines) == number
    below = next(each for each in answer.lines if each.element == 0)
    assert abs(below.periods - number / 3) < 10
    assert len(answer.lines) == (3 if number > 36_000 else 2)
    assert len(json.dumps(as_json(answer))) < 5000


def test_memory_grows_with_the_periods_and_no_faster() -> None:
    peaks = []
    for number in (500, 2000):
        periods: list[Period] = [
            (f"2026-03-02T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", {"ENERGY": n % 7})
            for n in range(number)
        ]
        source = read_source(json.dumps(cdr([LOCAL], periods, "12:00")).encode())
        tracemalloc.start()
        check_price(source.cdr, time_zone=AMSTERDAM)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 500 * 2000
    assert peaks[1] < 5 * peaks[0]


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (b'{"cdr": {\n  "id": }', MalformedJson, "line 2 column 9"),
        (b"\xff", MalformedJson, "not UTF-8"),
        (b"[]", InvalidRequest, "must be a CDR"),
        (b'{"cdr": 1}', InvalidRequest, "cdr: "),
        (b'{"cdr": {}}', InvalidRequest, "cdr: country_code: is required"),
        (b'{"id": NaN}', MalformedJson, "NaN"),
    ],
)
def test_bad_text_is_told_with_its_place(text: bytes, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        read_source(text)


def test_bad_fields_are_named() -> None:
    bad = cdr([SIMPLE], ONE_KWH, "10:00")
    bad["charging_periods"][0]["dimensions"][0]["volume"] = "1"
    with pytest.raises(InvalidRequest, match=r"^charging_periods\[0\]\.dimensions\[0\]\.volume: "):
        read_source(json.dumps(bad).encode())
    good = cdr([SIMPLE], ONE_KWH, "10:00")
    with pytest.raises(InvalidRequest, match=r"^tariffs\[1\]: elements: must have at least one"):
        read_source(json.dumps({"cdr": good, "tariffs": [SIMPLE, tariff()]}).encode())
    with pytest.raises(InvalidRequest, match="tariffs: must be a list"):
        read_source(json.dumps({"cdr": good, "tariffs": {}}).encode())
