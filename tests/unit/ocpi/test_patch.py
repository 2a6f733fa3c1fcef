"""The bodies of PATCH requests."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import Rule
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.patch import patch_of
from ocpi_hub.ocpi.registry import V2_2_1, body_models
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from tests.unit.ocpi.factories import encode, make_session

NOW = "2026-02-03T05:00:00Z"
PATCHED = (Location, EVSE, Connector, Session, Token)


def rules(value: dict[str, Any]) -> list[tuple[str, Rule]]:
    parsed = parse_object(encode(value), patch_of(Session), max_depth=16)
    return [(found.path, found.rule) for found in parsed.findings]


@pytest.mark.req("ER-09", "TF-21")
@pytest.mark.parametrize("model", PATCHED)
def test_patch_needs_last_updated_and_nothing_else(model: type[Session]) -> None:
    patch = patch_of(model)
    assert set(patch.model_fields) == set(model.model_fields)
    assert parse_object(encode({"last_updated": NOW}), patch, max_depth=4).findings == ()
    with pytest.raises(InvalidRequest, match=r"^last_updated: is required$"):
        parse_object(b"{}", patch, max_depth=4)


def test_patches_are_known_by_name() -> None:
    known = body_models(V2_2_1)
    assert {name for name in known if name.endswith("Patch")} == {
        f"{model.__name__}Patch" for model in PATCHED
    }
    assert known["SessionPatch"] is patch_of(Session)


@pytest.mark.req("TF-22")
def test_null_is_refused_where_the_object_requires_a_value() -> None:
    assert rules({"last_updated": NOW, "total_cost": None, "charging_periods": None}) == []
    with pytest.raises(InvalidRequest, match=r"^kwh: must be a JSON number, got null$"):
        rules({"last_updated": NOW, "kwh": None})


def test_fields_of_a_patch_are_checked_as_those_of_the_object() -> None:
    period = {"start_date_time": NOW, "dimensions": [{"type": "ENERGY", "volume": "1"}]}
    with pytest.raises(InvalidRequest, match=r"^charging_periods\[0\]\.dimensions\[0\]\.volume: "):
        rules({"last_updated": NOW, "charging_periods": [period]})
    assert rules({"last_updated": NOW, "status": "RESERVED", "meter_id": "m" * 256}) == [
        ("meter_id", Rule.TOO_LONG),
        ("status", Rule.UNKNOWN_VALUE),
    ]


def test_patch_is_written_again_with_the_fields_it_had() -> None:
    body = b'{"kwh":2.50,"vendor":{"x":1},"total_cost":null,"last_updated":"%s"}' % NOW.encode()
    written = parse_object(body, patch_of(Session), max_depth=8).value.to_json()
    assert set(parse_object(written, patch_of(Session), max_depth=8).value.model_fields_set) == {
        *("kwh", "vendor", "total_cost", "last_updated"),
    }
    assert b'"kwh":2.50' in written
    assert b"status" not in written


def test_whole_object_is_a_patch_too() -> None:
    assert rules(make_session()) == []
