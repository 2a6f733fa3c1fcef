"""The JSON Schemas in `schemas/`: current, and of one mind with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import Rule
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import V2_2_1, body_models
from ocpi_hub.ocpi.schema import main, outdated, schema_files, write
from tests.unit.ocpi.factories import (
    encode,
    make_cdr,
    make_client_info,
    make_connector,
    make_credentials,
    make_evse,
    make_location,
    make_tariff,
    make_token,
)

SCHEMAS = Path(__file__).parents[2] / "schemas"

CONNECTOR = make_connector(
    max_electric_power=22000, tariff_ids=["T1"], terms_and_conditions="https://a.example/terms"
)
IMAGE = {
    "url": "https://a.example/i.png",
    "thumbnail": "https://a.example/t.png",
    "category": "CHARGER",
    "type": "png",
    "width": 800,
    "height": 600,
}
EVSE = make_evse(
    evse_id="NL*CPO*E1",
    status_schedule=[
        {
            "period_begin": "2026-05-01T00:00:00Z",
            "period_end": "2026-06-01T00:00:00Z",
            "status": "PLANNED",
        }
    ],
    capabilities=["RESERVABLE"],
    connectors=[CONNECTOR],
    floor_level="-1",
    coordinates={"latitude": "52.37403", "longitude": "-4.88969"},
    physical_reference="7",
    directions=[{"language": "nl", "text": "Links"}],
    parking_restrictions=["EV_ONLY"],
    images=[IMAGE],
)
LOCATION = make_location(
    publish=False,
    publish_allowed_to=[
        {
            "uid": "04A2B3C4",
            "type": "RFID",
            "visual_number": "1234",
            "issuer": "Beispiel",
            "group_id": "G",
        }
    ],
    name="Gracht",
    postal_code="1015 CJ",
    state="Noord-Holland",
    related_locations=[
        {
            "latitude": "52.37403",
            "longitude": "4.88969",
            "name": {"language": "nl", "text": "Ingang"},
        }
    ],
    parking_type="ON_STREET",
    evses=[EVSE],
    operator={"name": "Laadpaal BV", "website": "https://a.example", "logo": IMAGE},
    facilities=["HOTEL"],
    opening_times={
        "twentyfourseven": False,
        "regular_hours": [{"weekday": 7, "period_begin": "08:00", "period_end": "20:00"}],
        "exceptional_openings": [
            {"period_begin": "2026-05-01T00:00:00Z", "period_end": "2026-05-02T00:00:00Z"}
        ],
    },
    charging_when_closed=False,
)

COMPLETE: dict[str, dict[str, Any]] = {
    "Version": {"version": "2.2.1", "url": "https://a.example/ocpi/2.2.1"},
    "VersionDetails": {
        "version": "2.2.1",
        "endpoints": [
            {"identifier": "cdrs", "role": "SENDER", "url": "https://a.example/ocpi/2.2.1/cdrs"}
        ],
    },
    "Credentials": make_credentials(),
    "ClientInfo": make_client_info(),
    "Location": LOCATION,
    "EVSE": EVSE,
    "Connector": CONNECTOR,
    "Token": make_token(
        visual_number="1234",
        group_id="G",
        language="de",
        default_profile_type="FAST",
        energy_contract={"supplier_name": "S", "contract_id": "C"},
    ),
    "LocationReferences": {"location_id": "LOC1", "evse_uids": ["E1"]},
    "AuthorizationInfo": {
        "allowed": "ALLOWED",
        "token": make_token(),
        "location": {"location_id": "LOC1"},
        "authorization_reference": "ref",
        "info": {"language": "de", "text": "Willkommen"},
    },
    "Tariff": make_tariff(
        type="REGULAR",
        tariff_alt_text=[{"language": "nl", "text": "Goedkoop"}],
        tariff_alt_url="https://a.example/t",
        min_price={"excl_vat": 1, "incl_vat": 1.21},
        start_date_time="2026-01-01T00:00:00",
        energy_mix={
            "is_green_energy": True,
            "energy_sources": [{"source": "WIND", "percentage": 100}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 0.5}],
        },
        elements=[
            {
                "price_components": [
                    {"type": "ENERGY", "price": 0.29, "vat": 21.0, "step_size": 1.0}
                ],
                "restrictions": {
                    "start_time": "08:00",
                    "start_date": "2026-01-01",
                    "max_kwh": 50,
                    "min_duration": 60,
                    "day_of_week": ["MONDAY"],
                    "reservation": "RESERVATION",
                },
            }
        ],
    ),
    "CDR": make_cdr(
        signed_data={
            "encoding_method": "OCMF",
            "signed_values": [{"nature": "Start", "plain_data": "p", "signed_data": "s"}],
        },
        home_charging_compensation=False,
        remark="r",
    ),
}

REPLACEMENTS: tuple[Any, ...] = (
    *(None, True, 0, 8, -1.5, 2.5, "", "#NA", "x", "X" * 300, "ü", "a\nb", [], {}, [{}], ["x"]),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "1970-1-1T00:00:00Z"),
)


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / V2_2_1 / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def model_has_nothing_to_say(name: str, value: object) -> bool:
    """Rules between fields are left out: schemas do not know them."""
    try:
        parsed = parse_object(encode(value), body_models(V2_2_1)[name], max_depth=16)
    except InvalidRequest:
        return False
    return all(found.rule is Rule.CROSS_FIELD for found in parsed.findings)


def variants(value: Any) -> Iterator[Any]:
    """The value with one place changed: removed, emptied, of another type, too long, extended."""
    yield from REPLACEMENTS
    if isinstance(value, dict):
        yield {**value, "vendor": 1}
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield from ({**value, key: changed} for changed in variants(item))
    elif isinstance(value, list) and value:
        yield from ([changed] for changed in variants(value[0]))


def test_schema_files_are_current() -> None:
    assert outdated(SCHEMAS) == []


def test_every_object_has_a_schema_and_a_sample_here() -> None:
    assert {path.stem for path in (SCHEMAS / V2_2_1).glob("*.json")} == set(COMPLETE)
    assert set(body_models(V2_2_1)) == set(COMPLETE)


@pytest.mark.parametrize("name", COMPLETE)
def test_schema_and_model_accept_a_complete_object(name: str) -> None:
    validator(name).validate(COMPLETE[name])
    assert model_has_nothing_to_say(name, COMPLETE[name])


@pytest.mark.parametrize("name", COMPLETE)
def test_schema_accepts_exactly_what_the_model_has_nothing_to_say_about(name: str) -> None:
    tried = 0
    for variant in variants(deepcopy(COMPLETE[name])):
        tried += 1
        by_schema = validator(name).is_valid(variant)
        assert by_schema == model_has_nothing_to_say(name, variant), variant
    assert tried > 50


def test_check_reports_missing_changed_and_left_over_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0
    paths = [tmp_path / path for path, _ in schema_files()]
    paths[0].unlink()
    paths[1].write_text("{}", encoding="utf-8")
    leftover = tmp_path / "2.2.1" / "Nothing.json"
    leftover.write_text("{}", encoding="utf-8")
    assert outdated(tmp_path) == sorted([paths[0], paths[1], leftover])
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert str(leftover) in capsys.readouterr().err
    write(tmp_path)
    assert outdated(tmp_path) == []
