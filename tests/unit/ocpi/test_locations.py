"""Location, EVSE and Connector of 2.2.1: required fields, lengths, cardinalities, enums."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import pytest

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel, Rule
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.registry import V2_2_1, body_models
from ocpi_hub.ocpi.v2_2_1.common import (
    ConnectorFormat,
    ConnectorType,
    EnergyMix,
    EnergySourceCategory,
    GeoLocation,
    Image,
    PowerType,
)
from ocpi_hub.ocpi.v2_2_1.hours import Hours, RegularHours
from ocpi_hub.ocpi.v2_2_1.locations import (
    EVSE,
    AdditionalGeoLocation,
    Capability,
    Connector,
    Facility,
    Location,
    ParkingRestriction,
    ParkingType,
    PublishTokenType,
    Status,
    StatusSchedule,
)
from tests.unit.ocpi.factories import encode, make_connector, make_evse, make_location

M = TypeVar("M", bound=OcpiModel)

PERIOD = {"period_begin": "2026-05-01T00:00:00Z", "period_end": "2026-05-02T00:00:00"}


def accept(value: dict[str, Any], model: type[M]) -> Parsed[M]:
    return parse_object(encode(value), model, max_depth=16)


def rules(model: type[OcpiModel], value: dict[str, Any]) -> list[tuple[str, Rule]]:
    return [(found.path, found.rule) for found in accept(value, model).findings]


def values(enum: type[StrEnum]) -> set[str]:
    return {member.value for member in enum}


def required_fields(model: type[OcpiModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("model", "make", "required"),
    [
        pytest.param(
            Location,
            make_location,
            {
                *("country_code", "party_id", "id", "publish", "address", "city", "country"),
                *("coordinates", "time_zone", "last_updated"),
            },
            marks=pytest.mark.req("LO-10", "LO-04"),
        ),
        pytest.param(
            EVSE,
            make_evse,
            {"uid", "status", "connectors", "last_updated"},
            marks=pytest.mark.req("LO-14", "LO-04"),
        ),
        pytest.param(
            Connector,
            make_connector,
            {
                *("id", "standard", "format", "power_type", "max_voltage", "max_amperage"),
                "last_updated",
            },
            marks=pytest.mark.req("LO-16", "LO-04"),
        ),
    ],
)
def test_every_required_field_is_missed(
    model: type[OcpiModel], make: Callable[..., dict[str, Any]], required: set[str]
) -> None:
    complete = make()
    assert rules(model, complete) == []
    assert required_fields(model) == required
    for name in required:
        rest = {key: value for key, value in complete.items() if key != name}
        with pytest.raises(InvalidRequest, match=rf"^{name}: is required$"):
            accept(rest, model)
        with pytest.raises(InvalidRequest, match=f"^{name}: must be"):
            accept({**complete, name: None}, model)


@pytest.mark.req("LO-10", "LO-11")
def test_location_lengths() -> None:
    full = make_location(
        id="i" * 36,
        name="n" * 255,
        address="a" * 255,
        city="c" * 45,
        postal_code="p" * 10,
        state="s" * 45,
        country="NLD",
        time_zone="z" * 255,
    )
    assert rules(Location, full) == []
    names = {*("id", "name", "address", "city", "postal_code", "state", "country", "time_zone")}
    over = {name: full[name] + "x" for name in names}
    assert dict(rules(Location, {**full, **over})) == dict.fromkeys(names, Rule.TOO_LONG)


@pytest.mark.req("LO-11")
def test_optional_fields_of_a_location_may_be_absent_or_null() -> None:
    optional = set(Location.model_fields) - required_fields(Location)
    assert optional == {
        *("publish_allowed_to", "name", "postal_code", "state", "related_locations"),
        *("parking_type", "evses", "directions", "operator", "suboperator", "owner"),
        *("facilities", "opening_times", "charging_when_closed", "images", "energy_mix"),
    }
    assert rules(Location, make_location(**dict.fromkeys(optional))) == []
    bare = make_location()
    del bare["evses"]
    assert accept(bare, Location).value.evses == ()


@pytest.mark.req("TY-10", "LO-10")
@pytest.mark.parametrize("country", ["NL", "nld", "N1D", ""])
def test_country_of_a_location_is_alpha_3(country: str) -> None:
    assert rules(Location, make_location(country=country)) == [("country", Rule.WRONG_FORM)]
    assert rules(Location, make_location(country="DEU")) == []


@pytest.mark.req("TY-10")
def test_country_code_of_a_location_is_alpha_2() -> None:
    assert rules(Location, make_location(country_code="NLD")) == [("country_code", Rule.TOO_LONG)]


@pytest.mark.req("LO-10")
def test_time_zone_has_the_form_of_an_iana_name() -> None:
    names = ["UTC", "Etc/GMT+1", "America/Port-au-Prince", "America/Argentina/Buenos_Aires", "#NA"]
    for name in names:
        assert rules(Location, make_location(time_zone=name)) == []
    for name in ["", "+01:00", "Europe/", "Central European Time"]:
        assert rules(Location, make_location(time_zone=name)) == [("time_zone", Rule.WRONG_FORM)]


def test_party_that_owns_a_location_is_not_the_business_in_its_field_owner() -> None:
    location = accept(make_location(country_code="nl", owner={"name": "Stad"}), Location).value
    assert location.party == PartyId("NL", "CPO")
    assert location.owner is not None
    assert location.owner.name == "Stad"


@pytest.mark.req("LO-12")
def test_publish_allowed_to_belongs_to_locations_that_are_not_published() -> None:
    tokens = [{"group_id": "G"}]
    assert rules(Location, make_location(publish=False, publish_allowed_to=tokens)) == []
    assert rules(Location, make_location(publish=False)) == []
    published = make_location(publish=True, publish_allowed_to=tokens)
    assert rules(Location, published) == [("publish_allowed_to", Rule.CROSS_FIELD)]
    assert accept(published, Location).value.publish_allowed_to[0].group_id == "G"


@pytest.mark.req("LO-13")
@pytest.mark.parametrize(
    ("token", "faults"),
    [
        ({"uid": "u" * 36, "type": "RFID"}, []),
        ({"visual_number": "v" * 64, "issuer": "i" * 64}, []),
        ({"group_id": "g" * 36}, []),
        ({}, ["uid"]),
        ({"type": "RFID", "issuer": "I", "uid": None}, ["uid"]),
        ({"uid": "U"}, ["type"]),
        ({"uid": "U", "visual_number": "V"}, ["type", "issuer"]),
        ({"group_id": "G", "visual_number": "V"}, ["issuer"]),
    ],
)
def test_publish_token_identifies_a_token(token: dict[str, Any], faults: list[str]) -> None:
    expected = [(path, Rule.CROSS_FIELD) for path in faults]
    assert rules(PublishTokenType, token) == expected
    location = make_location(publish=False, publish_allowed_to=[token])
    assert [path for path, _ in rules(Location, location)] == [
        f"publish_allowed_to[0].{path}" for path in faults
    ]


@pytest.mark.req("LO-14", "LO-24")
def test_evse_lengths() -> None:
    full = make_evse(
        uid="u" * 36,
        evse_id="NLCPOE" + "1" * 31,
        floor_level="f" * 4,
        physical_reference="p" * 16,
    )
    assert rules(EVSE, full) == []
    names = {"uid", "evse_id", "floor_level", "physical_reference"}
    over = {name: full[name] + "x" for name in names} | {"evse_id": "NLCPOE" + "1" * 43}
    assert dict(rules(EVSE, {**full, **over})) == dict.fromkeys(names, Rule.TOO_LONG)
    with pytest.raises(InvalidRequest, match=r"^connectors: must have at least one element"):
        accept(make_evse(connectors=[]), EVSE)


@pytest.mark.req("LO-06", "LO-14")
def test_removed_evse_is_an_evse_with_a_status_and_may_lack_its_evse_id() -> None:
    location = make_location(evses=[make_evse(status="REMOVED", evse_id=None)])
    assert rules(Location, location) == []
    assert accept(location, Location).value.evses[0].status == Status.REMOVED


@pytest.mark.req("LO-15")
def test_status_and_its_schedule() -> None:
    assert values(Status) == {
        *("AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED"),
        *("RESERVED", "UNKNOWN"),
    }
    plan = {"period_begin": "2026-05-01T00:00:00Z", "status": "PLANNED"}
    assert rules(StatusSchedule, plan) == []
    value = accept(make_evse(status_schedule=[plan]), EVSE).value
    assert (value.status, value.status_schedule[0].status) == (Status.AVAILABLE, Status.PLANNED)
    assert rules(EVSE, make_evse(status="FAULTED")) == [("status", Rule.UNKNOWN_VALUE)]


@pytest.mark.req("LO-16")
def test_connector_numbers_are_whole() -> None:
    for name in ("max_voltage", "max_amperage", "max_electric_power"):
        assert rules(Connector, make_connector(**{name: 400})) == []
        assert accept(make_connector(**{name: 32.0}), Connector).findings == ()
        for wrong in (32.5, "32", True):
            with pytest.raises(InvalidRequest, match=f"^{name}: must be a JSON number without"):
                accept(make_connector(**{name: wrong}), Connector)


@pytest.mark.req("LO-16")
def test_connector_ids_repeat_between_evses_only() -> None:
    evses = [make_evse(uid="E1"), make_evse(uid="E2")]
    assert rules(Location, make_location(evses=evses)) == []
    twice = make_evse(connectors=[make_connector(id="a"), make_connector(id="A")])
    assert rules(EVSE, twice) == [("connectors", Rule.CROSS_FIELD)]


@pytest.mark.req("LO-14")
def test_evse_uids_do_not_repeat() -> None:
    location = make_location(evses=[make_evse(uid="e1"), make_evse(uid="E1")])
    assert rules(Location, location) == [("evses", Rule.CROSS_FIELD)]


@pytest.mark.req("LO-17")
def test_connector_names_any_number_of_tariffs() -> None:
    for tariff_ids in (None, [], ["t" * 36, "nobody knows it"]):
        assert rules(Connector, make_connector(tariff_ids=tariff_ids)) == []
    assert rules(Connector, make_connector(tariff_ids=["t" * 37])) == [
        ("tariff_ids[0]", Rule.TOO_LONG)
    ]


@pytest.mark.req("LO-18")
def test_capabilities() -> None:
    assert values(Capability) == {
        *("CHARGING_PROFILE_CAPABLE", "CHARGING_PREFERENCES_CAPABLE", "CHIP_CARD_SUPPORT"),
        *("CONTACTLESS_CARD_SUPPORT", "CREDIT_CARD_PAYABLE", "DEBIT_CARD_PAYABLE"),
        *("PED_TERMINAL", "REMOTE_START_STOP_CAPABLE", "RESERVABLE", "RFID_READER"),
        *("START_SESSION_CONNECTOR_REQUIRED", "TOKEN_GROUP_CAPABLE", "UNLOCK_CAPABLE"),
    }
    assert rules(EVSE, make_evse(capabilities=sorted(values(Capability)))) == []


@pytest.mark.req("LO-19")
def test_power_types_and_formats() -> None:
    assert values(PowerType) == {
        *("AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC")
    }
    assert values(ConnectorFormat) == {"SOCKET", "CABLE"}


@pytest.mark.req("LO-20")
def test_connector_types() -> None:
    assert values(ConnectorType) == {
        *("CHADEMO", "CHAOJI", "GBT_AC", "GBT_DC", "TESLA_R", "TESLA_S"),
        *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"),
        *(f"IEC_60309_2_{kind}" for kind in ("single_16", "three_16", "three_32", "three_64")),
        *(f"IEC_62196_{kind}" for kind in ("T1", "T1_COMBO", "T2", "T2_COMBO", "T3A", "T3C")),
        *(f"NEMA_{kind}" for kind in ("5_20", "6_30", "6_50", "10_30", "10_50", "14_30", "14_50")),
        *("PANTOGRAPH_BOTTOM_UP", "PANTOGRAPH_TOP_DOWN"),
    }
    for standard in ConnectorType:
        assert rules(Connector, make_connector(standard=standard)) == []


@pytest.mark.req("LO-21")
def test_parking_types_restrictions_and_facilities() -> None:
    assert values(ParkingType) == {
        *("ALONG_MOTORWAY", "PARKING_GARAGE", "PARKING_LOT", "ON_DRIVEWAY", "ON_STREET"),
        "UNDERGROUND_GARAGE",
    }
    assert values(ParkingRestriction) == {
        *("EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES")
    }
    assert values(Facility) == {
        *("HOTEL", "RESTAURANT", "CAFE", "MALL", "SUPERMARKET", "SPORT", "RECREATION_AREA"),
        *("NATURE", "MUSEUM", "BIKE_SHARING", "BUS_STOP", "TAXI_STAND", "TRAM_STOP"),
        *("METRO_STATION", "TRAIN_STATION", "AIRPORT", "PARKING_LOT", "CARPOOL_PARKING"),
        *("FUEL_STATION", "WIFI"),
    }
    location = make_location(parking_type="ON_ROOF", facilities=["WIFI", "SAUNA"])
    assert rules(Location, location) == [
        ("parking_type", Rule.UNKNOWN_VALUE),
        ("facilities[1]", Rule.UNKNOWN_VALUE),
    ]


@pytest.mark.req("LO-22")
@pytest.mark.parametrize("model", [GeoLocation, AdditionalGeoLocation])
@pytest.mark.parametrize(
    ("latitude", "longitude", "faults"),
    [
        ("52.37403", "4.88969", {}),
        ("-5.3740300", "-104.889690", {}),
        ("52.3740", "4.8896", {"latitude": Rule.WRONG_FORM, "longitude": Rule.WRONG_FORM}),
        ("52.374031234", "4.88969", {"latitude": Rule.TOO_LONG}),
        ("52,37403", "1004.88969", {"latitude": Rule.WRONG_FORM, "longitude": Rule.WRONG_FORM}),
    ],
)
def test_coordinates(
    model: type[GeoLocation], latitude: str, longitude: str, faults: dict[str, Rule]
) -> None:
    place = {"latitude": latitude, "longitude": longitude}
    assert dict(rules(model, place)) == faults
    value = accept(place, model).value
    assert (value.latitude, value.longitude) == (latitude, longitude)
    with pytest.raises(InvalidRequest, match=r"^latitude: must be a string"):
        accept({**place, "latitude": 52.37403}, model)


@pytest.mark.req("LO-23")
def test_regular_hours_stand_exactly_where_a_location_is_not_always_open() -> None:
    regular = [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]
    assert rules(Hours, {"twentyfourseven": True}) == []
    assert rules(Hours, {"twentyfourseven": False, "regular_hours": regular}) == []
    for wrong in (
        {"twentyfourseven": False},
        {"twentyfourseven": False, "regular_hours": []},
        {"twentyfourseven": True, "regular_hours": regular},
    ):
        assert rules(Hours, wrong) == [("regular_hours", Rule.CROSS_FIELD)]
    with pytest.raises(InvalidRequest, match=r"^twentyfourseven: is required$"):
        accept({"regular_hours": regular}, Hours)


@pytest.mark.req("LO-23")
@pytest.mark.parametrize(
    ("weekday", "begin", "end", "faults"),
    [
        (1, "00:00", "23:59", []),
        (7.0, "08:00", "08:01", []),
        (0, "08:00", "20:00", [("weekday", Rule.WRONG_FORM)]),
        (8.0, "08:00", "20:00", [("weekday", Rule.WRONG_FORM)]),
        (1, "20:00", "08:00", [("period_end", Rule.CROSS_FIELD)]),
        (1, "08:00", "08:00", [("period_end", Rule.CROSS_FIELD)]),
        (1, "8:00", "20:00", [("period_begin", Rule.WRONG_FORM)]),
        (1, "08:00", "24:00", [("period_end", Rule.WRONG_FORM)]),
    ],
)
def test_regular_hours(
    weekday: float, begin: str, end: str, faults: list[tuple[str, Rule]]
) -> None:
    hours = {"weekday": weekday, "period_begin": begin, "period_end": end}
    assert rules(RegularHours, hours) == faults


def test_weekday_is_a_whole_number() -> None:
    hours = {"period_begin": "08:00", "period_end": "20:00"}
    for wrong in (1.5, "1", True, None):
        with pytest.raises(InvalidRequest, match=r"^weekday: must be a JSON number without"):
            accept({**hours, "weekday": wrong}, RegularHours)


@pytest.mark.req("LO-23")
def test_exceptional_periods_are_in_utc() -> None:
    hours = {"twentyfourseven": True, "exceptional_openings": [PERIOD]}
    assert rules(Hours, {**hours, "exceptional_closings": [PERIOD]}) == []
    local = {**PERIOD, "period_end": "2026-05-02T00:00:00+02:00"}
    with pytest.raises(InvalidRequest, match=r"^exceptional_closings\[0\]\.period_end: must be a"):
        accept({**hours, "exceptional_closings": [local]}, Hours)


@pytest.mark.req("LO-24")
@pytest.mark.parametrize(("given", "meant"), [(None, True), (True, True), (False, False)])
def test_charging_when_closed_is_true_by_default(given: bool | None, meant: bool) -> None:
    location = accept(make_location(charging_when_closed=given), Location).value
    assert location.charges_when_closed is meant
    assert accept(make_location(), Location).value.charges_when_closed


@pytest.mark.req("LO-24")
@pytest.mark.parametrize(
    ("percentages", "adds_up"),
    [
        ([100], True),
        ([35.9, 6.3, 33.2, 2.9, 21.7], True),
        ([33.3, 33.3, 33.3], True),
        ([50, 49], False),
        ([60, 50], False),
        ([], True),
    ],
)
def test_energy_sources_add_up_to_100_percent(percentages: list[float], adds_up: bool) -> None:
    sources = [
        {"source": source, "percentage": percentage}
        for source, percentage in zip(EnergySourceCategory, percentages, strict=False)
    ]
    mix = {"is_green_energy": False, "energy_sources": sources}
    expected = [] if adds_up else [("energy_sources", Rule.CROSS_FIELD)]
    assert rules(EnergyMix, mix) == expected
    assert rules(Location, make_location(energy_mix=mix)) == [
        (f"energy_mix.{path}", rule) for path, rule in expected
    ]


@pytest.mark.req("LO-24")
def test_image_and_business_lengths() -> None:
    image = {"url": "https://a.example/i", "category": "LOCATION", "type": "jpeg"}
    assert rules(Image, image) == []
    assert rules(Image, {**image, "type": "jpeg2"}) == [("type", Rule.TOO_LONG)]
    assert rules(Location, make_location(operator={"name": "n" * 100})) == []
    assert rules(Location, make_location(operator={"name": "n" * 101})) == [
        ("operator.name", Rule.TOO_LONG)
    ]


@pytest.mark.req("TF-38", "TY-11")
def test_unknown_fields_and_values_survive_at_every_level() -> None:
    connector = make_connector(standard="MCS", vendor={"a": 1})
    location = make_location(evses=[make_evse(connectors=[connector], vendor=2)], vendor=3)
    parsed = accept(location, Location)
    assert [(found.path, found.rule) for found in parsed.findings] == [
        ("evses[0].connectors[0].standard", Rule.UNKNOWN_VALUE)
    ]
    again = parse_object(parsed.value.to_json(), Location, max_depth=16).value
    assert again == parsed.value
    assert again.evses[0].connectors[0].standard == "MCS"
    assert again.evses[0].connectors[0].model_extra == {"vendor": {"a": 1}}


def test_registry_knows_locations_and_their_parts() -> None:
    assert body_models(V2_2_1)["Location"] is Location
    assert (body_models(V2_2_1)["EVSE"], body_models(V2_2_1)["Connector"]) == (EVSE, Connector)
