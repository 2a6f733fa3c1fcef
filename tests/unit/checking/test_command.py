"""The command `check`: what is wrong usage, and what it prints of a partner that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocpi_hub.cli.main import main
from tests.support.hub import free_port

pytestmark = pytest.mark.usefixtures("no_configuration", "restored_logging")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "one of the arguments --versions-url --platform is required"),
        (("--versions-url", "https://partner.example"), "--versions-url needs --token"),
        (("--platform", "p-1", "--token", "t"), "--platform brings its own token"),
        (("--platform", "p-1", "--timeout-s", "0"), "is no number of seconds"),
    ],
    ids=["nothing", "no-token", "two-tokens", "no-time"],
)
def test_a_wrong_command_exits_2(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_a_partner_that_is_not_there_does_not_conform(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OCPI_HUB_ALLOW_HTTP", "true")
    monkeypatch.setenv("OCPI_HUB_ALLOW_NETWORKS", '["127.0.0.0/8"]')
    page = tmp_path / "report.html"
    url = f"http://127.0.0.1:{free_port()}/ocpi/versions"
    whom = ["--versions-url", url, "--token", "a-token"]
    assert main(["check", *whom, "--json", "--html", str(page)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["conforms"] is False
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_an_error_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whom = ["--versions-url", "http://127.0.0.1/", "--token", "a-token"]
    assert main(["check", *whom, "--html", str(tmp_path / "none" / "report.html")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "No such file or directory" in err
