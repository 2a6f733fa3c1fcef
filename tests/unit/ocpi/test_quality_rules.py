"""Mild faults beyond the types, and docs/data-quality.md, which is made from the table of rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.evse_id import is_evse_id
from ocpi_hub.ocpi.faults import Finding, Rule
from ocpi_hub.ocpi.named_tariffs import MOST, named_tariffs
from ocpi_hub.ocpi.parse import Parsed, parse_json, parse_object
from ocpi_hub.ocpi.patch import look_at_patch
from ocpi_hub.ocpi.quality_rules import HARD, MILD
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from tests.unit.ocpi.factories import (
    encode,
    make_cdr,
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_tariff,
    make_token,
)

PAGE = Path(__file__).parents[3] / "docs" / "data-quality.md"
LATE = "2026-02-03T05:00:00Z"


def read(value: dict[str, Any], model: type[OcpiModel]) -> Parsed[OcpiModel]:
    return parse_object(encode(value), model, max_depth=16)


def found(value: dict[str, Any], model: type[OcpiModel]) -> list[tuple[str, Rule]]:
    return [(finding.path, finding.rule) for finding in read(value, model).findings]


def rows(heading: str) -> list[tuple[str, ...]]:
    """The rows of the first table below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = re.findall(r"^\| (.*) \|$", section.partition("\n## ")[0], flags=re.MULTILINE)
    return [tuple(cell.strip() for cell in row.split(" | ")) for row in table][1:]


def test_the_page_has_every_mild_rule_and_no_other() -> None:
    assert set(MILD) == set(Rule)
    assert rows("Mild faults") == [(f"`{rule}`", text) for rule, text in MILD.items()]


def test_the_page_has_every_kind_of_hard_fault() -> None:
    assert rows("Hard faults") == [(hard.what, f"`{hard.message}`") for hard in HARD]


@pytest.mark.req("TY-02")
def test_hard_faults_are_told_with_field_rule_and_shape_and_without_content() -> None:
    faulty: list[tuple[type[OcpiModel], dict[str, Any]]] = [
        (CDR, {key: value for key, value in make_cdr().items() if key != "currency"}),
        (CDR, make_cdr(currency=None)),
        (Token, make_token(valid="yes")),
        (CDR, make_cdr(total_energy="11.5")),
        (Token, make_token(last_updated="2026-02-03T04:05:06+01:00")),
        (Tariff, make_tariff(id="Tür1")),
        (Tariff, make_tariff(id="")),
        (Tariff, make_tariff(elements=[])),
        (CDR, make_cdr(cdr_token=[])),
    ]
    messages = []
    for model, value in faulty:
        with pytest.raises(InvalidRequest) as refusal:
            read(value, model)
        messages.append(refusal.value.message)
        assert refusal.value.status_code == 2001
    assert messages == [hard.message for hard in HARD[:-1]]


# EVSE ids ----------------------------------------------------------------------------------------


@pytest.mark.req("LO-14")
@pytest.mark.parametrize(
    "evse_id",
    [
        *("NL*CPO*E1", "NLCPOE1", "nl*cpo*e0001*2", "FR*A23*E45B*78C", "DE*123E9"),
        *("NL*CPO*E1**2", "NL*CPO*E1*", "#NA", "NL*CPO*E" + "1" * 31),
    ],
)
def test_an_evse_id_of_the_form_of_iso_15118_is_no_fault(evse_id: str) -> None:
    assert is_evse_id(evse_id)
    assert found(make_evse(evse_id=evse_id), EVSE) == []


@pytest.mark.req("LO-14")
@pytest.mark.parametrize(
    "evse_id",
    [
        *("NL-CPO-E0001", "NL*CPO*0001", "+49*810*000*438", "NLD*CPO*E1", "NL*CP*E1", "E1", ""),
        *("NL*CPO*E*1", "NL*CPO*E", "NL**CPO*E1", "NL CPO E1", "NL*CPO*E1\n", "NL*CPO*E1 "),
        "NL*CPO*E" + "1" * 32,
    ],
)
def test_an_evse_id_of_another_form_is_a_mild_fault(evse_id: str) -> None:
    assert not is_evse_id(evse_id)
    if evse_id.isprintable():  # else it is no CiString
        assert found(make_evse(evse_id=evse_id), EVSE) == [("evse_id", Rule.EVSE_ID)]
        patch = {"evse_id": evse_id, "last_updated": LATE}
        parsed = look_at_patch(patch, EVSE)
        assert parsed is not None
        assert [finding.rule for finding in parsed.findings] == [Rule.EVSE_ID]


def test_an_evse_id_that_is_too_long_is_one_fault() -> None:
    assert found(make_evse(evse_id="E" * 49), EVSE) == [("evse_id", Rule.TOO_LONG)]


def test_the_evse_id_of_a_cdr_is_looked_at() -> None:
    cdr = make_cdr()
    cdr["cdr_location"]["evse_id"] = "49*810*000*438"
    finding = Finding(Rule.EVSE_ID, "cdr_location.evse_id", "14 characters, not of the form of ISO")
    [first] = read(cdr, CDR).findings
    assert (first.path, first.rule) == (finding.path, finding.rule)
    assert first.message.startswith(finding.message)


# What is expected --------------------------------------------------------------------------------


@pytest.mark.req("LO-14")
@pytest.mark.parametrize(
    ("value", "model", "expected"),
    [
        pytest.param(make_evse(evse_id=None), EVSE, ["evse_id"], id="evse"),
        pytest.param(make_evse(evse_id=None, status="REMOVED"), EVSE, [], id="removed evse"),
        pytest.param(make_session(status="COMPLETED"), Session, ["end_date_time"], id="session"),
        pytest.param(
            make_session(status="COMPLETED", end_date_time=LATE), Session, [], id="ended session"
        ),
        pytest.param(make_session(status="ACTIVE"), Session, [], id="active session"),
        pytest.param(make_cdr(tariffs=[]), CDR, ["tariffs"], id="cdr"),
        pytest.param(
            make_location(evses=[make_evse(), make_evse(uid="E2", evse_id=None)]),
            Location,
            ["evses[1].evse_id"],
            id="location",
        ),
    ],
)
def test_an_absent_field_that_receivers_need_is_a_mild_fault(
    value: dict[str, Any], model: type[OcpiModel], expected: list[str]
) -> None:
    assert found(value, model) == [(path, Rule.MISSING) for path in expected]


# Tariffs -----------------------------------------------------------------------------------------


def named(value: dict[str, Any], model: type[OcpiModel]) -> dict[str, str]:
    return dict(named_tariffs(read(value, model).value))


def test_tariffs_are_named_by_connectors_and_charging_periods() -> None:
    connectors = [make_connector(tariff_ids=["t1", "T2"]), make_connector(id="2")]
    evses = [make_evse(), make_evse(uid="E2", connectors=connectors)]
    assert named(make_location(evses=evses), Location) == {
        "T1": "evses[1].connectors[0].tariff_ids[0]",
        "T2": "evses[1].connectors[0].tariff_ids[1]",
    }
    assert named(evses[1], EVSE) == {
        "T1": "connectors[0].tariff_ids[0]",
        "T2": "connectors[0].tariff_ids[1]",
    }
    assert named(connectors[0], Connector) == {"T1": "tariff_ids[0]", "T2": "tariff_ids[1]"}
    assert named(make_session(), Session) == {"T1": "charging_periods[0].tariff_id"}
    assert named(make_token(), Token) == {}


def test_tariffs_that_a_cdr_brings_itself_need_not_be_known() -> None:
    assert named(make_cdr(tariffs=[make_tariff(id="t1")]), CDR) == {}
    assert list(named(make_cdr(tariffs=[make_tariff(id="T2")]), CDR)) == ["T1"]
    assert list(named(make_cdr(tariffs=None), CDR)) == ["T1"]


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        pytest.param({"tariff_ids": ["T1", "#NA", ""]}, Connector, ["T1"], id="connector"),
        pytest.param({"connectors": [make_connector(tariff_ids=["T3"])]}, EVSE, ["T3"], id="evse"),
        pytest.param(
            {"charging_periods": make_session()["charging_periods"]}, Session, ["T1"], id="session"
        ),
        pytest.param({"status": "CHARGING"}, EVSE, [], id="status"),
    ],
)
def test_a_patch_names_tariffs_as_well(
    fields: dict[str, Any], model: type[OcpiModel], expected: list[str]
) -> None:
    body = parse_json(encode({**fields, "last_updated": LATE}), max_depth=16)
    assert isinstance(body, dict)
    parsed = look_at_patch(body, model)
    assert parsed is not None
    assert list(named_tariffs(parsed.value)) == expected


def test_of_an_object_that_names_very_many_tariffs_some_are_looked_at() -> None:
    connector = make_connector(tariff_ids=[f"T{number}" for number in range(10_000)])
    assert len(named(connector, Connector)) == MOST


def test_an_id_that_no_tariff_can_have_is_too_long_and_nothing_else() -> None:
    connector = make_connector(tariff_ids=["T" * 255, "T" * 256])
    assert list(named(connector, Connector)) == ["T" * 255]


@pytest.mark.parametrize("make", [make_location, make_session, make_cdr, make_tariff, make_token])
def test_a_correct_object_has_no_faults(make: Callable[[], dict[str, Any]]) -> None:
    models: dict[str, type[OcpiModel]] = {
        "make_location": Location,
        "make_session": Session,
        "make_cdr": CDR,
        "make_tariff": Tariff,
        "make_token": Token,
    }
    assert found(make(), models[make.__name__]) == []


def test_a_patch_that_cannot_be_read_is_left_to_what_it_leads_to() -> None:
    assert look_at_patch({"status": 7, "last_updated": LATE}, EVSE) is None
