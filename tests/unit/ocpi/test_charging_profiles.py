"""ChargingProfiles of 2.2.1, their answers and results."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import V2_2_1, profile_result
from ocpi_hub.ocpi.v2_2_1.charging_profiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfile,
    ChargingProfileResponse,
    ChargingProfileResponseType,
    ChargingProfileResult,
    ChargingProfileResultType,
    ChargingRateUnit,
    ClearProfileResult,
    SetChargingProfile,
)
from tests.unit.ocpi.factories import encode, make_charging_profile

START = "2026-02-03T04:00:00"
LIMIT = ("charging_profile_period[0].limit", Rule.WRONG_FORM)


def rules(value: object, model: type[OcpiModel] = ChargingProfile) -> list[tuple[str, Rule]]:
    parsed = parse_object(encode(value), model, max_depth=16)
    return [(found.path, found.rule) for found in parsed.findings]


def required(model: type[OcpiModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


@pytest.mark.req("CP-12")
def test_charging_profile_fields() -> None:
    assert required(ChargingProfile) == {"charging_rate_unit"}
    optional = {
        *("start_date_time", "duration", "min_charging_rate", "charging_profile_period"),
    }
    assert set(ChargingProfile.model_fields) == required(ChargingProfile) | optional
    assert rules({"charging_rate_unit": "W"}) == []
    assert rules(dict.fromkeys(optional) | {"charging_rate_unit": "A"}) == []
    full = make_charging_profile(start_date_time=START, duration=3600, min_charging_rate=6.1)
    assert rules(full) == []


@pytest.mark.req("CP-12")
def test_units_of_a_charging_profile() -> None:
    assert {each.value for each in ChargingRateUnit} == {"W", "A"}
    assert rules(make_charging_profile(charging_rate_unit="kW")) == [
        ("charging_rate_unit", Rule.UNKNOWN_VALUE)
    ]


@pytest.mark.req("CP-12")
@pytest.mark.parametrize("limit", ["0", "16", "8.1", "0.3", "8.10", "8.100000", "1e3", "-1.5"])
def test_rate_has_one_decimal(limit: str) -> None:
    assert parsed_limit(limit) == []


@pytest.mark.req("CP-12")
@pytest.mark.parametrize("limit", ["8.15", "8.01", "0.001", "15e-2", f"8.{'0' * 60}1"])
def test_rate_of_more_decimals_passes_and_is_reported(limit: str) -> None:
    assert parsed_limit(limit) == [LIMIT]


def parsed_limit(limit: str) -> list[tuple[str, Rule]]:
    body = f"""{{"charging_rate_unit":"A","charging_profile_period":[
        {{"start_period":0,"limit":{limit}}}]}}"""
    parsed = parse_object(body.encode(), ChargingProfile, max_depth=8)
    return [(found.path, found.rule) for found in parsed.findings]


def test_rates_pass_to_a_partner_with_their_digits() -> None:
    body = b"""{"charging_rate_unit":"A","min_charging_rate":6.10,"charging_profile_period":[
        {"start_period":0,"limit":0.3},{"start_period":60,"limit":16.0}]}"""
    profile = parse_object(body, ChargingProfile, max_depth=8).value
    assert profile.to_json() == b"".join(body.split())


@pytest.mark.req("CP-12")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"charging_rate_unit": None}, "^charging_rate_unit: must be a value of"),
        ({"duration": "60"}, "^duration: must be a JSON number without a fraction, got a string"),
        ({"duration": 0.5}, "^duration: must be a JSON number without a fraction"),
        ({"min_charging_rate": "6"}, "^min_charging_rate: must be a JSON number, got a string"),
        ({"start_date_time": "now"}, "^start_date_time: must be a DateTime"),
        ({"charging_profile_period": {}}, "^charging_profile_period: must be a list"),
        (
            {"charging_profile_period": [{"limit": 1}]},
            r"^charging_profile_period\[0\]\.start_period: is required$",
        ),
        (
            {"charging_profile_period": [{"start_period": 0}]},
            r"^charging_profile_period\[0\]\.limit: is required$",
        ),
        (
            {"charging_profile_period": [{"start_period": 0, "limit": None}]},
            r"^charging_profile_period\[0\]\.limit: must be a JSON number, got null$",
        ),
    ],
)
def test_broken_charging_profile_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        rules(make_charging_profile(**wrong))


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (
            SetChargingProfile,
            {
                "charging_profile": make_charging_profile(),
                "response_url": "https://a.example/r?i=1",
            },
        ),
        (
            ActiveChargingProfile,
            {"start_date_time": START, "charging_profile": make_charging_profile()},
        ),
        (ChargingProfileResponse, {"result": "ACCEPTED", "timeout": 30}),
        (ActiveChargingProfileResult, {"result": "REJECTED"}),
        (ChargingProfileResult, {"result": "ACCEPTED"}),
        (ClearProfileResult, {"result": "UNKNOWN"}),
    ],
)
def test_required_fields_are_missed(model: type[OcpiModel], value: dict[str, Any]) -> None:
    assert rules(value, model) == []
    assert required(model) == set(value)
    for name in value:
        rest = {key: each for key, each in value.items() if key != name}
        with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
            rules(rest, model)


@pytest.mark.req("CP-08")
def test_responses_and_results() -> None:
    assert {each.value for each in ChargingProfileResponseType} == {
        *("ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TOO_OFTEN", "UNKNOWN_SESSION"),
    }
    assert {each.value for each in ChargingProfileResultType} == {"ACCEPTED", "REJECTED", "UNKNOWN"}
    assert rules({"result": "LATER", "timeout": 1}, ChargingProfileResponse) == [
        ("result", Rule.UNKNOWN_VALUE)
    ]
    for model in (ActiveChargingProfileResult, ChargingProfileResult, ClearProfileResult):
        assert rules({"result": "LATER"}, model) == [("result", Rule.UNKNOWN_VALUE)]


@pytest.mark.req("CP-05")
def test_method_of_the_request_tells_the_result() -> None:
    assert profile_result(V2_2_1, "GET") is ActiveChargingProfileResult
    assert profile_result(V2_2_1, "PUT") is ChargingProfileResult
    assert profile_result(V2_2_1, "DELETE") is ClearProfileResult
    assert profile_result(V2_2_1, "POST") is None


@pytest.mark.req("CP-05")
def test_accepted_request_for_the_active_profile_brings_it() -> None:
    active = {"start_date_time": START, "charging_profile": make_charging_profile()}
    accepted = {"result": "ACCEPTED", "profile": active}
    assert rules(accepted, ActiveChargingProfileResult) == []
    assert rules({**accepted, "profile": None}, ActiveChargingProfileResult) == [
        ("profile", Rule.CROSS_FIELD)
    ]
    assert rules({"result": "UNKNOWN", "profile": None}, ActiveChargingProfileResult) == []
