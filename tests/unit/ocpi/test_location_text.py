"""EVSEs and connectors inside the text of a Location."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.ocpi.json_text import members
from ocpi_hub.ocpi.location_text import (
    connector_text,
    evse_text,
    patched_connector,
    patched_evse,
    with_connector,
    with_evse,
)
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.locations import Location
from tests.unit.ocpi.factories import make_connector, make_evse, make_location

OLD, BETWEEN, NEW = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00.10Z"

CONNECTOR = f'{{"id": "c1", "max_voltage": 400.0, "last_updated": "{OLD}"}}'
FIRST = f"""{{"uid": "e1", "odd" : [1.10, 1e2 ], "connectors": [
  {CONNECTOR}, {{"id":"C2","last_updated":"{OLD}"}} ], "last_updated":"{OLD}"}}"""
SECOND = f'{{"uid":"E2","status":"AVAILABLE","connectors":null,"last_updated":"{BETWEEN}"}}'
LOCATION = (
    f'{{"id":"L", "evses" :\n[ {FIRST} ,{SECOND}],'
    f' "last_updated": "{BETWEEN}", "vendor":{{"x":0.50}}}}'
)


def field(text: str, name: str) -> str:
    return dict(members(text))[name]


def test_evse_and_connector_are_found_case_folded_as_they_were_written() -> None:
    assert evse_text(LOCATION, "E1") == FIRST
    assert evse_text(LOCATION, "e2") == SECOND
    assert connector_text(LOCATION, "E1", "C1") == CONNECTOR
    assert connector_text(LOCATION, "e1", "c2") is not None


def test_what_is_not_there_is_none() -> None:
    assert evse_text(LOCATION, "E3") is None
    assert connector_text(LOCATION, "E3", "c1") is None
    assert connector_text(LOCATION, "e1", "c3") is None
    assert connector_text(LOCATION, "e2", "c1") is None
    assert with_connector(LOCATION, "E3", CONNECTOR, NEW) is None
    assert patched_evse(LOCATION, "E3", f'{{"last_updated":"{NEW}"}}') is None
    assert patched_connector(LOCATION, "e1", "c3", f'{{"last_updated":"{NEW}"}}') is None


@pytest.mark.parametrize("location", ["{}", '{"evses":null}', '{"evses":[]}'])
def test_location_without_evses_has_none_and_takes_one(location: str) -> None:
    dated = location[:-1] + ("," if len(location) > 2 else "") + f'"last_updated":"{OLD}"}}'
    assert evse_text(dated, "E1") is None
    assert evse_text(with_evse(dated, SECOND, NEW), "E2") == SECOND


@pytest.mark.req("LO-05")
def test_evse_is_replaced_in_its_place_and_the_location_takes_the_time() -> None:
    evse = f'{{"uid":"E1","n":1.000,"last_updated":"{NEW}"}}'
    changed = with_evse(LOCATION, evse, NEW)
    assert field(changed, "evses") == f"[{evse},{SECOND}]"
    assert field(changed, "last_updated") == f'"{NEW}"'
    assert field(changed, "vendor") == '{"x":0.50}'
    assert [name for name, _ in members(changed)] == ["id", "evses", "last_updated", "vendor"]


@pytest.mark.req("LO-05")
def test_new_evse_is_appended() -> None:
    evse = f'{{"uid":"E3","last_updated":"{NEW}"}}'
    assert field(with_evse(LOCATION, evse, NEW), "evses") == f"[{FIRST},{SECOND},{evse}]"


@pytest.mark.req("LO-05")
def test_connector_changes_the_times_of_its_evse_and_of_the_location_alone() -> None:
    connector = f'{{"id":"C1","max_voltage":1000,"last_updated":"{NEW}"}}'
    changed = with_connector(LOCATION, "E1", connector, NEW)
    assert changed is not None
    assert field(changed, "last_updated") == f'"{NEW}"'
    evse = evse_text(changed, "e1")
    assert evse is not None
    assert field(evse, "last_updated") == f'"{NEW}"'
    assert field(evse, "odd") == "[1.10, 1e2 ]"
    assert connector_text(changed, "e1", "c1") == connector
    assert connector_text(changed, "e1", "c2") == connector_text(LOCATION, "e1", "c2")
    assert evse_text(changed, "e2") == SECOND


def test_new_connector_is_appended() -> None:
    connector = f'{{"id":"9","last_updated":"{NEW}"}}'
    changed = with_connector(LOCATION, "e2", connector, NEW)
    assert changed is not None
    assert connector_text(changed, "E2", "9") == connector


@pytest.mark.req("LO-05")
def test_parent_never_takes_an_older_time() -> None:
    assert field(with_evse(LOCATION, FIRST, OLD), "last_updated") == f'"{BETWEEN}"'
    patched = patched_evse(LOCATION, "E2", f'{{"status":"CHARGING","last_updated":"{OLD}"}}')
    assert patched is not None
    location, evse = patched
    assert field(location, "last_updated") == f'"{BETWEEN}"'
    assert field(evse, "last_updated") == f'"{OLD}"'


def test_same_moment_written_otherwise_is_taken_as_the_owner_wrote_it_last() -> None:
    again = BETWEEN.replace("Z", ".000Z")
    assert field(with_evse(LOCATION, SECOND, again), "last_updated") == f'"{again}"'


@pytest.mark.req("LO-05", "LO-06", "TF-21")
def test_patch_of_an_evse_changes_its_fields_and_the_times_above() -> None:
    patched = patched_evse(LOCATION, "E1", f'{{"status":"REMOVED", "last_updated":"{NEW}"}}')
    assert patched is not None
    location, evse = patched
    assert evse_text(location, "e1") == evse
    assert field(evse, "status") == '"REMOVED"'
    assert field(evse, "odd") == "[1.10, 1e2 ]"
    assert field(evse, "connectors") == field(FIRST, "connectors")
    assert field(evse, "last_updated") == field(location, "last_updated") == f'"{NEW}"'
    assert evse_text(location, "E2") == SECOND


@pytest.mark.req("LO-05", "TF-21")
def test_patch_of_a_connector_changes_its_fields_and_the_times_above() -> None:
    patch = f'{{"tariff_ids":["15"],"last_updated":"{NEW}"}}'
    patched = patched_connector(LOCATION, "E1", "C1", patch)
    assert patched is not None
    location, connector = patched
    assert connector_text(location, "e1", "c1") == connector
    assert field(connector, "tariff_ids") == '["15"]'
    assert field(connector, "max_voltage") == "400.0"
    evse = evse_text(location, "e1")
    assert evse is not None
    times = {field(text, "last_updated") for text in (location, evse, connector)}
    assert times == {f'"{NEW}"'}


@pytest.mark.parametrize(
    "patch",
    [
        '{"status":"CHARGING"}',
        '{"last_updated":null}',
        '{"last_updated":1}',
        '{"last_updated":"x"}',
    ],
)
def test_patch_without_a_time_is_refused(patch: str) -> None:
    with pytest.raises(ValueError, match=r"last_updated|DateTime"):
        patched_evse(LOCATION, "e1", patch)
    with pytest.raises(ValueError, match=r"last_updated|DateTime"):
        patched_connector(LOCATION, "e1", "c1", patch)


@pytest.mark.req("LO-14")
def test_patch_may_repeat_an_id_but_not_change_it() -> None:
    for identifier in ('"E9"', "null"):
        with pytest.raises(ValueError, match="uid"):
            patched_evse(LOCATION, "e1", f'{{"uid":{identifier},"last_updated":"{NEW}"}}')
    with pytest.raises(ValueError, match="id never changes"):
        patched_connector(LOCATION, "e1", "c1", f'{{"id":"c2","last_updated":"{NEW}"}}')
    assert patched_evse(LOCATION, "e1", f'{{"uid":"E1","last_updated":"{NEW}"}}') is not None


def test_child_without_an_id_or_with_a_wrong_time_is_refused() -> None:
    with pytest.raises(ValueError, match="uid is missing"):
        with_evse(LOCATION, "{}", NEW)
    with pytest.raises(ValueError, match="id is missing"):
        with_connector(LOCATION, "e1", '{"id":1}', NEW)
    with pytest.raises(ValueError, match="DateTime"):
        with_evse(LOCATION, SECOND, f"{NEW[:-1]}+01:00")


def test_of_two_evses_with_one_uid_the_first_counts() -> None:
    twin = SECOND.replace('"E2"', '"e2"')
    location = f'{{"evses":[{SECOND},{twin}],"last_updated":"{OLD}"}}'
    new = SECOND.replace("AVAILABLE", "CHARGING")
    assert evse_text(location, "e2") == SECOND
    assert field(with_evse(location, new, NEW), "evses") == f"[{new},{twin}]"


def test_changed_location_is_a_location() -> None:
    text = json.dumps(make_location(evses=[make_evse()]))
    text = with_evse(text, json.dumps(make_evse(uid="E2")), NEW)
    changed = with_connector(text, "E2", json.dumps(make_connector(id="2")), NEW)
    assert changed is not None
    parsed = parse_object(changed.encode(), Location, max_depth=16)
    assert parsed.findings == ()
    assert [len(evse.connectors) for evse in parsed.value.evses] == [1, 2]
