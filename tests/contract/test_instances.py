"""Models and schemas agree on objects that nobody thought of."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.faults import IN_SCHEMAS
from ocpi_hub.ocpi.json_text import dump
from ocpi_hub.ocpi.parse import parse_json, parse_object
from ocpi_hub.ocpi.registry import V2_2_1, body_models
from tests.contract.instances import faulty, instances
from tests.contract.validation import schema_file

MAX_DEPTH = 16
MODELS = body_models(V2_2_1)

few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.req("TY-03", "TY-05", "TY-09")
@pytest.mark.parametrize("name", MODELS)
@few
@given(data=st.data())
def test_correct_object_passes_model_and_schema(name: str, data: st.DataObject) -> None:
    body = dump(data.draw(instances(MODELS[name])))
    assert schema_file(name).complaint(parse_json(body, max_depth=MAX_DEPTH)) is None
    parsed = parse_object(body, MODELS[name], max_depth=MAX_DEPTH)
    assert [found for found in parsed.findings if found.rule in IN_SCHEMAS] == []
    # Every number is written again with the value it had.
    assert numbers(parsed.value.to_json()) == numbers(body)


def numbers(body: bytes) -> list[Decimal]:
    found: list[Decimal] = []

    def keep(text: str) -> None:
        found.append(Decimal(text))

    json.loads(body, parse_float=keep, parse_int=keep)
    return sorted(found)


@pytest.mark.req("TY-05", "TY-09")
@pytest.mark.parametrize("name", MODELS)
@few
@given(data=st.data())
def test_object_with_a_hard_fault_passes_neither(name: str, data: st.DataObject) -> None:
    value, path = data.draw(faulty(MODELS[name]))
    body = dump(value)
    assert not schema_file(name).accepts(parse_json(body, max_depth=MAX_DEPTH)), path
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(body, MODELS[name], max_depth=MAX_DEPTH)
    assert path in refusal.value.message
