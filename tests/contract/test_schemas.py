"""The JSON Schemas in `schemas/`: current, and of one mind with the models."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.faults import IN_SCHEMAS
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import V2_2_1, bare_strings, body_models
from ocpi_hub.ocpi.schema import main, outdated, schema_files, write
from tests.contract.samples import COMPLETE
from tests.contract.validation import SCHEMAS, schema_file
from tests.unit.ocpi.factories import encode

REPLACEMENTS: tuple[Any, ...] = (
    *(None, True, 0, 8, -1.5, 2.5, "", "#NA", "x", "X" * 300, "ü", "a\nb", [], {}, [{}], ["x"]),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "1970-1-1T00:00:00Z"),
)


def model_has_nothing_to_say(name: str, value: object) -> bool:
    """Rules between fields, and beyond the types, are left out: schemas do not know them."""
    try:
        parsed = parse_object(encode(value), body_models(V2_2_1)[name], max_depth=16)
    except InvalidRequest:
        return False
    return all(found.rule not in IN_SCHEMAS for found in parsed.findings)


def variants(value: Any, depth: int) -> Iterator[Any]:
    """The value with one place changed: removed, emptied, of another type, too long, extended."""
    yield from REPLACEMENTS
    if not depth:
        return
    if isinstance(value, dict):
        yield {**value, "vendor": 1}
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield from ({**value, key: changed} for changed in variants(item, depth - 1))
    elif isinstance(value, list) and value:
        yield from ([changed] for changed in variants(value[0], depth - 1))


def test_schema_files_are_current() -> None:
    assert outdated(SCHEMAS) == []


def test_every_object_has_a_schema_and_a_sample_here() -> None:
    assert set(body_models(V2_2_1)) == set(COMPLETE)
    files = {path.stem for path in (SCHEMAS / V2_2_1).glob("*.json")}
    assert files == set(COMPLETE) | set(bare_strings(V2_2_1))


@pytest.mark.parametrize("name", COMPLETE)
def test_schema_and_model_accept_a_complete_object(name: str) -> None:
    assert schema_file(name).complaint(COMPLETE[name]) is None
    assert model_has_nothing_to_say(name, COMPLETE[name])


@pytest.mark.parametrize("name", COMPLETE)
def test_schema_accepts_exactly_what_the_model_has_nothing_to_say_about(name: str) -> None:
    tried = 0
    # What lies deeper is an object, or part of one, that is tried by itself.
    depth = 1 if name.endswith("Patch") else 4
    for variant in variants(deepcopy(COMPLETE[name]), depth):
        tried += 1
        by_schema = schema_file(name).accepts(variant)
        assert by_schema == model_has_nothing_to_say(name, variant), variant
    assert tried > len(REPLACEMENTS)


@pytest.mark.req("SE-15")
@pytest.mark.parametrize("name", list(bare_strings(V2_2_1)))
def test_bare_string_has_a_schema_with_its_values(name: str) -> None:
    accepted = [each for each in bare_strings(V2_2_1)[name] if schema_file(name).accepts(each)]
    assert accepted == list(bare_strings(V2_2_1)[name])
    for other in ("accepted", "", None, 1, {"result": "ACCEPTED"}, ["ACCEPTED"]):
        assert not schema_file(name).accepts(other)


def test_check_reports_missing_changed_and_left_over_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0
    paths = [tmp_path / path for path in schema_files()]
    paths[0].unlink()
    paths[1].write_text("{}", encoding="utf-8")
    leftover = tmp_path / "2.2.1" / "Nothing.json"
    leftover.write_text("{}", encoding="utf-8")
    assert outdated(tmp_path) == sorted([paths[0], paths[1], leftover])
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert str(leftover) in capsys.readouterr().err
    write(tmp_path)
    assert outdated(tmp_path) == []
