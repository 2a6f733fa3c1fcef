"""A forked program is like one in an interpreter of its own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.program import PIPE, Start, executed, forked

PARTY = ("ocpi_hub", "party", "run", "--role", "CPO", "--party", "NL*CPO")

pytestmark = pytest.mark.parametrize("start", [executed, forked])


async def test_output_and_status_are_the_programs_own(start: Start) -> None:
    usage = await start("ocpi_hub", "no-such-command", stdout=PIPE, stderr=PIPE)
    out, err = await usage.communicate()
    assert usage.returncode == 2
    assert out == b""
    assert b"no-such-command" in err


async def test_the_environment_is_what_was_given(start: Start) -> None:
    environment = {"PATH": os.environ["PATH"], "OCPI_HUB_PORT": "99999"}
    command = ("ocpi_hub", "check-config")
    checked = await start(*command, environment=environment, stdout=PIPE, stderr=PIPE)
    _, err = await checked.communicate()
    assert checked.returncode == 2
    assert b"port" in err


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
async def test_signals_reach_it(start: Start, number: int, status: int, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        party = await start(*PARTY, stdout=PIPE, stderr=log)
    assert party.stdout is not None
    assert json.loads(await party.stdout.readline())["versions_url"]
    party.send_signal(number)
    assert await party.wait() == party.returncode == status
    with pytest.raises(ProcessLookupError):
        party.send_signal(number)
