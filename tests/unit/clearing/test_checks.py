"""Each check: what it finds, and what it lets pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.clearing.checks import (
    CODES,
    AuthorizationSeen,
    CheckContext,
    HoldRules,
    LocationSeen,
    SessionSeen,
    configured_rules,
    examine,
    examine_in_part,
    is_large,
)
from ocpi_hub.clearing.credits import Booked, Total
from ocpi_hub.clearing.ledger import Examination, MeteringOutcome
from ocpi_hub.domain.cdr_rules import NO_RULES, CdrLimits, CdrRules, Weight
from ocpi_hub.errors import ConfigError
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from tests.support.examining import CAME_AT, good_cdr
from tests.support.factories import CPO, EMSP, text
from tests.support.metering import Meter, encoded
from tests.support.postgres import make_settings

ALL_SHOWN = CdrRules(tuple((code, Weight.FLAG) for code in sorted(CODES)))
"""Nothing is off, so that tests see what is found."""


def parsed(content: Mapping[str, object]) -> CDR:
    return parse_object(text(content).encode(), CDR, max_depth=32).value


def seen(content: Mapping[str, object], rules: CdrRules = ALL_SHOWN, **known: Any) -> Examination:
    context = CheckContext(CAME_AT, **known)
    return examine(parsed(content), context, HoldRules.of(rules))


def codes(content: Mapping[str, object], rules: CdrRules = ALL_SHOWN, **known: Any) -> set[str]:
    return {each.code for each in seen(content, rules, **known).findings}


def limits(**given: str) -> CdrRules:
    return CdrRules(ALL_SHOWN.weights, CdrLimits(**{k: Decimal(v) for k, v in given.items()}))


def period(start: str = "08:00", **volumes: float) -> dict[str, Any]:
    dimensions = [{"type": name, "volume": volume} for name, volume in volumes.items()]
    return {"start_date_time": f"2026-10-01T{start}:00Z", "dimensions": dimensions}


def tariff(*components: Mapping[str, object], **fields: object) -> dict[str, Any]:
    found: Any = good_cdr()["tariffs"]
    elements = [{"price_components": [dict(each)]} for each in components]
    own: dict[str, Any] = found[0]
    return own | ({"elements": elements} if elements else {}) | fields


def place(**fields: object) -> Any:
    location: Any = good_cdr()["cdr_location"]
    return location | fields


CREDIT: dict[str, Any] = {
    "credit": True,
    "credit_reference_id": "A",
    "total_cost": {"excl_vat": -9, "incl_vat": -10.89},
}


def test_a_good_cdr_is_complete_and_nothing_is_found() -> None:
    examined = seen(good_cdr())
    assert examined.findings == ()
    assert examined.complete
    assert not examined.later
    assert examined.price is not None
    assert (examined.price.verdict, examined.price.excl_vat) == ("equal", Decimal("9.00"))


SUSPECT: dict[str, dict[str, Any]] = {
    "absurd_total": {"total_energy": 20_000},
    "negative_total": {"total_cost": {"excl_vat": -9}},
    "negative_energy": {"total_energy": -1},
    "negative_time": {"total_parking_time": -1},
    "vat_below_net": {"total_cost": {"excl_vat": 9, "incl_vat": 8}},
    "power_above_connector": {
        "total_energy": 225,
        "charging_periods": [period(ENERGY=225, TIME=1.5)],
    },
    "ends_before_start": {"end_date_time": "2026-10-01T07:00:00Z"},
    "in_future": {"end_date_time": "2026-10-02T08:20:00Z"},
    "ancient": {
        "start_date_time": "2024-10-01T08:00:00Z",
        "end_date_time": "2024-10-01T09:30:00Z",
    },
    "time_differs": {"total_time": 1.6},
    "parking_above_time": {"total_parking_time": 2},
    "energy_unbacked": {"total_energy": 22.6},
    "periods_unsorted": {
        "charging_periods": [period("09:00", ENERGY=10), period("08:00", ENERGY=12.5)]
    },
    "periods_overlap": {
        "charging_periods": [period("08:00", TIME=1, ENERGY=10), period("08:30", ENERGY=12.5)]
    },
    "period_outside": {"charging_periods": [period("07:59", ENERGY=22.5)]},
    "currency_differs": {"currency": "SEK"},
    "no_tariff": {"tariffs": []},
    "tariff_missing": {"charging_periods": [period(ENERGY=22.5) | {"tariff_id": "T9"}]},
    "tariff_changed": {"tariffs": [tariff(last_updated="2026-10-01T08:30:00Z")]},
    "tariff_not_valid": {"tariffs": [tariff(end_date_time="2026-09-30T00:00:00Z")]},
    "tariff_unclear": {"charging_periods": [period(ENERGY=22.5, SPEED=1)]},
    "price_differs": {"total_cost": {"excl_vat": 9.5}},
    "subtotal_differs": {"total_energy_cost": {"excl_vat": 8}},
    "credit_positive": {"credit": True, "credit_reference_id": "A"},
    "credit_without_reference": {"credit": True},
    "credit_original_unknown": CREDIT,
    "credit_cyclic": CREDIT | {"id": "A"},
    "session_unknown": {"session_id": "S"},
    "authorization_unknown": {"authorization_reference": "R"},
}


@pytest.mark.parametrize("code", sorted(SUSPECT))
def test_what_is_odd_about_a_cdr_alone_is_found(code: str) -> None:
    assert code in codes(good_cdr(**SUSPECT[code]))


FINE: dict[str, dict[str, Any]] = {
    "time_differs": {"total_time": 1.4983, "charging_periods": [period(ENERGY=22.5)]},
    "energy_unbacked": {"total_energy": 22.5009},
    "periods_overlap": {
        "charging_periods": [period("08:00", TIME=0.5, ENERGY=10), period("08:30", ENERGY=12.5)]
    },
    "period_outside": {"charging_periods": [period("09:30", ENERGY=22.5)]},
    "in_future": {"end_date_time": "2026-10-02T08:10:00Z"},
    "price_differs": {"total_cost": {"excl_vat": 9.01}},
    "negative_total": CREDIT,
    "vat_below_net": CREDIT,
    "negative_energy": CREDIT | {"total_energy": -22.5},
    "power_above_connector": {"cdr_location": place(connector_power_type="AC_1_PHASE")},
    "currency_differs": {"currency": "eur"},
}


@pytest.mark.parametrize("code", sorted(FINE))
def test_what_lies_within_the_tolerances_passes(code: str) -> None:
    assert code not in codes(good_cdr(**FINE[code]))


@pytest.mark.parametrize(
    ("name", "code", "limit"),
    [
        ("energy_kwh", "total_energy_above_limit", "22.5"),
        ("duration_h", "total_time_above_limit", "1.5"),
        ("total_cost", "total_cost_above_limit", "9"),
    ],
)
def test_a_limit_is_passed_by_what_is_above_it(name: str, code: str, limit: str) -> None:
    below = f"{Decimal(limit) - Decimal('0.01')}"
    assert code not in codes(good_cdr(), limits(**{name: limit}))
    assert code in codes(good_cdr(), limits(**{name: below}))
    assert code not in codes(good_cdr(), limits(**{name: "0"}))


def test_a_difference_is_told_by_its_parts_and_held_above_its_limit() -> None:
    parts: dict[str, Any] = {"total_energy_cost": {"excl_vat": 12}, "total_cost": {"excl_vat": 12}}
    found = {each.code: each.text for each in seen(good_cdr(**parts)).findings}
    assert found == {
        "price_differs": "total_cost is 12, recomputed 9.00: 3.00 EUR more (ENERGY 9.00, stated 12)"
    }
    above = "price_difference_above_limit"
    assert above not in codes(good_cdr(**parts), limits(price_difference="3"))
    assert above in codes(good_cdr(**parts), limits(price_difference="2.99"))


def test_the_larger_tolerance_counts() -> None:
    dear = good_cdr(total_cost={"excl_vat": 9.9})
    assert "price_differs" in codes(dear, limits(price_tolerance_percent="9"))
    assert codes(dear, limits(price_tolerance_percent="10")) == set()
    assert codes(dear, limits(price_tolerance="1")) == set()


# What is known beside it --------------------------------------------------------------------------

CONNECTOR = ("EVSE1", "1")


def location(kw: str | None = "22", **fields: Any) -> LocationSeen:
    power = None if kw is None else Decimal(kw)
    given: dict[str, Any] = {
        "time_zone": "Europe/Amsterdam",
        "published": True,
        "connectors": {CONNECTOR: power},
        "tariff_ids": {},
    }
    return LocationSeen(**(given | fields))


def test_average_power_is_that_of_the_connector_where_it_is_known() -> None:
    assert codes(good_cdr(), location=location("15")) == set()
    assert codes(good_cdr(), location=location("13")) == {"power_above_connector"}
    assert codes(good_cdr(), location=location(None)) == set()
    assert codes(good_cdr(), limits(power_factor="2"), location=location("13")) == set()


def test_a_location_is_missed_only_where_others_of_its_owner_are_known() -> None:
    assert codes(good_cdr()) == set()
    assert codes(good_cdr(), knows_locations=True) == {"location_unknown"}
    assert codes(good_cdr(), location=location(published=False)) == {"location_unpublished"}
    assert codes(good_cdr(), location=location(connectors={})) == {"connector_unknown"}
    reserved = good_cdr(cdr_location=place(evse_uid="#NA", connector_id="#NA"))
    assert codes(reserved, location=location()) == set()


def test_the_time_zone_of_the_location_prices_local_hours() -> None:
    night = tariff() | {
        "elements": [
            {
                "price_components": [{"type": "ENERGY", "price": 0.4, "vat": 21, "step_size": 1}],
                "restrictions": {"start_time": "10:00", "end_time": "12:00"},
            }
        ]
    }
    content = good_cdr(tariffs=[night], cdr_location=place(country="USA"))
    assert "time_zone_unknown" in codes(content)
    assert codes(content, location=location()) == set()
    nowhere = location(time_zone="Europe/Atlantis")
    assert "time_zone_unknown" in codes(content, location=nowhere)


SESSION = SessionSeen("COMPLETED", Decimal("22.5"), "EUR", "04aabbcc", "loc1", "evse1")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kwh": Decimal(22)}, "session_energy_differs"),
        ({"currency": "SEK"}, "session_currency_differs"),
        ({"token_uid": "X"}, "session_token_differs"),
        ({"location_id": "X"}, "session_location_differs"),
        ({"evse_uid": "X"}, "session_location_differs"),
        ({"status": "INVALID"}, "session_invalid"),
        ({"kwh": Decimal("22.4")}, None),
        ({"kwh": None, "currency": None, "token_uid": None}, None),
        ({"kwh": Decimal(3), "status": "ACTIVE"}, None),
    ],
    ids=str,
)
def test_a_session_is_compared_with_its_cdr(change: dict[str, Any], code: str | None) -> None:
    session = replace(SESSION, **change)
    examined = seen(good_cdr(session_id="S"), session=session)
    assert {each.code for each in examined.findings} == ({code} if code else set())
    assert examined.later == (session.status == "ACTIVE")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (AuthorizationSeen("ALLOWED", "04aabbcc"), None),
        (AuthorizationSeen("BLOCKED", "04AABBCC"), "authorization_denied"),
        (AuthorizationSeen(None, "04AABBCC"), "authorization_denied"),
        (AuthorizationSeen("ALLOWED", "04"), "authorization_token_differs"),
    ],
    ids=str,
)
def test_an_authorization_is_compared_with_its_cdr(
    found: AuthorizationSeen, code: str | None
) -> None:
    content = good_cdr(authorization_reference="R")
    assert codes(content, authorization=found) == ({code} if code else set())


def original(cost: str = "9", **fields: Any) -> Booked:
    given: dict[str, Any] = {
        "owner": CPO,
        "receiver": EMSP,
        "cdr_id": "A",
        "spelled_id": "A",
        "session_id": None,
        "is_credit": False,
        "credited_id": None,
        "currency": "EUR",
        "cost": Total(Decimal(cost), None),
    }
    return Booked(**(given | fields))


@pytest.mark.parametrize(
    ("cost", "before", "code"),
    [
        ("9", None, None),
        ("8", None, "credit_exceeds_original"),
        ("10", None, "credit_partial"),
        ("9", "-9", "credit_again"),
    ],
)
def test_a_credit_cdr_is_compared_with_what_it_takes_back(
    cost: str, before: str | None, code: str | None
) -> None:
    credited = None if before is None else Total(Decimal(before), None)
    found = codes(good_cdr(**CREDIT), original=original(cost), credited=credited)
    assert found == ({code} if code else set())


def test_two_cdrs_of_a_session_are_one_too_many() -> None:
    other = original(session_id="S")
    content = good_cdr(session_id="s")
    assert codes(content, session=SESSION, others=(other,)) == {"session_billed_twice"}
    gone = original(session_id="S", credited=Total(Decimal(-9), None))
    assert codes(content, session=SESSION, others=(gone,)) == set()


@pytest.mark.parametrize("add_kwh", [0, 1])
def test_signed_meter_data_is_verified(add_kwh: int) -> None:
    cdr = parsed(good_cdr())
    meter = Meter()
    record = meter.session(cdr.start_date_time, cdr.end_date_time, 0, 22_500)
    wrong = record.replace('"RV":"22.500"', '"RV":"23.500"') if add_kwh else record
    assert (wrong != record) == bool(add_kwh)
    examined = seen(good_cdr(signed_data=signed(encoded(wrong), meter.key)))
    found = {each.code for each in examined.findings}
    assert found == ({"signature_invalid"} if add_kwh else set())
    wanted = MeteringOutcome.INVALID if add_kwh else MeteringOutcome.VALID
    assert examined.metering is wanted


def signed(data: str, key: str | None) -> dict[str, Any]:
    values = [{"nature": "End", "plain_data": "", "signed_data": data}]
    return {"encoding_method": "OCMF", "signed_values": values} | (
        {"public_key": key} if key else {}
    )


def test_a_meter_that_signed_other_energy_and_data_that_is_cut_off_are_found() -> None:
    cdr = parsed(good_cdr())
    meter = Meter()
    other = encoded(meter.session(cdr.start_date_time, cdr.end_date_time, 0, 20_000))
    assert codes(good_cdr(signed_data=signed(other, meter.key))) == {"meter_energy_differs"}
    cut = signed(other[: len(other) // 2], meter.key)
    assert codes(good_cdr(signed_data=cut)) == {"signed_data_unreadable"}
    assert codes(good_cdr(signed_data=signed(other, None))) == {"signature_not_verifiable"}


# Rules --------------------------------------------------------------------------------------------


def test_what_says_nothing_weighs_what_the_registry_says() -> None:
    examined = seen(good_cdr(total_time=-1, session_id="S"), NO_RULES)
    assert ("negative_time", True) in [(each.code, each.hold) for each in examined.findings]
    assert ("time_differs", False) in [(each.code, each.hold) for each in examined.findings]
    assert examined.hold_reason == "total_time is -1 h"


@pytest.mark.req("CD-25")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"end_date_time": "2026-10-01T07:00:00Z"}, id="a clock was set back"),
        pytest.param({"total_cost": {"excl_vat": -9}}, id="prices below 0"),
        pytest.param(
            {"credit": True, "credit_reference_id": "A", "total_cost": {"excl_vat": 9}},
            id="what was below 0 is taken back",
        ),
    ],
)
def test_what_is_merely_odd_does_not_wait_by_itself(changes: dict[str, Any]) -> None:
    assert seen(good_cdr(**changes), NO_RULES).hold_reason is None


def test_a_relation_says_otherwise_than_the_hub() -> None:
    hub = HoldRules.of(CdrRules((("price_differs", Weight.HOLD),), CdrLimits(age_days=Decimal(1))))
    relation = CdrRules((("price_differs", Weight.OFF),))
    assert hub.weights["price_differs"] is Weight.HOLD
    under = hub.under(relation)
    assert under.weights["price_differs"] is Weight.OFF
    assert under.limit("age_days") == 1
    assert hub.under(NO_RULES) is hub


def test_the_configuration_names_codes_that_there_are_once() -> None:
    rules = configured_rules(make_settings(cdr_hold=["price_differs"], hold_energy_kwh=100))
    assert rules.weights["price_differs"] is Weight.HOLD
    assert rules.limit("energy_kwh") == 100
    with pytest.raises(ConfigError, match="no check finds prize_differs"):
        configured_rules(make_settings(cdr_off=["prize_differs"]))
    with pytest.raises(ConfigError, match="named twice"):
        configured_rules(make_settings(cdr_hold=["ancient"], cdr_off=["ancient"]))


# In part ------------------------------------------------------------------------------------------


def test_what_is_not_looked_at_holds_only_where_it_may() -> None:
    cdr, later = parsed(good_cdr()), CAME_AT
    part = examine_in_part(cdr, CheckContext(CAME_AT), later, HoldRules.of(NO_RULES))
    assert (part.findings, part.complete, part.price) == ((), False, None)
    strict = HoldRules.of(CdrRules((("price_differs", Weight.HOLD),)))
    part = examine_in_part(cdr, CheckContext(CAME_AT), later, strict)
    assert [each.code for each in part.findings] == ["not_yet_checked"]
    unknown = examine_in_part(cdr, None, later, HoldRules.of(NO_RULES))
    assert unknown.findings == ()
    credit = examine_in_part(parsed(good_cdr(**CREDIT)), None, later, HoldRules.of(NO_RULES))
    assert [each.code for each in credit.findings] == ["not_yet_checked"]


def test_a_limit_that_is_off_holds_nothing_back() -> None:
    """`price_difference_above_limit` holds by itself, but not without a limit."""
    cdr = parsed(good_cdr())
    none = HoldRules.of(NO_RULES)
    assert examine_in_part(cdr, CheckContext(CAME_AT), CAME_AT, none).findings == ()
    some = HoldRules.of(CdrRules((), CdrLimits(price_difference=Decimal(1))))
    found = examine_in_part(cdr, CheckContext(CAME_AT), CAME_AT, some).findings
    assert [each.code for each in found] == ["not_yet_checked"]


def test_many_periods_elements_or_signatures_are_large() -> None:
    assert not is_large(parsed(good_cdr(charging_periods=[period(ENERGY=1)] * 238)))
    assert is_large(parsed(good_cdr(charging_periods=[period(ENERGY=1)] * 239)))
    long_tariff = tariff(*[{"type": "ENERGY", "price": 1, "step_size": 1}] * 25)
    assert is_large(parsed(good_cdr(tariffs=[long_tariff])))
    assert is_large(
        parsed(good_cdr(tariffs=[])), [parsed(good_cdr(tariffs=[long_tariff])).tariffs[0]]
    )
    data = signed("x", None)
    data["signed_values"] *= 9
    assert is_large(parsed(good_cdr(signed_data=data)))


def test_periods_of_a_large_cdr_are_not_gone_through_at_once() -> None:
    """Somebody waits for the answer, and so does everybody else whom this process serves."""
    many = [period(ENERGY=1)] * 1000
    large = parsed(good_cdr(charging_periods=many))
    part = examine_in_part(large, CheckContext(CAME_AT), CAME_AT, HoldRules.of(ALL_SHOWN))
    assert part.findings == ()
    strict = HoldRules.of(CdrRules((("energy_unbacked", Weight.HOLD),)))
    part = examine_in_part(large, CheckContext(CAME_AT), CAME_AT, strict)
    assert [(each.code, each.hold) for each in part.findings] == [("not_yet_checked", True)]
    assert "energy_unbacked" in codes(good_cdr(charging_periods=many))
