"""A demo that was left running: which processes it has, and how it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from ocpi_hub.demo.process_tree import parents
from ocpi_hub.errors import OperatorError

PREFIX = "ocpi-hub-demo-"
STOP_S = 60.0
_POLL_S = 0.1
_FILE = "processes"


def note(folder: Path, pids: Sequence[int]) -> None:
    """Keep what has to be ended; each leads a session of its own."""
    (folder / _FILE).write_text("\n".join(map(str, pids)), encoding="ascii")


def end(folder: Path) -> None:
    """End the processes, and delete data and logs.

    Raises:
        OperatorError: no demo was left running there, or it does not end.
    """
    try:
        pids = [int(pid) for pid in (folder / _FILE).read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        raise OperatorError(f"no demo was left running in {folder}") from None
    if not folder.resolve().name.startswith(PREFIX):
        raise OperatorError(f"{folder} is no folder of a demo")
    ours = [pid for pid in pids if _leads_a_session(pid)]
    for pid in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while not parents().keys().isdisjoint(ours):
        if time.monotonic() > deadline:
            raise OperatorError(f"something in {folder} does not end: its logs are kept")
        time.sleep(_POLL_S)
    shutil.rmtree(folder)


def _leads_a_session(pid: int) -> bool:
    """As the demo's processes do; not so most that got the number of one that is gone."""
    try:
        return os.getsid(pid) == pid
    except (ProcessLookupError, PermissionError):
        return False
