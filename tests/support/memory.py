"""Where files never reach a disk: making and deleting databases costs a fraction there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - below it, tempfile makes directories of our own
NEEDED_BYTES = 2 * 1024**3


def memory() -> Path | None:
    """A parent for temporary directories; None, which means the usual one, where it is missing,
    too small, or does not let programs run."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK)):
        return None
    runs_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    return MEMORY if runs_programs and shutil.disk_usage(MEMORY).free > NEEDED_BYTES else None
