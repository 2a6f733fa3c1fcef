"""ClientInfo of 2.2.1."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import Rule
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.registry import V2_2_1, body_models
from ocpi_hub.ocpi.v2_2_1.hub_client_info import ClientInfo, ConnectionStatus
from tests.unit.ocpi.factories import encode, make_client_info


def accept(value: dict[str, Any]) -> Parsed[ClientInfo]:
    return parse_object(encode(value), ClientInfo, max_depth=4)


@pytest.mark.req("HC-02", "HC-05")
@pytest.mark.parametrize("name", ["party_id", "country_code", "role", "status", "last_updated"])
def test_every_field_of_client_info_is_required(name: str) -> None:
    assert accept(make_client_info()).findings == ()
    rest = {key: value for key, value in make_client_info().items() if key != name}
    with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
        accept(rest)
    assert set(ClientInfo.model_fields) == set(make_client_info())


@pytest.mark.req("HC-02")
def test_statuses_and_lengths_of_client_info() -> None:
    assert {status.value for status in ConnectionStatus} == {
        *("CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED")
    }
    for status in ConnectionStatus:
        assert accept(make_client_info(status=status)).findings == ()
    wrong = accept(make_client_info(party_id="CPO1", country_code="NLD", status="Connected"))
    assert [(found.path, found.rule) for found in wrong.findings] == [
        ("party_id", Rule.TOO_LONG),
        ("country_code", Rule.TOO_LONG),
        ("status", Rule.UNKNOWN_VALUE),
    ]


@pytest.mark.req("TY-08")
@pytest.mark.parametrize("role", list(Role))
def test_client_info_tells_every_role(role: Role) -> None:
    assert accept(make_client_info(role=role)).findings == ()


def test_client_info_tells_its_party_and_is_written_as_ocpi_json() -> None:
    info = accept(make_client_info(country_code="nl", party_id="cpo")).value
    assert info.party == PartyId("NL", "CPO")
    assert b'"status":"CONNECTED"' in info.to_json()
    assert b'"last_updated":"2026-01-01T00:00:00.000Z"' in info.to_json()


def test_registry_knows_client_info() -> None:
    assert body_models(V2_2_1)["ClientInfo"] is ClientInfo
