"""CPU time of processes, from /proc: what others do on the machine disturbs it little.

The kernel counts in ticks of 10 ms, so what is measured should take a second or more.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One line of /proc/PID/stat.

    Attributes:
        ticks: user and system time of the process and of its children that have ended.
    """

    pid: int
    parent: int
    ticks: int


def parse_stat(line: str) -> ProcessTimes:
    """Read a line of /proc/PID/stat. The name in it may hold anything, also `)` and spaces."""
    pid, _, rest = line.partition(" ")
    fields = rest.rpartition(")")[2].split()
    # Counted from the state, which is field 3: ppid is field 4, the times are fields 14 to 17.
    return ProcessTimes(int(pid), int(fields[1]), sum(int(each) for each in fields[11:15]))


def tree_ticks(processes: Mapping[int, ProcessTimes], root: int) -> int:
    """Ticks of a process and all its descendants.

    A descendant that has ended is counted by whoever waited for it.
    """
    children: defaultdict[int, list[int]] = defaultdict(list)
    for each in processes.values():
        children[each.parent].append(each.pid)
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        found = processes.get(pid)
        total += found.ticks if found is not None else 0
        waiting += children[pid]
    return total


def tree(root: int) -> set[int]:
    """The ids of a process and of all its descendants."""
    running = list(_running())
    found, size = {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {each.pid for each in running if each.parent in found}
    return found


def cpu_s(*roots: int) -> float:
    """CPU seconds so far of the trees of these processes."""
    processes = {each.pid: each for each in _running()}
    return sum(tree_ticks(processes, root) for root in roots) / _TICKS_PER_S


def busy_s() -> float:
    """CPU seconds so far of everything on the machine."""
    line = (_PROC / "stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def _running() -> Iterator[ProcessTimes]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
