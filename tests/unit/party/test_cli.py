from __future__ import annotations

import argparse
import socket

import pytest

from ocpi_hub.cli.main import main
from ocpi_hub.cli.party import render_invitation, run_invite
from ocpi_hub.domain.party import PartyRole, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.platform import PartyPlatform
from ocpi_hub.settings import Settings
from tests.support.party import party_role

PARTY = ["party", "run", "--role", "CPO", "--party", "NL*CPO"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--role", "EMSP"],
        ["--hub-versions-url", "http://127.0.0.1:1/"],
        ["--versions-url", "http://127.0.0.1:1/"],
        ["--token", "T"],
        ["--host", "0.0.0.0"],  # noqa: S104 - refused without a public URL
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
        ["party", "invite"],
        ["party", "invite", "--control-port", "1", "--control-url", "http://127.0.0.1:1"],
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(arguments: list[str]) -> None:
    assert main(arguments) == 2


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


def test_an_invitation_for_people_says_that_it_is_shown_once() -> None:
    shown = render_invitation({"versions_url": "http://127.0.0.1:1/ocpi/versions", "token": "T1"})
    assert "http://127.0.0.1:1/ocpi/versions" in shown
    assert "T1" in shown
    assert "this once" in shown


async def invited(control_url: str | None) -> dict[str, str]:
    args = argparse.Namespace(control_url=control_url, control_port=None)
    return await run_invite(args, Settings())


async def test_an_invitation_comes_from_the_platform_that_runs() -> None:
    config = PartyConfig(parties=(party_role("CPO", "NL*CPO"),))
    async with PartyPlatform(config) as platform:
        invitation = await invited(platform.control_url)
        assert invitation["versions_url"] == platform.versions_url
        assert invitation["token"] == platform.credentials.token_a


async def test_nobody_there_and_no_platform_there_are_errors() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(OperatorError, match="no platform answers"):
            await invited(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    config = PartyConfig(parties=(party_role("CPO", "NL*CPO"),), control_port=None)
    async with PartyPlatform(config) as platform:
        with pytest.raises(OperatorError, match="does not invite"):
            await invited(platform.versions_url.removesuffix("/ocpi/versions"))


async def test_a_control_port_in_use_leaves_nothing_behind() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = PartyConfig(
            parties=(party_role("CPO", "NL*CPO"),), control_port=other.getsockname()[1]
        )
        with pytest.raises(OSError, match="in use"):
            async with PartyPlatform(config):
                pass
