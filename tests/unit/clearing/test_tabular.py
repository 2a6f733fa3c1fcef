"""CSV for spreadsheets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest

from ocpi_hub.clearing.tabular import csv_chunks, csv_row


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1+1", "-x", "@x", "\tx", "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x"],
    ids=ascii,
)
def test_what_a_spreadsheet_would_calculate_becomes_text(text: str) -> None:
    assert csv_row([text, "after"]) == f"'{text},after\r\n"


@pytest.mark.parametrize("text", ["\rx", "\nx", "\r\n=x"], ids=ascii)
def test_a_text_with_line_breaks_stays_in_its_cell(text: str) -> None:
    assert csv_row([text]) == f'"\'{text}"\r\n'


def test_numbers_stay_numbers() -> None:
    assert csv_row([-1, "-2.50", Decimal("-3.5"), 4, None]) == "-1,-2.50,-3.5,4,\r\n"


async def test_a_file_is_made_page_by_page() -> None:
    async def pages() -> AsyncIterator[Sequence[Sequence[object]]]:
        yield [["a", -1], ["-b", 2.5]]
        yield [['say "x"', 0]]

    text = "".join([chunk async for chunk in csv_chunks(["name", "number"], pages())])
    assert text == '\ufeffname,number\r\na,-1\r\n\'-b,2.5\r\n"say ""x""",0\r\n'
