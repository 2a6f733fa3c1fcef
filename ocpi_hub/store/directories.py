"""Directories the hub makes for its own data."""

from __future__ import annotations

import os
from pathlib import Path


def make_directories(path: Path) -> None:
    """Create `path` and its missing parents, whatever the umask; existing ones are left alone.

    As root they are 0755, because the account that runs PostgreSQL must pass through; else 0700.

    Raises:
        OSError: one of them cannot be made.
    """
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    mode = 0o755 if os.geteuid() == 0 else 0o700
    for directory in reversed(missing):
        try:
            directory.mkdir()
        except FileExistsError:  # another process was faster
            continue
        directory.chmod(mode)
