"""The decision table in docs/authorization.md, from the code's own; `make docs` writes it."""

from __future__ import annotations

from pathlib import Path

from ocpi_hub.authorization.table import COLUMNS, markdown

PAGE = Path(__file__).parents[2] / "docs" / "authorization.md"


def page(shown: str) -> str:
    """The page with its table made anew.

    Args:
        shown: the page as it is.
    """
    start = shown.index(f"| {' | '.join(COLUMNS)} |\n")
    end = shown.index("\n\n", start) + 1
    return shown[:start] + markdown() + shown[end:]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
