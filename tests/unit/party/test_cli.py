from __future__ import annotations

import argparse
import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from ocpi_hub.cli.main import main
from ocpi_hub.cli.party import render_invitation, run_invite
from ocpi_hub.domain.party import CredentialsToken, PartyRole, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.party.client import Outgoing, PeerClient
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.platform import PartyPlatform
from ocpi_hub.party.record import Record
from ocpi_hub.settings import Settings
from tests.support.directory import ManualClock
from tests.support.party import party_role
from tests.support.pki import make_certificate, write_pair

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


def test_a_file_without_authorities_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        if file.stem == "empty":
            file.touch()
        assert main([*PARTY, "--ca-file", str(file)]) == 1
        assert f"--ca-file: cannot use {file}" in capsys.readouterr().err


async def test_an_authority_of_ones_own_is_trusted(tmp_path: Path) -> None:
    authority = make_certificate("An authority", None)
    ours, _ = write_pair(tmp_path, "authority", authority)
    files = write_pair(tmp_path, "server", make_certificate("127.0.0.1", authority))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*files)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    request = Outgoing("GET", url, CredentialsToken("a-token"), "versions")
    async with server:
        for ca_file, http in ((None, None), (ours, 204)):
            client = PeerClient(
                Record(10),
                ManualClock(),
                raw_token=False,
                max_connections=1,
                max_answer_bytes=1000,
                ca_file=ca_file,
            )
            assert (await client.send(request)).http == http
            await client.close()
