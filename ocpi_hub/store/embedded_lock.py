"""Locks on files that the kernel releases when their last holder is gone, however it went."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError

_POLL_S = 0.05


class EmbeddedServerInUse(EmbeddedServerError):
    """Another process supervises the server of this directory."""


class FileLock:
    """An advisory lock. A child that inherits the descriptor holds it too.

    Start further worker processes with exec, not by a bare fork, or they would hold it too.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def fd(self) -> int:
        return self._fd

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock unless somebody holds it."""
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def acquire(self, wait_s: float) -> bool:
        """Take the lock; false if somebody still holds it after `wait_s`."""
        deadline = time.monotonic() + wait_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def close(self) -> None:
        """Give the lock back, unless a child has inherited it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
