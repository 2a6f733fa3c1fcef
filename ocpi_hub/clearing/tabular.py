"""CSV for spreadsheets (RFC 4180), wherever the hub makes it for people to look at.

Files that partners read back are `delivery.files`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Final

FORMULA_STARTS: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)
"""The last four are the same signs in full width."""
MOST_ROWS: Final = 1_000_000


def csv_row(cells: Sequence[object]) -> str:
    """A line of a file. A text that a spreadsheet would run as a formula gets an apostrophe in
    front; numbers stay numbers."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(each) for each in cells])
    return buffer.getvalue()


def csv_head(titles: Sequence[str]) -> str:
    """The first line of a file, with the mark by which Excel knows UTF-8."""
    return f"\ufeff{csv_row(titles)}"


async def csv_chunks(
    titles: Sequence[str], pages: AsyncIterator[Sequence[Sequence[object]]]
) -> AsyncIterator[str]:
    """A file of `MOST_ROWS` rows at most."""
    left = MOST_ROWS
    yield csv_head(titles)
    async for rows in pages:
        shown = rows[:left]
        left -= len(shown)
        yield "".join(map(csv_row, shown))
        if left <= 0:
            return


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()
