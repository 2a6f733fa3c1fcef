"""The locations module of a party platform: both interfaces, at every level."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.errors import (
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    UnknownLocation,
)
from ocpi_hub.ocpi.headers import next_link
from tests.support.party import make_connector, make_evse, make_location, party_role
from tests.unit.party.test_modules import Party, data, make_request

PLACE = "receiver/locations/NL/CPO/LOC1"
EARLIER, LATER, LATEST = "2025-12-31T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"


@pytest.fixture
def party() -> Party:
    """An eMSP that holds LOC1, and a CPO that owns OWN1 and OWN2."""
    made = Party(page_limit=1)
    made.answer(make_request("PUT", PLACE, make_location()))
    for day in (1, 2):
        own = make_location(f"OWN{day}", last_updated=f"2026-01-0{day}T00:00:00Z")
        made.held.load_location(json.dumps(own))
    return made


def held(party: Party) -> dict[str, Any]:
    (text,) = party.held.cached_locations
    location: dict[str, Any] = json.loads(text)
    return location


def test_a_location_is_created_then_replaced(party: Party) -> None:
    other = make_location("LOC2")
    path = "receiver/locations/nl/cpo/loc2"
    assert party.answer(make_request("PUT", path, other)).http_status == 201
    renamed = make_location("LOC2", name="Second", evses=[make_evse("ONLY")])
    assert party.answer(make_request("PUT", path, renamed)).http_status == 200
    assert data(party.answer(make_request("GET", path))) == renamed


@pytest.mark.parametrize("level", ["", "/EVSE1", "/evse1/1"])
def test_every_level_can_be_read(party: Party, level: str) -> None:
    expected = {"": make_location(), "/EVSE1": make_evse(), "/evse1/1": make_connector()}
    assert data(party.answer(make_request("GET", PLACE + level))) == expected[level]


def test_an_evse_is_replaced_or_added_and_its_location_follows(party: Party) -> None:
    changed = make_evse("EVSE1", status="CHARGING", last_updated=LATER)
    assert party.answer(make_request("PUT", f"{PLACE}/EVSE1", changed)).http_status == 200
    added = make_evse("EVSE3", last_updated=LATEST)
    assert party.answer(make_request("PUT", f"{PLACE}/EVSE3", added)).http_status == 201
    assert held(party) == make_location(
        evses=[changed, make_evse("EVSE2"), added], last_updated=LATEST
    )


def test_a_connector_is_replaced_and_its_parents_follow(party: Party) -> None:
    changed = make_connector("1", max_amperage=16, last_updated=LATER)
    assert party.answer(make_request("PUT", f"{PLACE}/EVSE1/1", changed)).http_status == 200
    evse = make_evse("EVSE1", connectors=[changed], last_updated=LATER)
    assert held(party) == make_location(evses=[evse, make_evse("EVSE2")], last_updated=LATER)


def test_patches_change_what_they_name_at_every_level(party: Party) -> None:
    for level, changes in (
        ("/EVSE1/1", {"max_amperage": 16, "last_updated": LATER}),
        ("/EVSE2", {"status": "CHARGING", "last_updated": LATEST}),
        ("", {"name": "Named", "last_updated": LATEST}),
    ):
        assert party.answer(make_request("PATCH", PLACE + level, changes)).accepted
    connector = make_connector("1", max_amperage=16, last_updated=LATER)
    assert held(party) == make_location(
        evses=[
            make_evse("EVSE1", connectors=[connector], last_updated=LATER),
            make_evse("EVSE2", status="CHARGING", last_updated=LATEST),
        ],
        name="Named",
        last_updated=LATEST,
    )


def test_numbers_and_unknown_fields_stay_as_they_were_written(party: Party) -> None:
    text = json.dumps(make_location()).replace("230", "230.0")
    text = f'{text[:-1]},"x_power": 22.00}}'
    party.answer(make_request("PUT", PLACE, text=text))
    changes = {"status": "BLOCKED", "last_updated": LATER}
    party.answer(make_request("PATCH", f"{PLACE}/EVSE1", changes))
    body = party.answer(make_request("GET", PLACE)).body
    assert body.count(b"230.0") == 2
    assert b"22.00" in body


def test_an_older_child_leaves_the_time_of_its_location(party: Party) -> None:
    late = make_evse("EVSE1", last_updated=EARLIER)
    party.answer(make_request("PUT", f"{PLACE}/EVSE1", late))
    assert held(party)["last_updated"] == make_location()["last_updated"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["NL/CPO/NONE/EVSE1", "NL/CPO/LOC1/NONE/1", "BE/CPO/LOC1/EVSE1"])
def test_a_child_without_parent_answers_2003(party: Party, method: str, path: str) -> None:
    body = make_connector() if path.endswith("/1") else make_evse()
    with pytest.raises(UnknownLocation):
        party.answer(make_request(method, f"receiver/locations/{path}", body))


@pytest.mark.parametrize("level", ["LOC2", "LOC1/NONE", "LOC1/EVSE1/2"])
def test_what_is_not_held_can_be_neither_read_nor_patched(party: Party, level: str) -> None:
    path = f"receiver/locations/NL/CPO/{level}"
    for request in (
        make_request("GET", path),
        make_request("PATCH", path, {"last_updated": LATER}),
    ):
        with pytest.raises(UnknownLocation):
            party.answer(request)


@pytest.mark.parametrize(
    ("method", "level", "body", "error"),
    [
        ("PUT", "", make_location("OTHER"), InvalidRequest),
        ("PUT", "", make_location(owner="BE*CPO"), InvalidRequest),
        ("PUT", "", {"id": "LOC1", "last_updated": LATER}, InvalidRequest),
        ("PUT", "", [], InvalidRequest),
        ("PUT", "/EVSE1", make_evse("OTHER"), InvalidRequest),
        ("PUT", "/EVSE1", make_evse("EVSE1", connectors=[]), InvalidRequest),
        ("PUT", "/EVSE1/1", make_connector("2"), InvalidRequest),
        ("PATCH", "", {"name": "No time"}, InvalidRequest),
        ("PATCH", "", {"id": "OTHER", "last_updated": LATER}, InvalidRequest),
        ("PATCH", "", {"address": None, "last_updated": LATER}, InvalidRequest),
        ("PATCH", "/EVSE1", {"status": "CHARGING"}, InvalidRequest),
        ("PATCH", "/EVSE1", {"uid": "OTHER", "last_updated": LATER}, InvalidRequest),
        ("PATCH", "/EVSE1", {"connectors": None, "last_updated": LATER}, InvalidRequest),
        ("PATCH", "/EVSE1", {"last_updated": "yesterday"}, InvalidRequest),
        ("DELETE", "", None, MethodNotAllowed),
        ("POST", "", make_location(), MethodNotAllowed),
        ("PUT", "/EVSE1/1/deeper", make_connector(), UnknownLocation),
    ],
)
def test_unfit_requests_are_refused_and_change_nothing(
    party: Party, method: str, level: str, body: object, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        party.answer(make_request(method, PLACE + level, body))
    assert held(party) == make_location()


def test_text_that_is_no_json_is_malformed(party: Party) -> None:
    with pytest.raises(MalformedJson):
        party.answer(make_request("PUT", PLACE, text="{"))


def test_the_list_is_paged_and_filtered_by_date(party: Party) -> None:
    first = party.answer(make_request("GET", "sender/locations"))
    assert [location["id"] for location in data(first)] == ["OWN1"]
    assert first.headers["X-Total-Count"] == "2"
    assert "sender/locations?" in (next_link(first.headers["Link"]) or "")
    path = "sender/locations?date_from=2026-01-02T00:00:00Z&date_to=2026-01-03T00:00:00Z"
    second = party.answer(make_request("GET", path, to="NL*CPO"))
    assert [location["id"] for location in data(second)] == ["OWN2"]


def test_a_change_of_an_evse_moves_its_location_into_the_window(party: Party) -> None:
    body = {"status": "CHARGING", "last_updated": LATER}
    party.held.change(make_request("PATCH", "receiver/locations/NL/CPO/OWN1/EVSE1", body))
    answer = party.answer(make_request("GET", f"sender/locations?date_from={LATER}"))
    assert [location["id"] for location in data(answer)] == ["OWN1"]


def test_own_objects_are_read_at_every_level(party: Party) -> None:
    path = "sender/locations/OWN1"
    assert data(party.answer(make_request("GET", path, to="NL*CPO")))["id"] == "OWN1"
    assert data(party.answer(make_request("GET", f"{path}/EVSE2"))) == make_evse("EVSE2")
    assert data(party.answer(make_request("GET", f"{path}/EVSE2/1"))) == make_connector()
    for level in ("/NONE", "/EVSE2/2", "/EVSE2/1/deeper"):
        with pytest.raises(UnknownLocation):
            party.answer(make_request("GET", path + level))
    with pytest.raises(MethodNotAllowed):
        party.answer(make_request("PUT", path, make_location("OWN1")))


@pytest.mark.parametrize(
    ("role", "path"), [("CPO", PLACE), ("EMSP", "sender/locations"), ("EMSP", "sender/locations/L")]
)
def test_a_role_answers_on_its_own_interface_only(role: str, path: str) -> None:
    party = Party(parties=(party_role(role, "NL*CPO"),))
    with pytest.raises(NotFound, match="not offered"):
        party.answer(make_request("GET", path))


def test_only_own_objects_can_be_changed_or_loaded(party: Party) -> None:
    with pytest.raises(InvalidRequest):
        party.held.load_location(json.dumps(make_location(owner="DE*MSP")))
    with pytest.raises(InvalidRequest):
        party.held.load_location("[]")
    foreign = make_location(owner="DE*MSP")
    for request in (
        make_request("PUT", "receiver/locations/DE/MSP/LOC1", foreign),
        make_request("POST", "receiver/locations/NL/CPO/OWN1", make_location("OWN1")),
        make_request("GET", "receiver/locations/NL/CPO/OWN1"),
    ):
        with pytest.raises(InvalidRequest):
            party.held.change(request)
    assert len(party.held.locations) == 2
