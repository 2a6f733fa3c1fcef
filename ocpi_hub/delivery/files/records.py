"""A file as a stream of objects, and back.

Reading never stops at a fault: it yields what is wrong with the line and goes on, so that one
reading finds them all. Only a file of which nothing can be made ends it.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO, Final

from ocpi_hub.delivery.files.columns import CellFault, Table
from ocpi_hub.delivery.files.lines import Fault, Line, Source, UnusableFile, read_lines
from ocpi_hub.domain.value import value

LINE_ENDS: Final = "\r\n"


class FileFormat(StrEnum):
    """How objects are written to a file."""

    JSONL = "jsonl"
    """One JSON object a line: the text as it came."""
    CSV = "csv"
    """A row for each object, for spreadsheets."""


@value
class Record:
    """An object of a file.

    Attributes:
        line: where it begins.
        text: JSON; of JSON Lines the line, byte for byte.
    """

    line: int
    text: str


def format_of(name: str) -> FileFormat | None:
    """The format that a file's name tells; None if it does not."""
    match name.lower().rpartition(".")[2]:
        case "csv":
            return FileFormat.CSV
        case "jsonl" | "ndjson":
            return FileFormat.JSONL
        case _:
            return None


def read_records(
    source: Source, table: Table, file_format: FileFormat, *, max_bytes: int
) -> Iterator[Record | Fault]:
    """The objects of a file, one at a time, not yet validated.

    Args:
        max_bytes: of an object.

    Raises:
        UnusableFile: nothing can be made of the file.
    """
    match file_format:
        case FileFormat.JSONL:
            yield from _json_lines(source, max_bytes)
        case FileFormat.CSV:
            yield from _CsvRows(source, table, max_bytes).records()


def _json_lines(source: Source, max_bytes: int) -> Iterator[Record | Fault]:
    for line in read_lines(source, max_bytes=max_bytes):
        if isinstance(line, Fault):
            yield line
            continue
        text = line.text.strip(" \t\r\n")
        if line.number == 1 and text.startswith("["):
            raise UnusableFile(
                "the file is a JSON list, not JSON Lines: write one object on each line"
            )
        if text.startswith("{"):
            yield Record(line.number, text)
        elif text:
            yield Fault(line.number, "is not a JSON object")


class _TooLong(Exception):
    """A row is larger than an object may be."""


class _Lines:
    """What `csv` reads from: lines, with a look at those of the present row."""

    def __init__(self, source: Source, max_bytes: int) -> None:
        self._lines = read_lines(source, max_bytes=max_bytes)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._number = 0
        self._fault: Fault | None = None

    def begin_row(self) -> int:
        """Returns the number of the line that comes next."""
        self._fault, self._bytes = None, 0
        return self._number + 1

    def fault(self) -> Fault | None:
        """What is wrong with a line of the present row."""
        return self._fault

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if isinstance(line, Line):
            self._number = line.number
            self._bytes += line.size
            if self._bytes > self._max_bytes:
                raise _TooLong
            return line.text
        self._number, self._fault = line.line, self._fault or line
        return LINE_ENDS


class _CsvRows:
    """The rows of a CSV file; the first one names the columns."""

    def __init__(self, source: Source, table: Table, max_bytes: int) -> None:
        # The limit is the module's own for all readers of the process; its rows are bounded anyway.
        csv.field_size_limit(max(max_bytes, csv.field_size_limit()))
        self._table = table
        self._max_bytes = max_bytes
        self._lines = _Lines(source, max_bytes)

    def records(self) -> Iterator[Record | Fault]:
        header = next(self._lines, None)
        if header is None:
            return
        if (fault := self._lines.fault()) is not None:
            raise UnusableFile(str(fault))
        delimiter = ";" if ";" in header and "," not in header else ","
        names = self._names(header, delimiter)
        rows = csv.reader(self._lines, delimiter=delimiter, strict=True)
        while True:
            line = self._lines.begin_row()
            try:
                cells = next(rows, None)
            except _TooLong:
                # What is left of it cannot be told from what follows.
                text = f"begins a row of more than {self._max_bytes} bytes: nothing more was read"
                yield Fault(line, text)
                return
            except csv.Error as error:
                yield self._lines.fault() or Fault(line, f"is not CSV: {error}")
                continue
            if cells is None:
                return
            found = self._record(line, names, cells)
            if found is not None:
                yield found

    def _names(self, header: str, delimiter: str) -> list[str]:
        try:
            row = next(csv.reader([header], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise UnusableFile(f"line 1: is not CSV: {error}") from None
        names = [name.strip() for name in row]
        known = ", ".join(self._table.names)
        for name in names:
            if name not in self._table.names:
                raise UnusableFile(f"line 1: there is no column {name!r:.80}; there are: {known}")
            if names.count(name) > 1:
                raise UnusableFile(f"line 1: the column {name} comes twice")
        for name in self._table.required:
            if name not in names:
                raise UnusableFile(f"line 1: the column {name} is missing; there are: {known}")
        return names

    def _record(self, line: int, names: list[str], cells: list[str]) -> Record | Fault | None:
        if (fault := self._lines.fault()) is not None:
            return fault
        if not any(cells):
            return None
        if len(cells) != len(names):
            return Fault(line, f"has {len(cells)} cells, the first line has {len(names)}")
        try:
            return Record(line, self._table.object_text(dict(zip(names, cells, strict=True))))
        except CellFault as wrong:
            return Fault(line, str(wrong))


class RecordWriter:
    """Writes objects to a file, one at a time.

    CSV begins with a byte order mark: spreadsheets take it for something else without one.
    """

    def __init__(self, target: BinaryIO, table: Table, file_format: FileFormat) -> None:
        self._target = target
        self._table = table
        self._csv = file_format is FileFormat.CSV
        self._rows = csv.writer(_Encoded(target), quoting=csv.QUOTE_ALL, lineterminator=LINE_ENDS)
        if self._csv:
            target.write(codecs.BOM_UTF8)
            # Names of columns need no quotes, and look better to whoever writes such a file.
            target.write((",".join(table.names) + LINE_ENDS).encode())

    def write(self, text: str) -> None:
        """Write an object, given as JSON."""
        if self._csv:
            self._rows.writerow(self._table.row(text))
        else:
            self._target.write(f"{one_line(text)}\n".encode())


def one_line(text: str) -> str:
    """JSON without line breaks. In strings they are escaped, so only layout is concerned."""
    return text.replace("\r", " ").replace("\n", " ") if "\n" in text or "\r" in text else text


class _Encoded:
    """What `csv` writes to."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def write(self, text: str) -> int:
        return self._target.write(text.encode())


def words(message: str) -> str:
    """What a parser says about the object of a line, for a person who sees the file."""
    return message.replace("The body", "the object").replace(" at line 1 column ", " at column ")
