"""`ocpi-hub cdr meter`: its output, and CDRs that nobody signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocpi_hub.cli.main import main
from tests.support.metering import Meter, encoded, signed_data
from tests.support.pricing import cdr, element, energy, tariff

pytestmark = pytest.mark.usefixtures("restored_logging")

METER = Meter()
RECORD = METER.session(
    datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC), 0, 8000
)
TOLD = cdr([tariff(element(energy(0.5)))], [("09:00", {"ENERGY": 10})], "10:00")


def _file(folder: Path, *records: str) -> str:
    path = folder / "cdr.json"
    signed = {}
    if records:
        signed = {"signed_data": signed_data(*records, key=METER.key).model_dump(mode="json")}
    path.write_text(json.dumps({**TOLD, **signed}))
    return str(path)


def test_result_is_told_as_one_json_value_and_to_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _file(tmp_path, encoded(RECORD))
    assert main(["cdr", "meter", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["energy_kwh"], told["difference_kwh"]) == ("valid", 8, 2)
    assert main(["cdr", "meter", name]) == 0
    assert capsys.readouterr().out.startswith("valid: the key signed 1 of 1 records\n")


def test_wrong_signature_is_an_answer_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _file(tmp_path, encoded(RECORD.replace("8.000", "9.000")))
    assert main(["cdr", "meter", name]) == 0
    assert capsys.readouterr().out.startswith("invalid: ")


def test_cdr_that_nobody_signed_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cdr", "meter", _file(tmp_path)]) == 1
    assert "cdr.json: the CDR has no signed_data" in capsys.readouterr().err
