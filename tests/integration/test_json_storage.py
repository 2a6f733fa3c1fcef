"""What parsing accepts, PostgreSQL stores and reads: a `json` column keeps the text."""

from __future__ import annotations

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.parse import parse_json, require_object_text
from ocpi_hub.store.database import Database

READ_BACK = "select ($1::json)::text as stored, ($1::json) ->> 'uid' as uid"


@pytest.mark.parametrize(
    "body",
    [
        b' {"uid":"A", "kwh": 1.10, "x": 1E2}\r\n',
        rb'{"uid":"A","text":"\ud83d\ude97 \\u0000 \u007f"}',
        '{"uid":"A","text":"\x7f\x85\u2028\uffff\U0010ffff"}'.encode(),
        b'{"uid":"A","n":-0.0,"m":' + b"9" * 100 + b"}",
        b'{"uid":"A","deep":' + b"[" * 499 + b"]" * 499 + b"}",
    ],
)
async def test_accepted_text_is_stored_and_read(database: Database, body: bytes) -> None:
    parse_json(body, max_depth=500)
    text = require_object_text(body)
    async with database.connection() as connection:
        row = await connection.fetchrow(READ_BACK, text)
    assert row is not None
    assert (row["stored"], row["uid"]) == (text, "A")


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00\ud800", r"\u0000"])
async def test_text_that_cannot_be_read_again_is_refused_before(
    database: Database, escape: str
) -> None:
    text = f'{{"uid":"A","x":"{escape}"}}'
    with pytest.raises(InvalidRequest):
        parse_json(text.encode(), max_depth=8)
    async with database.connection() as connection:
        with pytest.raises(Exception, match=r"invalid input|unsupported Unicode|cannot be"):
            await connection.fetchrow(READ_BACK, text)
