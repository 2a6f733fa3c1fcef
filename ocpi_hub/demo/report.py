"""What the demo says: sections of short lines, and progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

LABEL_WIDTH = 42
PLAIN_STEPS = 4
PLAIN_FROM = 1000
"""Progress lines of one task when the output is no terminal, if it has that many things to do."""


class Progress(Protocol):
    """Takes note of what is done."""

    def update(self, n: int) -> object: ...


class _PlainProgress:
    """A line at every quarter of something long."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0

    def update(self, n: int) -> object:
        before = self._done * PLAIN_STEPS // max(self._total, 1)
        self._done += n
        ahead = self._done * PLAIN_STEPS // max(self._total, 1) > before
        if ahead and self._total >= PLAIN_FROM:
            print(f"   ... {self._label}: {self._done:,} of {self._total:,}", flush=True)
        return None


class Report:
    """Writes to stdout; a progress bar shows on a terminal only."""

    def __init__(self) -> None:
        self._sections = 0
        self._terminal = sys.stdout.isatty()

    def title(self, text: str) -> None:
        print(text, flush=True)

    def section(self, text: str) -> None:
        self._sections += 1
        print(f"\n{self._sections}  {text}", flush=True)

    def line(self, label: str, text: object = "") -> None:
        print(f"   {label:<{LABEL_WIDTH}} {text}".rstrip(), flush=True)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Progress of `total` things, gone from a terminal when they are done."""
        if not self._terminal:
            yield _PlainProgress(label, total)
            return
        with tqdm(total=total, desc=f"   {label}", leave=False, file=sys.stdout) as bar:
            yield bar


def latency(milliseconds: Sequence[float]) -> str:
    """p50 and p99 in words."""
    if not milliseconds:
        return "-"
    return f"p50 {percentile(milliseconds, 50):,.1f} ms, p99 {percentile(milliseconds, 99):,.1f} ms"


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
