"""The specification's own examples, as far as the hub has models of their types.

`tests/support/examples.py` says where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.errors import InvalidRequest, MalformedJson
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.ocpi.findings import findings
from ocpi_hub.ocpi.json_text import dump, fingerprint
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.parse import parse_json, parse_object
from ocpi_hub.ocpi.patch import patch_of
from ocpi_hub.ocpi.registry import V2_2_1, body_models, versions
from ocpi_hub.ocpi.session_text import appended_periods
from ocpi_hub.ocpi.v2_2_1.common import DisplayText, EnergyMix
from ocpi_hub.ocpi.v2_2_1.hours import Hours
from tests.contract.validation import Schema, schema_file, schema_of_part
from tests.support.examples import ABSENT, example_index, example_text
from tests.unit.ocpi.factories import (
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_token,
)

MAX_DEPTH = 16
_PARTS: dict[str, type[OcpiModel]] = {
    "DisplayText": DisplayText,
    "EnergyMix": EnergyMix,
    "Hours": Hours,
}
_PATCHED: dict[str, Callable[[], dict[str, Any]]] = {
    "Connector": make_connector,
    "EVSE": make_evse,
    "Location": make_location,
    "Session": make_session,
    "Token": make_token,
}


def _models(version: str) -> dict[str, type[OcpiModel]]:
    known = dict(body_models(OcpiVersion(version))) if version in versions() else {}
    return {**known, **_PARTS} if version == V2_2_1 else known


def _examples(*, response: bool = False) -> Iterator[Any]:
    """Test parameters: file, type, whether it is a list, entry of the index."""
    for entry in example_index():
        match = re.fullmatch(r"(Response<)?(\w+)(\[\])?>?", entry["type"])
        if match and bool(match[1]) == response and match[2] in _models(entry["version"]):
            yield pytest.param(entry, match[2], bool(match[3]), id=entry["file"])


def _body(entry: dict[str, Any]) -> bytes:
    """The example; of a file that wraps it in a document, the part the index points to."""
    body = example_text(entry).encode()
    if not entry.get("pointer"):
        return body
    part: Any = json.loads(body, parse_float=Decimal)
    for step in entry["pointer"].strip("/").split("/"):
        part = part[int(step) if isinstance(part, list) else step]
    return dump(part)


def test_examples_are_present() -> None:
    if not example_index():
        pytest.skip(ABSENT)
    assert sum(1 for _ in _examples()) > 20


@pytest.mark.parametrize(("entry", "name", "is_list"), list(_examples()))
def test_example(
    entry: dict[str, Any], name: str, is_list: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A message names the first faults only; here all of them must be in it.
    monkeypatch.setattr("ocpi_hub.ocpi.parse.MAX_FAULTS", 20)
    body, model = _body(entry), _models(entry["version"])[name]
    if entry["partial"]:
        _check_patch(body, model)
    elif is_list:
        items = parse_json(body, max_depth=MAX_DEPTH)
        assert isinstance(items, list)
        assert items
        for item in items:
            _check_valid(dump(item), model)
    elif entry["valid"]:
        _check_valid(body, model)
    else:
        _check_broken(body, model, entry["violations"])


@pytest.mark.req("TF-10")
@pytest.mark.parametrize(("entry", "name", "is_list"), list(_examples(response=True)))
def test_response_example(entry: dict[str, Any], name: str, is_list: bool) -> None:
    body = _body(entry)
    assert parse_envelope(body) is not None
    answer = parse_json(body, max_depth=MAX_DEPTH)
    assert isinstance(answer, dict)
    items = answer["data"] if is_list else [answer["data"]]
    for item in items:
        _check_valid(dump(item), _models(entry["version"])[name])


def _schema(model: type[OcpiModel]) -> Schema:
    name = model.__name__
    return schema_of_part(model) if name in _PARTS else schema_file(name)


def _check_valid(body: bytes, model: type[OcpiModel]) -> None:
    parsed = parse_object(body, model, max_depth=MAX_DEPTH)
    assert parsed.findings == ()
    assert findings(parsed.value) == ()
    assert _schema(model).complaint(parse_json(body, max_depth=MAX_DEPTH)) is None
    # A model that is written again has the same content, but for the spelling of times.
    again = parse_object(parsed.value.to_json(), model, max_depth=MAX_DEPTH)
    assert again.value == parsed.value


def _check_patch(body: bytes, model: type[OcpiModel]) -> None:
    """A PATCH is valid by itself, and of a complete object it leaves a complete object."""
    _check_valid(body, patch_of(model))
    stored = json.dumps(_PATCHED[model.__name__]())
    merge = appended_periods if model.__name__ == "Session" else merge_patch
    merged = merge(stored, body.decode())
    patched = parse_object(merged.encode(), model, max_depth=MAX_DEPTH)
    assert patched.findings == ()
    assert fingerprint(merged) != fingerprint(stored)


def _check_broken(body: bytes, model: type[OcpiModel], violations: list[str]) -> None:
    """A message or a finding names each faulty field; a field nobody defined is no fault."""
    if violations[0].startswith("not valid JSON"):
        with pytest.raises(MalformedJson):
            parse_object(body, model, max_depth=MAX_DEPTH)
        return
    try:
        parsed = parse_object(body, model, max_depth=MAX_DEPTH)
    except InvalidRequest as refusal:
        told = refusal.message
    else:
        told = "; ".join(finding.path for finding in parsed.findings)
    assert not _schema(model).accepts(parse_json(body, max_depth=MAX_DEPTH))
    for violation in violations:
        path, _, rule = violation.removeprefix("$.").partition(":")
        assert path in told or "field not defined" in rule
