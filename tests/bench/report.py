"""What the bench tells: a table for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.bench.figures import Figure, Quantity, Verdict


def table(figures: Sequence[Figure]) -> str:
    """Quantity, measured, gate, goal, verdict."""
    rows = [("quantity", "measured", "spread", "gate", "goal", "verdict")]
    rows += [
        (
            each.quantity.name,
            _with_unit(each.median, each.quantity),
            f"{_number(min(each.values))} - {_number(max(each.values))}" if each.values else "",
            _number(each.quantity.gate),
            _number(each.quantity.goal),
            each.verdict.value,
        )
        for each in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(width) if column in (0, 5) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def markdown(figures: Sequence[Figure]) -> str:
    """The table for a page, with what each value was made of."""
    lines = ["| Quantity | Measured | Gate | Goal | Made of |", "|-|-:|-:|-:|-|"]
    for each in figures:
        name = f"{each.quantity.name} ({each.quantity.unit})".replace(" ()", "")
        cells = (name, *map(_number, (each.median, each.quantity.gate, each.quantity.goal)))
        lines.append(f"| {' | '.join([*cells, details(each)])} |")
    return "\n".join(lines) + "\n"


def details(figure: Figure) -> str:
    """One line: what a value was made of."""
    parts = [f"{name} {_number(value)}" for name, value in figure.details.items()]
    return "; ".join([*parts, *([figure.note] if figure.note else [])])


def as_json(figures: Sequence[Figure]) -> dict[str, object]:
    """Everything, with where and when it was measured."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "figures": [
            {
                "quantity": each.quantity.name,
                "unit": each.quantity.unit,
                "better": each.quantity.better.value,
                "measured": each.median,
                "values": list(each.values),
                "gate": each.quantity.gate,
                "goal": each.quantity.goal,
                "verdict": each.verdict.value,
                "details": dict(each.details),
                "note": each.note,
            }
            for each in figures
        ],
    }


def exit_status(figures: Sequence[Figure], *, allow_missing: bool) -> int:
    """1 past a gate, or when something could not be measured that may not be missing."""
    verdicts = {each.verdict for each in figures}
    failed = Verdict.FAILED in verdicts
    missing = any(
        each.verdict is Verdict.MISSING and each.quantity.gate is not None for each in figures
    )
    return int(failed or (missing and not allow_missing))


def _with_unit(value: float | None, quantity: Quantity) -> str:
    return f"{_number(value)} {quantity.unit}".strip()


def _number(value: float | None) -> str:
    """Three significant digits, or all of a larger number's integer ones."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
