"""The program's contract: what is printed where, and the exit status."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from ocpi_hub import __version__
from ocpi_hub.cli import main as program
from ocpi_hub.cli.table import render_plain
from ocpi_hub.errors import ConfigError, OperatorError
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Buffer


pytestmark = pytest.mark.usefixtures("no_configuration", "restored_logging")


async def _list(args: argparse.Namespace, settings: Settings) -> object:
    return [{"name": args.name, "hub": settings.hub_party_id, "parties": ["NL*ABC", "DE*XYZ"]}]


async def _wrong_order(_args: argparse.Namespace, _settings: Settings) -> object:
    raise OperatorError("platform 7 is unknown:\nsee platform list")


async def _bad_configuration(_args: argparse.Namespace, _settings: Settings) -> object:
    raise ConfigError("public_url: say which")


async def _bug(_args: argparse.Namespace, _settings: Settings) -> object:
    raise ZeroDivisionError("by nought")


async def _interrupted(_args: argparse.Namespace, _settings: Settings) -> object:
    raise KeyboardInterrupt


async def _terminated(_args: argparse.Namespace, _settings: Settings) -> object:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()
    return None


async def _nothing(_args: argparse.Namespace, _settings: Settings) -> object:
    return None


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with commands that end in every way."""
    runs = {
        "refused": _wrong_order,
        "unconfigured": _bad_configuration,
        "bug": _bug,
        "interrupted": _interrupted,
        "terminated": _terminated,
        "nothing": _nothing,
    }

    def build() -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = program.CommandParser(prog=program.PROGRAM)
        commands = parser.add_subparsers(required=True)
        group = commands.add_parser("thing").add_subparsers(required=True)
        listing = group.add_parser("list")
        listing.add_argument("--name", required=True)
        listing.set_defaults(run=_list)
        group.add_parser("names").set_defaults(
            run=_nothing, render=lambda result: f"rendered {result}"
        )
        commands.add_parser("forever").set_defaults(run_service=lambda _args: 7)
        for name, run in runs.items():
            commands.add_parser(name).set_defaults(run=run)
        return parser

    monkeypatch.setattr(program, "build_parser", build)


@pytest.mark.parametrize(
    "argv",
    [
        ["--json", "thing", "list", "--name", "é"],
        ["thing", "--json", "list", "--name", "é"],
        ["thing", "list", "--name", "é", "--json"],
    ],
)
def test_json_is_one_value_wherever_the_option_stands(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(argv) == program.DONE
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"name": "é", "hub": "HUB", "parties": ["NL*ABC", "DE*XYZ"]}]
    assert err == ""


def test_without_json_a_list_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["thing", "list", "--name", "one"]) == program.DONE
    assert capsys.readouterr().out.splitlines() == [
        "name  hub  parties",
        "one   HUB  NL*ABC, DE*XYZ",
    ]


def test_a_command_may_render_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["thing", "names"]) == program.DONE
    assert capsys.readouterr().out == "rendered None\n"


def test_none_is_null_for_machines_and_nothing_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["nothing"]) == program.DONE
    assert capsys.readouterr().out == ""
    assert program.main(["nothing", "--json"]) == program.DONE
    assert capsys.readouterr().out == "null\n"


def test_a_service_decides_its_own_exit_status() -> None:
    assert program.main(["forever"]) == 7


@pytest.mark.parametrize(
    ("command", "status", "line"),
    [
        ("refused", 1, "ocpi-hub: platform 7 is unknown: see platform list\n"),
        ("unconfigured", 2, "ocpi-hub: public_url: say which\n"),
        ("bug", 1, "ocpi-hub: unexpected ZeroDivisionError: by nought (--debug shows where)\n"),
        ("interrupted", 130, ""),
        ("terminated", 143, ""),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_failure_is_one_line_on_stderr(
    command: str, status: int, line: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main([command, *options]) == status
    assert capsys.readouterr() == ("", line)


def test_traceback_is_shown_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program.main(["bug", "--debug"]) == program.FAILED
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("OCPI_HUB_LOG_LEVEL", "debug")
    assert program.main(["bug"]) == program.FAILED
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["thing"], ["unheard-of"], ["nothing", "--js"]])
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(argv) == program.WRONG_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: ocpi-hub" in err


def test_configuration_that_cannot_work_is_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCPI_HUB_PORT", "a door")
    assert program.main(["nothing"]) == program.WRONG_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ocpi-hub: port: ")
    assert err.count("\n") == 1


def test_help_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["thing", "list", "--help"]) == program.DONE
    assert "--json" in capsys.readouterr().out


class Narrow(io.RawIOBase):
    """A stream that takes a few bytes at a time, as a pipe may."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        taken = bytes(data)[:7]
        self.taken += taken
        return len(taken)


def test_a_result_is_printed_whole_however_little_stdout_takes_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Narrow()
    narrow = io.TextIOWrapper(cast(BinaryIO, stream), encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stdout", narrow)
    program._print("x" * 1000 + "\u00fc")
    assert stream.taken.decode() == "x" * 1000 + "\u00fc\n"


def test_module_and_program_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ocpi_hub", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"ocpi-hub {__version__}\n"
    assert done.stderr == ""


def test_reader_that_went_away_causes_no_noise() -> None:
    code = (
        "import sys; from ocpi_hub.cli import main as program; sys.stdin.readline();"
        "program._dispatch = lambda args: print('x', flush=True) or 0;"
        "sys.exit(program.main(['party', 'run', '--role', 'CPO', '--party', 'NL*ABC']))"
    )
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write_end)
    os.close(read_end)
    _, err = process.communicate("go\n")
    assert process.returncode == program.FAILED
    assert err == ""


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ([], "(nothing)"),
        ({}, "(nothing)"),
        ("token", "token"),
        (3, "3"),
        (["a", "b"], "a\nb"),
        ({"sent_at": None, "ok": True}, "sent at: -\nok:      yes"),
        ([{"a": 1}, {"b": {"c": "x", "d": 2}}], "a  b\n1  -\n-  x 2"),
        ([{"text": "two\nlines"}], "text\ntwo lines"),
    ],
)
def test_results_read_well(result: object, text: str) -> None:
    assert render_plain(result) == text


def test_objects_inside_of_an_object_stand_below_their_name() -> None:
    result = {
        "rules": {"hold": [], "limits": None},
        "party": {"id": "NL*ABC", "role": "CPO"},
        "totals": [{"currency": "EUR", "by_vat": [{"rate": "21", "vat": "2.10"}]}],
    }
    assert render_plain(result).split("\n") == [
        "rules:  -",
        "party:",
        "  id:   NL*ABC",
        "  role: CPO",
        "totals:",
        "  currency: EUR",
        "  by vat:",
        "    rate  vat",
        "    21    2.10",
    ]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (18, ["id  reason  kWh", "a1  -       1.0", "b2  -       22.5"]),
        (10, ["id  kWh", "a1  1.0", "b2  22.5"]),
        (7, ["id:  a1", "kWh: 1.0", "", "id:  b2", "kWh: 22.5"]),
    ],
    ids=["it fits", "without empty columns", "one below the other"],
)
def test_a_table_is_no_wider_than_the_terminal(width: int, lines: list[str]) -> None:
    rows = [{"id": "a1", "reason": None, "kWh": "1.0"}, {"id": "b2", "reason": "", "kWh": "22.5"}]
    assert render_plain(rows, width=width).split("\n") == lines
