"""The bench's arithmetic: repeated measurements, percentiles, gates."""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Better(enum.Enum):
    """Which way a quantity gets better."""

    LOWER = "lower"
    HIGHER = "higher"


class Verdict(enum.StrEnum):
    """How a measured value stands to its gate and goal."""

    GOAL = "goal reached"
    PASSED = "passed"
    FAILED = "FAILED"
    TOLD = "told"
    MISSING = "not measured"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One line of the table.

    Attributes:
        unit: of measured value, gate and goal; empty for a ratio.
        gate: past it the bench fails; None: the value is told only.
        goal: where the hub is going.
    """

    name: str
    better: Better
    unit: str = ""
    gate: float | None = None
    goal: float | None = None

    def verdict(self, value: float) -> Verdict:
        if self.gate is None:
            return Verdict.TOLD
        if self.goal is not None and self._holds(value, self.goal):
            return Verdict.GOAL
        return Verdict.PASSED if self._holds(value, self.gate) else Verdict.FAILED

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.better is Better.LOWER else value >= bound


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of one quantity.

    Attributes:
        values: one of each repetition; empty: it could not be measured, `note` says why.
        details: the figures that the value was made of.
        broken: what was measured did not do what it should.
    """

    quantity: Quantity
    values: Sequence[float]
    details: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    broken: bool = False

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> Verdict:
        if self.broken:
            return Verdict.FAILED
        median = self.median
        return Verdict.MISSING if median is None else self.quantity.verdict(median)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def per_core(cpu_us: float) -> float:
    """Requests that a core serves in a second when each costs so many microseconds."""
    return 1e6 / cpu_us
