"""Session and ChargingPreferences of 2.2.1."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import pytest

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.registry import V2_2_1, bare_strings
from ocpi_hub.ocpi.v2_2_1.common import ProfileType
from ocpi_hub.ocpi.v2_2_1.sessions import (
    ChargingPreferences,
    ChargingPreferencesResponse,
    Session,
    SessionStatus,
)
from tests.unit.ocpi.factories import encode, make_session

M = TypeVar("M", bound=OcpiModel)

REQUIRED = {
    *("country_code", "party_id", "id", "start_date_time", "kwh", "cdr_token", "auth_method"),
    *("location_id", "evse_uid", "connector_id", "currency", "status", "last_updated"),
}
OPTIONAL = {
    *("end_date_time", "authorization_reference", "meter_id", "charging_periods", "total_cost"),
}


def accept(value: dict[str, Any], model: type[M]) -> Parsed[M]:
    return parse_object(encode(value), model, max_depth=16)


def rules(value: dict[str, Any], model: type[OcpiModel] = Session) -> list[tuple[str, Rule]]:
    return [(found.path, found.rule) for found in accept(value, model).findings]


@pytest.mark.req("SE-07")
def test_fields_of_a_session_are_those_of_the_specification() -> None:
    assert {name for name, field in Session.model_fields.items() if field.is_required()} == REQUIRED
    assert set(Session.model_fields) == REQUIRED | OPTIONAL


@pytest.mark.req("SE-07")
@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_required_field_of_a_session_is_missed(name: str) -> None:
    rest = {key: value for key, value in make_session().items() if key != name}
    with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
        accept(rest, Session)
    with pytest.raises(InvalidRequest, match=f"^{name}: must be"):
        accept(make_session(**{name: None}), Session)


@pytest.mark.req("SE-07")
def test_optional_fields_of_a_session_may_be_absent_or_null() -> None:
    assert rules(make_session(**dict.fromkeys(OPTIONAL))) == []
    bare = {key: value for key, value in make_session().items() if key in REQUIRED}
    assert rules(bare) == []
    assert accept(bare, Session).value.charging_periods == ()


@pytest.mark.req("SE-07", "TY-02")
def test_session_lengths() -> None:
    names = {*("id", "location_id", "evse_uid", "connector_id", "authorization_reference")}
    full = make_session(**dict.fromkeys(names, "x" * 36), meter_id="m" * 255)
    assert rules(full) == []
    over = {name: full[name] + "x" for name in (*names, "meter_id")}
    assert dict(rules({**full, **over})) == dict.fromkeys(over, Rule.TOO_LONG)
    assert accept({**full, **over}, Session).value.id == "x" * 37


@pytest.mark.req("SE-07")
@pytest.mark.parametrize("name", ["id", "location_id", "evse_uid", "connector_id"])
@pytest.mark.parametrize("value", ["", "ü", "a\tb", 7])
def test_session_ids_that_cannot_be_compared_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{name}: must be a CiString\(36\)"):
        accept(make_session(**{name: value}), Session)


@pytest.mark.req("SE-08")
def test_session_statuses() -> None:
    assert {status.value for status in SessionStatus} == {
        *("ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"),
    }
    for status in SessionStatus:
        assert rules(make_session(status=status, end_date_time="2026-02-03T05:00:00Z")) == []
    assert rules(make_session(status="RESERVED")) == [("status", Rule.UNKNOWN_VALUE)]
    assert accept(make_session(status="RESERVED"), Session).value.status == "RESERVED"


@pytest.mark.req("SE-09", "TF-28")
def test_session_of_a_reservation_may_name_no_evse_and_no_connector() -> None:
    reserved = make_session(status="RESERVATION", evse_uid="#NA", connector_id="#NA")
    assert rules(reserved) == []


@pytest.mark.req("SE-12")
def test_free_session_and_session_without_a_cost_are_told_apart() -> None:
    free = accept(make_session(total_cost={"excl_vat": 0.00}), Session).value
    assert free.total_cost is not None
    assert free.total_cost.excl_vat == 0
    assert accept(make_session(), Session).value.total_cost is None


@pytest.mark.req("SE-13")
@pytest.mark.parametrize("method", ["AUTH_REQUEST", "COMMAND", "WHITELIST"])
def test_auth_methods_of_a_session(method: str) -> None:
    assert rules(make_session(auth_method=method)) == []


@pytest.mark.req("TY-05")
def test_numbers_of_a_session_are_exact_decimals_in_and_out() -> None:
    body = encode(make_session()).replace(b"3.25", b"3.2500000000000000000001")
    session = parse_object(body, Session, max_depth=8).value
    assert session.kwh == Decimal("3.2500000000000000000001")
    assert b'"kwh":3.2500000000000000000001' in session.to_json()
    with pytest.raises(InvalidRequest, match=r"^kwh: must be a JSON number, got a string"):
        accept(make_session(kwh="3.25"), Session)


@pytest.mark.req("TY-03")
@pytest.mark.parametrize("moment", ["2026-02-03T04:30:00", "2026-02-03T04:30:00.000Z"])
def test_times_of_a_session_have_all_forms_of_date_time(moment: str) -> None:
    plain = accept(make_session(), Session).value
    assert accept(make_session(last_updated=moment), Session).value == plain
    with pytest.raises(InvalidRequest, match=r"^last_updated: must be a DateTime"):
        accept(make_session(last_updated="2026-02-03T04:30:00+00:00"), Session)


def test_charging_period_at_fault_is_named() -> None:
    period = {"start_date_time": "2026-02-03T04:00:00Z", "dimensions": []}
    with pytest.raises(InvalidRequest, match=r"^charging_periods\[0\]\.dimensions: must have at"):
        accept(make_session(charging_periods=[period]), Session)


def test_session_tells_its_owner_and_the_party_of_its_token() -> None:
    session = accept(make_session(country_code="nl", party_id="cpo"), Session).value
    assert session.owner == PartyId("NL", "CPO")
    assert session.cdr_token.owner == PartyId("DE", "MSP")


@pytest.mark.req("SE-14")
def test_charging_preferences() -> None:
    assert {each.value for each in ProfileType} == {"CHEAP", "FAST", "GREEN", "REGULAR"}
    least = accept({"profile_type": "CHEAP"}, ChargingPreferences)
    assert least.findings == ()
    assert least.value.allows_discharge is False
    full = {
        "profile_type": "FAST",
        "departure_time": "2026-02-03T17:00:00",
        "energy_need": 12.5,
        "discharge_allowed": True,
    }
    assert rules(full, ChargingPreferences) == []
    assert accept(full, ChargingPreferences).value.allows_discharge is True
    assert rules(dict.fromkeys(full) | {"profile_type": "GREEN"}, ChargingPreferences) == []
    assert rules({"profile_type": "SLOW"}, ChargingPreferences) == [
        ("profile_type", Rule.UNKNOWN_VALUE)
    ]


@pytest.mark.req("SE-14")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "^profile_type: is required$"),
        ({"profile_type": None}, "^profile_type: must be a value of ProfileType, got null"),
        ({"profile_type": "FAST", "energy_need": "12"}, "^energy_need: must be a JSON number"),
        ({"profile_type": "FAST", "discharge_allowed": 1}, "^discharge_allowed: "),
        ({"profile_type": "FAST", "departure_time": "17:00"}, "^departure_time: must be a Date"),
    ],
)
def test_broken_charging_preferences_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        accept(wrong, ChargingPreferences)


@pytest.mark.req("SE-15")
def test_answers_to_charging_preferences() -> None:
    assert {each.value for each in ChargingPreferencesResponse} == {
        *("ACCEPTED", "DEPARTURE_REQUIRED", "ENERGY_NEED_REQUIRED", "NOT_POSSIBLE"),
        "PROFILE_TYPE_NOT_SUPPORTED",
    }
    assert bare_strings(V2_2_1) == {"ChargingPreferencesResponse": ChargingPreferencesResponse}
