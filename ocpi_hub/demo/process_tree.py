"""Which process started which: for a kill that leaves nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def parents() -> dict[int, int]:
    """The parent of every living process."""
    if Path("/proc/self/stat").exists():
        return _parents_by_proc()
    # Systems without /proc have ps.
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,stat="],  # noqa: S607 - its place differs between systems
        capture_output=True,
        check=True,
        text=True,
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _parents_by_proc() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            text = (entry / "stat").read_text(errors="replace")
        except OSError:  # it has just ended
            continue
        # The name stands in brackets and may contain anything.
        state, parent, *_ = text.rpartition(")")[2].split()
        if state not in "ZX":
            found[int(entry.name)] = int(parent)
    return found


def descendants(pid: int, parent_of: Mapping[int, int]) -> list[int]:
    """Children, their children and so on; parents before their children."""
    found = [pid]
    for each in found:
        found += [child for child, parent in parent_of.items() if parent == each]
    return found[1:]
