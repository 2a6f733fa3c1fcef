from __future__ import annotations

import socket

import pytest

from ocpi_hub.cli.party import main
from ocpi_hub.domain.party import PartyRole, Role
from ocpi_hub.party.config import PartyConfig
from tests.support.party import party_role

PARTY = ["party", "run", "--role", "CPO", "--party", "NL*CPO"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--role", "EMSP"],
        ["--hub-versions-url", "http://127.0.0.1:1/"],
        ["--token", "T"],
    ],
)
def test_arguments_that_do_not_fit_together_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PARTY, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "go together" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["party", "run"],
        ["party", "run", "--role", "HUB", "--party", "NL*CPO"],
        ["party", "run", "--role", "CPO", "--party", "NLCPO"],
        [*PARTY, "--no-module", "cdrs"],
        [*PARTY, "--no-module", "cdr:RECEIVER"],
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as usage:
        main(arguments)
    assert usage.value.code == 2


def test_registration_that_fails_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        assert main([*PARTY, "--hub-versions-url", url, "--token", "T"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "ConnectError" in err


def test_port_in_use_exits_1() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main([*PARTY, "--port", str(other.getsockname()[1])]) == 1


def test_platform_plays_cpo_and_emsp_only() -> None:
    with pytest.raises(ValueError, match="only CPO and EMSP"):
        PartyConfig((PartyRole(party_role("CPO", "NL*CPO").party, Role.NSP, "n"),))
    with pytest.raises(ValueError, match="at least one party"):
        PartyConfig(())
