"""The invented tokens, tariffs and CDRs: valid OCPI, plausible, the same every time."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from ocpi_hub.demo.cdrs import CdrWriter, Charge, DemoCdr
from ocpi_hub.demo.chance import chance
from ocpi_hub.demo.countries import COUNTRIES
from ocpi_hub.demo.parties import EMSPS, FAHRTWIND
from ocpi_hub.demo.prices import tariff_of
from ocpi_hub.demo.sites import EVSES, Power
from ocpi_hub.demo.tokens import make_tokens, unknown_uids
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.ocpi.parse import parse_object, validate_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR, CdrDimensionType
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import Token


def write(count: int, seed: int = 7) -> list[DemoCdr]:
    source = chance(seed)
    tokens = [token for emsp in EMSPS for token in make_tokens(emsp, 100, source)]
    writer = CdrWriter(source)
    return [
        writer.write(Charge(source.choice(EVSES), source.choice(tokens), f"REF-{number}"))
        for number in range(count)
    ]


CDRS = write(600)
BODIES: list[dict[str, Any]] = [
    json.loads(cdr.text, parse_float=Decimal, parse_int=Decimal) for cdr in CDRS
]
POWER = {evse.uid: evse.power for evse in EVSES}


def volume(body: dict[str, Any], kind: CdrDimensionType) -> Decimal:
    return sum(
        (
            dimension["volume"]
            for period in body["charging_periods"]
            for dimension in period["dimensions"]
            if dimension["type"] == kind
        ),
        Decimal(0),
    )


def hours(body: dict[str, Any]) -> Decimal:
    start, end = (
        datetime.fromisoformat(body[name]) for name in ("start_date_time", "end_date_time")
    )
    return Decimal((end - start).total_seconds()) / 3600


def test_tokens_are_valid_and_different() -> None:
    tokens = make_tokens(FAHRTWIND, 1000, chance(1))
    for token in tokens:
        assert parse_object(dump(token.as_ocpi()), Token, max_depth=10).findings == ()
    assert len({token.uid for token in tokens}) == 1000
    assert len({token.contract_id for token in tokens}) == 1000


def test_unknown_uids_are_nobodys() -> None:
    tokens = make_tokens(FAHRTWIND, 50, chance(1))
    # The same source of chance would deal the same uids again.
    unknown = unknown_uids(50, tokens, chance(1))
    assert len(set(unknown)) == 50
    assert not set(unknown) & {token.uid for token in tokens}


@pytest.mark.parametrize("country", COUNTRIES, ids=lambda country: country.alpha2)
@pytest.mark.parametrize("power", Power, ids=lambda power: power.name)
def test_tariffs_are_valid_and_fast_charging_costs_more(country: Any, power: Power) -> None:
    tariff = tariff_of(country, power)
    assert validate_object(tariff.as_ocpi(), Tariff).findings == ()
    assert tariff.per_kwh >= tariff_of(country, Power.AC_11).per_kwh


def test_cdrs_are_valid_without_findings() -> None:
    for cdr in CDRS:
        parsed = parse_object(cdr.text.encode(), CDR, max_depth=64)
        assert parsed.findings == ()
        assert parsed.value.owner == cdr.owner
        assert parsed.value.cdr_token.owner == cdr.receiver
        assert parsed.value.id == cdr.cdr_id
    assert len({cdr.cdr_id for cdr in CDRS}) == len(CDRS)


def test_no_charging_point_gives_more_than_it_can() -> None:
    for body in BODIES:
        power = POWER[body["cdr_location"]["evse_uid"]].value
        for period in body["charging_periods"]:
            volumes = {each["type"]: each["volume"] for each in period["dimensions"]}
            if CdrDimensionType.ENERGY in volumes:
                assert 0 < volumes["ENERGY"] <= power * volumes["TIME"]
            else:
                assert volumes["PARKING_TIME"] > 0


def test_periods_add_up_to_the_totals() -> None:
    for body in BODIES:
        charging = volume(body, CdrDimensionType.TIME)
        parking = volume(body, CdrDimensionType.PARKING_TIME)
        assert volume(body, CdrDimensionType.ENERGY) == body["total_energy"]
        assert charging + parking == body["total_time"] == hours(body)
        assert parking == body.get("total_parking_time", 0)
        assert body["charging_periods"][0]["start_date_time"] == body["start_date_time"]


def test_costs_follow_from_the_tariff_that_comes_with_the_cdr() -> None:
    for body in BODIES:
        (element,) = body["tariffs"][0]["elements"]
        price = {each["type"]: each["price"] for each in element["price_components"]}
        (vat,) = {each["vat"] for each in element["price_components"]}
        parking = body.get("total_parking_time", 0) * price.get("PARKING_TIME", 0)
        cost = body["total_energy"] * price["ENERGY"] + price.get("FLAT", 0) + parking
        assert abs(body["total_cost"]["excl_vat"] - cost) <= Decimal("0.005")
        with_vat = cost * (1 + vat / 100)
        assert abs(body["total_cost"]["incl_vat"] - with_vat) <= Decimal("0.005")
        named = ("total_energy_cost", "total_fixed_cost", "total_parking_cost")
        parts = sum(body[name]["excl_vat"] for name in named if name in body)
        assert abs(parts - cost) <= Decimal("0.0002")


def test_a_charging_point_serves_one_car_at_a_time() -> None:
    spans = defaultdict(list)
    for body in BODIES:
        spans[body["cdr_location"]["evse_uid"]].append(
            (body["start_date_time"], body["end_date_time"])
        )
    for own in spans.values():
        ordered = sorted(own)
        assert all(end < start for (_, end), (start, _) in pairwise(ordered))


def test_the_same_seed_gives_the_same_cdrs() -> None:
    assert write(20) == write(20)
    assert write(20) != write(20, seed=8)
