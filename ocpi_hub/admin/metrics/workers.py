"""One sum for all worker processes behind one port: a scrape reaches only one of them.

Workers keep their values in files of a directory that their supervisor makes, and whoever is asked
adds them up. The library decides about that when it is imported, by an environment variable, so the
supervisor sets it before it starts workers. A single process needs no files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import multiprocess

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_values() -> Iterator[Path]:
    """A directory for the values of workers, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="ocpi-hub-metrics-", ignore_cleanup_errors=True) as own:
        yield Path(own)


def environment(directory: Path) -> Mapping[str, str]:
    """What a worker has to be started with."""
    return {VARIABLE: str(directory)}


def shared_directory() -> str | None:
    """The directory of this process and its siblings; None when it has none."""
    return os.environ.get(VARIABLE) or None


def forget(directory: Path, pid: int) -> None:
    """A worker has ended: what it counted stays, how it was does not matter any more."""
    multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]  # has no annotations
