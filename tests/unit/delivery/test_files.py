"""Files of objects: what is written is read the same, and faults are named by line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpi_hub.delivery.files.columns import Table
from ocpi_hub.delivery.files.lines import Fault, UnusableFile, read_lines
from ocpi_hub.delivery.files.records import (
    FileFormat,
    Record,
    RecordWriter,
    format_of,
    read_records,
)
from ocpi_hub.delivery.files.tables import CDRS, TOKENS
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from tests.support.factories import cdr, text, token
from tests.support.thorough import rounds

MAX = 100_000
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(float)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=5
)
FIELDS = st.sampled_from([name.partition(".")[0] for name in TOKENS.names]) | NAMES
OBJECTS = st.dictionaries(FIELDS, VALUES)


def write(texts: list[str], file_format: FileFormat, table: Table = TOKENS) -> bytes:
    target = io.BytesIO()
    writer = RecordWriter(target, table, file_format)
    for each in texts:
        writer.write(each)
    return target.getvalue()


def read(
    content: bytes, file_format: FileFormat, table: Table = TOKENS, *, max_bytes: int = MAX
) -> list[Record | Fault]:
    return list(read_records(io.BytesIO(content), table, file_format, max_bytes=max_bytes))


def texts_of(found: list[Record | Fault]) -> list[str]:
    assert not [str(each) for each in found if isinstance(each, Fault)]
    return [each.text for each in found if isinstance(each, Record)]


def faults_of(found: list[Record | Fault]) -> list[str]:
    return [str(each) for each in found if isinstance(each, Fault)]


# Round trips -------------------------------------------------------------------------------------


@settings(max_examples=rounds(40, 1000))
@given(st.lists(OBJECTS.map(lambda it: token() | it), min_size=1, max_size=5))
def test_json_lines_give_the_same_texts_byte_for_byte(objects: list[dict[str, Any]]) -> None:
    texts = [json.dumps(each, ensure_ascii=False) for each in objects]
    assert texts_of(read(write(texts, FileFormat.JSONL), FileFormat.JSONL)) == texts


@settings(max_examples=rounds(60, 2000))
@given(st.lists(OBJECTS, min_size=1, max_size=3), st.sampled_from([TOKENS, CDRS]))
def test_csv_gives_the_same_content_whatever_the_object_holds(
    objects: list[dict[str, Any]], table: Table
) -> None:
    texts = [json.dumps(each, ensure_ascii=False) for each in objects if each]
    found = texts_of(read(write(texts, FileFormat.CSV, table), FileFormat.CSV, table))
    assert [fingerprint(each) for each in found] == [fingerprint(each) for each in texts]


def test_layout_of_a_text_is_lost_only_where_lines_end() -> None:
    body = '{ "uid" : "a\\nb",\r\n\t"x":1.50 }'
    (found,) = texts_of(read(write([body], FileFormat.JSONL), FileFormat.JSONL))
    assert found == '{ "uid" : "a\\nb",  \t"x":1.50 }'


def test_numbers_keep_their_digits_in_cells() -> None:
    body = text(cdr()).replace('"total_energy":22.5', '"total_energy":22.5000')
    (found,) = texts_of(read(write([body], FileFormat.CSV, CDRS), FileFormat.CSV, CDRS))
    assert '"total_energy":22.5000' in found


@pytest.mark.parametrize(("table", "model"), [(TOKENS, Token), (CDRS, CDR)])
def test_every_field_of_the_specification_has_a_column(table: Table, model: Any) -> None:
    columns = {name.partition(".")[0] for name in table.names} - {"other_fields"}
    assert columns == set(model.model_fields)
    required = {name.partition(".")[0] for name in table.required}
    assert required == {name for name, field in model.model_fields.items() if field.is_required()}


# Spreadsheets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dangerous", ["=1+1", "+49", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_no_cell_begins_like_a_formula(dangerous: str) -> None:
    body = text(token(visual_number=dangerous))
    content = write([body], FileFormat.CSV)
    assert f'"\'{dangerous}"'.encode() in content
    assert texts_of(read(content, FileFormat.CSV))[0].count(
        json.dumps(dangerous, ensure_ascii=False)
    )


@pytest.mark.parametrize("harmless", ["'", "''", "'=", "'abc", "a=b", "''=", " =1"])
def test_apostrophes_stay_what_they_are(harmless: str) -> None:
    body = text(token(visual_number=harmless))
    (found,) = texts_of(read(write([body], FileFormat.CSV), FileFormat.CSV))
    assert json.loads(found)["visual_number"] == harmless


HEADER = "country_code,party_id,uid,type,contract_id,issuer,valid,whitelist,last_updated"
ROW = "DE,MSP,04AA,RFID,C1,Me,true,ALLOWED,2026-10-01T08:00:00Z"


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{ROW}\n",
        f"{HEADER}\r\n{ROW}\r\n",
        f"{HEADER}\r\n\r\n{ROW}",
        f"\ufeff{HEADER}\n{ROW}\n",
        f"{HEADER}\n{ROW}\n".replace(",", ";"),
        f"{HEADER}\n{ROW}\n,,,,,,,,\n".replace("true", " TRUE "),
    ],
)
def test_what_spreadsheets_write_is_read(content: str) -> None:
    (found,) = texts_of(read(content.encode(), FileFormat.CSV))
    assert json.loads(found) == {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": "04AA",
        "type": "RFID",
        "contract_id": "C1",
        "issuer": "Me",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-10-01T08:00:00Z",
    }


# Faults ------------------------------------------------------------------------------------------


def test_faulty_rows_are_named_by_the_line_they_begin_in() -> None:
    rows = [
        HEADER,
        ROW,
        ROW.replace("Me", '"two\nlines"').replace("true", "yes"),
        ROW + ",more",
        ROW.replace("04AA", '"04"AA"'),
        ROW,
    ]
    found = read("\n".join(rows).encode(), FileFormat.CSV)
    assert faults_of(found) == [
        "line 3: valid is neither true nor false",
        "line 5: has 10 cells, the first line has 9",
        "line 6: is not CSV: ',' expected after '\"'",
    ]
    assert [each.line for each in found if isinstance(each, Record)] == [2, 7]


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_a_line_in_another_encoding_is_named(file_format: FileFormat) -> None:
    good = text(token()) if file_format is FileFormat.JSONL else ROW
    lines = [HEADER if file_format is FileFormat.CSV else good, good, good.replace("M", "ü"), good]
    content = b"\n".join(
        line.encode("latin-1") if number == 2 else line.encode()
        for number, line in enumerate(lines)
    )
    (fault,) = faults_of(read(content, file_format))
    assert fault.startswith("line 3: is not UTF-8 at its byte ")


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_a_line_that_is_too_long_is_read_past(file_format: FileFormat) -> None:
    good = text(token()) if file_format is FileFormat.JSONL else ROW
    lines = [HEADER if file_format is FileFormat.CSV else good, "x" * 300_000, good]
    found = read("\n".join(lines).encode(), file_format, max_bytes=1000)
    assert faults_of(found) == ["line 2: is longer than 1000 bytes"]
    assert [each.line for each in found if isinstance(each, Record)][-1] == 3


def test_an_open_quote_does_not_take_in_the_whole_file() -> None:
    content = f'{HEADER}\n"DE{f"{ROW}{chr(10)}" * 100}'
    found = read(content.encode(), FileFormat.CSV, max_bytes=1000)
    assert faults_of(found) == [
        "line 2: begins a row of more than 1000 bytes: nothing more was read"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("file_format", list(FileFormat))
def test_another_encoding_is_refused_with_a_remedy(file_format: FileFormat, encoding: str) -> None:
    with pytest.raises(UnusableFile, match="save it as UTF-8"):
        read(f"{HEADER}\n{ROW}".encode(encoding), file_format)


def test_other_fields_cannot_say_what_has_a_column() -> None:
    content = f'{HEADER},other_fields\n{ROW},"{{""uid"":1}}"\n{ROW},[]\n{ROW},"{{""x"":1}}"'
    found = read(content.encode(), FileFormat.CSV)
    assert faults_of(found) == [
        "line 2: other_fields has a field that comes twice",
        "line 3: other_fields is not a JSON object",
    ]
    assert json.loads(texts_of(found[2:])[0])["x"] == 1


def test_a_json_line_that_is_no_object_is_named_and_empty_ones_are_nothing() -> None:
    content = b'\xef\xbb\xbf{"a":1}\r\n\r\n[1]\n"x"\n  {"b":2}  \n'
    found = read(content, FileFormat.JSONL)
    assert faults_of(found) == [
        "line 3: is not a JSON object",
        "line 4: is not a JSON object",
    ]
    assert [each.text for each in found if isinstance(each, Record)] == ['{"a":1}', '{"b":2}']


# Memory ------------------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    """A file that counts how far it was read, and never ends."""

    def __init__(self, first: bytes, line: bytes) -> None:
        self.lines = 0
        self._first = first
        self._line = line

    def readline(self, limit: int | None = -1, /) -> bytes:
        self.lines += 1
        return self._first if self.lines == 1 else self._line


@pytest.mark.parametrize(
    ("file_format", "first", "line"),
    [
        (FileFormat.JSONL, f"{text(token())}\n", f"{text(token())}\n"),
        (FileFormat.CSV, f"{HEADER}\n", f"{ROW}\n"),
    ],
)
def test_objects_come_one_by_one_from_a_file_that_never_ends(
    file_format: FileFormat, first: str, line: str
) -> None:
    endless = Endless(first.encode(), line.encode())
    records: Iterator[Record | Fault] = read_records(endless, TOKENS, file_format, max_bytes=MAX)
    for _ in range(50):
        assert isinstance(next(records), Record)
    assert endless.lines <= 52


def test_no_more_of_a_line_is_held_than_allowed() -> None:
    asked: list[int] = []

    class Watched(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().readline(size)

    list(read_lines(Watched(b"x" * 500_000), max_bytes=1000))
    assert 0 < max(asked) <= 65_536
    assert min(asked) > 0


@pytest.mark.parametrize(
    ("name", "found"),
    [("A.CSV", FileFormat.CSV), ("a.b.jsonl", FileFormat.JSONL), ("a.ndjson", FileFormat.JSONL),
     ("a.json", None), ("-", None)],
)  # fmt: skip
def test_a_name_may_tell_the_format(name: str, found: FileFormat | None) -> None:
    assert format_of(name) is found
