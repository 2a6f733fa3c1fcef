"""Commands of 2.2.1, their answers and results."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import V2_2_1, command_body
from ocpi_hub.ocpi.v2_2_1.commands import (
    COMMANDS,
    CancelReservation,
    CommandResponse,
    CommandResponseType,
    CommandResult,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from tests.unit.ocpi.factories import encode, make_command, make_token

BODIES: dict[str, tuple[type[OcpiModel], dict[str, Any]]] = {
    "CANCEL_RESERVATION": (CancelReservation, make_command(reservation_id="R1")),
    "RESERVE_NOW": (
        ReserveNow,
        make_command(
            token=make_token(),
            expiry_date="2026-02-03T17:00:00",
            reservation_id="R1",
            location_id="LOC1",
        ),
    ),
    "START_SESSION": (StartSession, make_command(token=make_token(), location_id="LOC1")),
    "STOP_SESSION": (StopSession, make_command(session_id="S1")),
    "UNLOCK_CONNECTOR": (
        UnlockConnector,
        make_command(location_id="LOC1", evse_uid="E1", connector_id="1"),
    ),
}
IDS = {"reservation_id", "location_id", "evse_uid", "connector_id", "session_id"}
TEXT = {"language": "nl", "text": "Even geduld"}


def rules(value: dict[str, Any], model: type[OcpiModel]) -> list[tuple[str, Rule]]:
    parsed = parse_object(encode(value), model, max_depth=16)
    return [(found.path, found.rule) for found in parsed.findings]


@pytest.mark.req("CM-01")
def test_every_command_has_its_body() -> None:
    assert {each.value for each in CommandType} == set(BODIES) == set(COMMANDS)
    for command, (model, body) in BODIES.items():
        assert command_body(V2_2_1, command) is model
        assert rules(body, model) == []


@pytest.mark.req("CM-02")
@pytest.mark.parametrize("command", ["start_session", "OPEN_SESAME", ""])
def test_unknown_command_has_no_body(command: str) -> None:
    assert command_body(V2_2_1, command) is None


@pytest.mark.req("CM-14", "CM-15", "CM-16")
@pytest.mark.parametrize("command", BODIES)
def test_required_fields_of_commands_are_missed(command: str) -> None:
    model, body = BODIES[command]
    assert {name for name, each in model.model_fields.items() if each.is_required()} == set(body)
    for name in body:
        rest = {key: value for key, value in body.items() if key != name}
        with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
            rules(rest, model)
        with pytest.raises(InvalidRequest, match=f"^{name}: must be"):
            rules({**body, name: None}, model)


@pytest.mark.req("CM-14", "CM-15", "CM-16", "TY-02")
@pytest.mark.parametrize("command", BODIES)
def test_lengths_of_commands(command: str) -> None:
    model, body = BODIES[command]
    names = IDS & set(model.model_fields)
    assert rules({**body, **dict.fromkeys(names, "x" * 36)}, model) == []
    over = rules({**body, **dict.fromkeys(names, "x" * 37)}, model)
    assert dict(over) == dict.fromkeys(names, Rule.TOO_LONG)
    for name in names:
        with pytest.raises(InvalidRequest, match=rf"^{name}: must be a CiString\(36\)"):
            rules({**body, name: "ü"}, model)


@pytest.mark.req("CM-14", "CM-15")
@pytest.mark.parametrize("command", ["RESERVE_NOW", "START_SESSION"])
def test_optional_fields_of_commands(command: str) -> None:
    model, body = BODIES[command]
    optional = {"evse_uid": "E1", "authorization_reference": "r" * 36}
    assert rules({**body, **optional}, model) == []
    assert rules({**body, **dict.fromkeys(optional)}, model) == []
    assert rules({**body, "authorization_reference": "r" * 37}, model) == [
        ("authorization_reference", Rule.TOO_LONG)
    ]


@pytest.mark.req("CM-14")
def test_connector_in_start_session_needs_its_evse() -> None:
    model, body = BODIES["START_SESSION"]
    assert rules({**body, "evse_uid": "E1", "connector_id": "1"}, model) == []
    for missing in ({}, {"evse_uid": None}):
        assert rules({**body, "connector_id": "1", **missing}, model) == [
            ("evse_uid", Rule.CROSS_FIELD)
        ]


def test_fault_inside_the_token_of_a_command_is_named() -> None:
    model, body = BODIES["START_SESSION"]
    with pytest.raises(InvalidRequest, match=r"^token\.valid: must be a boolean"):
        rules({**body, "token": make_token(valid="yes")}, model)
    assert rules({**body, "token": make_token(type="CARD")}, model) == [
        ("token.type", Rule.UNKNOWN_VALUE)
    ]


@pytest.mark.parametrize("command", BODIES)
def test_response_url_of_wrong_form_is_reported(command: str) -> None:
    model, body = BODIES[command]
    assert rules({**body, "response_url": "/relative"}, model) == [
        ("response_url", Rule.WRONG_FORM)
    ]


@pytest.mark.req("CM-03")
def test_command_response() -> None:
    assert {each.value for each in CommandResponseType} == {
        *("NOT_SUPPORTED", "REJECTED", "ACCEPTED", "UNKNOWN_SESSION"),
    }
    for result in CommandResponseType:
        assert rules({"result": result, "timeout": 30}, CommandResponse) == []
    full = {"result": "REJECTED", "timeout": 30.0, "message": [TEXT, TEXT]}
    assert rules(full, CommandResponse) == []
    assert rules({**full, "message": None}, CommandResponse) == []
    assert rules({**full, "result": "QUEUED"}, CommandResponse) == [("result", Rule.UNKNOWN_VALUE)]
    with pytest.raises(InvalidRequest, match=r"^timeout: is required$"):
        rules({"result": "ACCEPTED"}, CommandResponse)
    with pytest.raises(InvalidRequest, match=r"^timeout: must be a JSON number without a fraction"):
        rules({"result": "ACCEPTED", "timeout": 0.5}, CommandResponse)
    with pytest.raises(InvalidRequest, match=r"^message: must be a list, got an object"):
        rules({**full, "message": TEXT}, CommandResponse)


@pytest.mark.req("CM-20")
def test_command_result() -> None:
    assert {each.value for each in CommandResultType} == {
        *("ACCEPTED", "CANCELED_RESERVATION", "EVSE_OCCUPIED", "EVSE_INOPERATIVE", "FAILED"),
        *("NOT_SUPPORTED", "REJECTED", "TIMEOUT", "UNKNOWN_RESERVATION"),
    }
    for result in CommandResultType:
        assert rules({"result": result, "message": [TEXT]}, CommandResult) == []
    assert rules({"result": "TIMEOUT"}, CommandResult) == []
    with pytest.raises(InvalidRequest, match=r"^result: is required$"):
        rules({"message": [TEXT]}, CommandResult)
