"""The tables in docs/check.md, from the table that the self-test goes by.

`python -m tests.support.check_page` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ocpi_hub.checking.model import Check
from ocpi_hub.checking.registry import AREAS, CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "check.md"

START = "## Checks\n"


def rows(checks: list[Check]) -> Iterator[str]:
    yield "| Check | What is right | | Rows |"
    yield "|-|-|-|-|"
    for check in checks:
        writes = ", writes" if check.writes else ""
        requirements = ", ".join(check.requirements)
        yield f"| `{check.check_id}` | {check.title} | {check.severity}{writes} | {requirements} |"


def page(shown: str) -> str:
    """The page with its tables made anew.

    Args:
        shown: the page as it is.
    """
    order = list(AREAS)
    checks = sorted(CHECKS, key=lambda check: order.index(check.area))
    says = f"{len(checks)} checks. Rows are those of docs/conformance.md.\n"
    parts = [f"{shown.partition(START)[0]}{START}\n{says}"]
    for area, group in groupby(checks, key=lambda check: check.area):
        parts.append("\n".join([f"### {AREAS[area]}", "", *rows(list(group)), ""]))
    return "\n".join(parts)


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
