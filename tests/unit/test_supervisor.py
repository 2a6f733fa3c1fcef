"""What the supervisor does with its worker processes."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from ocpi_hub import supervisor
from ocpi_hub.assembly import Roles
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from tests.support.postgres import make_settings

STEADY = "import time; print('ready', flush=True); time.sleep(600)"
SICK = "raise SystemExit(1)"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


async def test_workers_that_keep_dying_take_their_siblings_with_them(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[asyncio.subprocess.Process] = []
    programs = iter([STEADY] + [SICK] * supervisor.MAX_RESTARTS)

    async def start(_: object) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", next(programs), stdout=asyncio.subprocess.PIPE
        )
        started.append(process)
        return process

    monkeypatch.setattr(supervisor, "RESTART_PAUSE_S", 0.0)
    monkeypatch.setattr(supervisor._Workers, "_start", start)
    settings = make_settings(workers=2, secret_key="a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
    workers = supervisor._Workers(
        settings, DatabaseAddress(dsn="postgresql://x"), listener, "http://x", Roles()
    )
    with pytest.raises(ExceptionGroup) as caught:
        await workers.run(asyncio.Event(), lambda _: None)
    assert caught.group_contains(OperatorError, match="keep dying")
    assert len(started) == 1 + supervisor.MAX_RESTARTS
    assert [process.returncode for process in started if process.returncode is None] == []
