"""Rows for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_row(cells: Sequence[object]) -> str:
    """A line of a CSV file (RFC 4180). A text that a spreadsheet would run as a formula gets an
    apostrophe in front; numbers stay numbers."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(each) for each in cells])
    return buffer.getvalue()


def csv_rows(rows: Iterable[Sequence[object]]) -> str:
    return "".join(map(csv_row, rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()
