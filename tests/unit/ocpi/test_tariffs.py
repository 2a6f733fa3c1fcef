"""Tariff of 2.2.1: required fields, enums, and what is kept as it is."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.v2_2_1.tariffs import (
    PriceComponent,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TariffType,
)
from tests.unit.ocpi.factories import encode, make_tariff

PRICES = ({"type": "ENERGY", "price": 0.25, "step_size": 1},)


def accept(**fields: Any) -> Parsed[Tariff]:
    return parse_object(encode(make_tariff(**fields)), Tariff, max_depth=16)


def refuse(**fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        accept(**fields)


def rules(**fields: Any) -> list[tuple[str, Rule]]:
    return [(found.path, found.rule) for found in accept(**fields).findings]


def values(enum: type[StrEnum]) -> set[str]:
    return {member.value for member in enum}


def required(model: type[OcpiModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def element(**component: Any) -> dict[str, Any]:
    return {"price_components": [PRICES[0] | component]}


@pytest.mark.req("TA-04")
def test_required_fields_are_missed() -> None:
    fields = required(Tariff)
    assert fields == {
        "country_code", "party_id", "id", "currency", "elements", "last_updated"
    }  # fmt: skip
    for name in fields:
        value = make_tariff()
        del value[name]
        with pytest.raises(InvalidRequest, match=name):
            parse_object(encode(value), Tariff, max_depth=16)
    refuse(elements=[])
    assert rules(id="T" * 36) == []
    assert [rule for _, rule in rules(id="T" * 37)] == [Rule.TOO_LONG]


@pytest.mark.req("TA-05")
def test_the_other_fields_may_be_there() -> None:
    found = accept(
        type="REGULAR",
        tariff_alt_text=[{"language": "nl", "text": "Standaard"}],
        tariff_alt_url="https://cpo.example/tariffs/T1",
        min_price={"excl_vat": 0.5, "incl_vat": 0.6},
        max_price={"excl_vat": 50},
        start_date_time="2026-01-01T00:00:00Z",
        end_date_time="2026-12-31T23:00:00Z",
        energy_mix={"is_green_energy": True},
    )
    assert found.findings == ()
    assert found.value.max_price is not None
    assert found.value.max_price.incl_vat is None


@pytest.mark.req("TA-06")
def test_types() -> None:
    assert values(TariffType) == {
        "AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"
    }  # fmt: skip
    assert accept().value.type is None
    assert rules(type="NIGHT") == [("type", Rule.UNKNOWN_VALUE)]


@pytest.mark.req("TA-07", "TA-08")
def test_price_components() -> None:
    assert values(TariffDimensionType) == {"ENERGY", "FLAT", "PARKING_TIME", "TIME"}
    assert required(PriceComponent) == {"type", "price", "step_size"}
    assert required(TariffElement) == {"price_components"}
    without, none, free = (
        accept(elements=[element(**more)]).value.elements[0].price_components[0]
        for more in ({}, {"vat": 0.0}, {"step_size": 0})
    )
    assert (without.vat, none.vat, free.step_size) == (None, Decimal("0.0"), 0)
    refuse(elements=[element(step_size=1.5)])


@pytest.mark.req("TA-09", "TA-18")
def test_elements_keep_their_order_and_prices_their_digits() -> None:
    text = json.dumps(make_tariff(elements=[element(price="P0"), element(price="P1")]))
    text = text.replace('"P0"', "0.10").replace('"P1"', "0.2500")
    found = parse_object(text.encode(), Tariff, max_depth=16).value
    prices = [each.price_components[0].price for each in found.elements]
    assert [str(price) for price in prices] == ["0.10", "0.2500"]


@pytest.mark.req("TA-13")
def test_reservations() -> None:
    assert values(ReservationRestrictionType) == {"RESERVATION", "RESERVATION_EXPIRES"}
    assert required(TariffRestrictions) == set()
    for value in values(ReservationRestrictionType):
        restricted = element(type="FLAT") | {"restrictions": {"reservation": value}}
        assert rules(elements=[restricted]) == []


@pytest.mark.req("TA-19")
def test_free_of_charge_is_a_price_of_zero() -> None:
    free = accept(elements=[element(type="FLAT", price=0.00)]).value.elements[0]
    assert free.price_components[0].price == 0
    assert free.restrictions is None
