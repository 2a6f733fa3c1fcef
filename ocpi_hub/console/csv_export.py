"""A list as CSV, page by page; a spreadsheet takes no cell for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence

MOST_ROWS = 1_000_000

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(value: str | int | float) -> str:
    """A cell. What a spreadsheet would calculate begins with an apostrophe; numbers stay."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)


async def csv_chunks(
    titles: Sequence[str], pages: AsyncIterator[Sequence[Sequence[str | int | float]]]
) -> AsyncIterator[str]:
    """The file, `MOST_ROWS` rows at most. It begins with a mark by which Excel knows UTF-8."""
    left = MOST_ROWS
    yield "\ufeff" + _lines([titles])
    async for rows in pages:
        shown = rows[:left]
        left -= len(shown)
        yield _lines([[safe(value) for value in row] for row in shown])
        if left <= 0:
            return


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
