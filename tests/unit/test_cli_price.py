"""`ocpi-hub cdr price`: its output, and what it says about files that cannot be read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from ocpi_hub.cli.main import main
from tests.support.pricing import cdr, element, energy, tariff

pytestmark = pytest.mark.usefixtures("restored_logging")

WINDOW = tariff(element(energy(0.5), start_time="17:00", end_time="20:00"), element(energy(0.2)))
# 16:30 UTC is 17:30 in Amsterdam.
TOLD = cdr([WINDOW], [("16:30", {"ENERGY": 10})], "16:45", total_cost={"excl_vat": 5})


def _file(folder: Path, content: object) -> str:
    path = folder / "cdr.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_price_is_told_as_one_json_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _file(tmp_path, TOLD)
    assert main(["cdr", "price", name, "--time-zone", "Europe/Amsterdam", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(told) == ["total", "dimensions", "lines", "findings", "verdict"]
    assert (told["total"], told["verdict"]) == ({"excl_vat": 5, "incl_vat": 5}, "equal")
    assert main(["cdr", "price", name, "--time-zone", "Etc/UTC", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total"]["excl_vat"], told["verdict"]) == (2, "differs")


def test_price_is_told_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cdr", "price", _file(tmp_path, TOLD)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("verdict: equal\n")
    assert "the time zone is taken from the country: Europe/Amsterdam" in text


def test_tariffs_may_stand_beside_the_cdr_and_the_file_may_be_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"cdr": {**TOLD, "tariffs": []}, "tariffs": [WINDOW]}
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(both).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["cdr", "price", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "equal"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"id":\n 1,}', "cdr.json: is not JSON"),
        (b'{"id":\n 1,}', "at line 2 column 4"),
        (b"\xff\xfe", "cdr.json: is not UTF-8: byte 0"),
        (b"[]", "cdr.json: must be a CDR, or an object with cdr and tariffs"),
        (
            {**TOLD, "currency": None},
            "cdr.json: currency: must be a string(3): printable, got null",
        ),
        ({"cdr": TOLD, "tariffs": [{}]}, "cdr.json: tariffs[0]: country_code: is required"),
    ],
)
def test_file_that_cannot_be_priced_is_told_in_one_line(
    content: object, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cdr", "price", _file(tmp_path, content)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert told in output.err
    assert output.err.count("\n") == 1


def test_file_that_is_not_there_and_zone_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cdr", "price", str(tmp_path / "none.json")]) == 1
    assert "none.json: No such file or directory" in capsys.readouterr().err
    assert main(["cdr", "price", str(tmp_path)]) == 1
    assert "Is a directory" in capsys.readouterr().err
    name = _file(tmp_path, TOLD)
    assert main(["cdr", "price", name, "--time-zone", "Mars/Olympus"]) == 2
    assert "there is no time zone 'Mars/Olympus'" in capsys.readouterr().err
