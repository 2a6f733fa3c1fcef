"""The lines of a file that somebody made: numbered, bounded, UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final, Protocol

from ocpi_hub.domain.value import value
from ocpi_hub.errors import OperatorError

_SKIP_BYTES: Final = 65_536
_OTHER_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Longer marks first: one begins with another."""


class Source(Protocol):
    """Where bytes come from."""

    def readline(self, limit: int, /) -> bytes:
        """A line with its break, or as much of it as the limit allows; empty at the end."""
        ...


class UnusableFile(OperatorError):
    """Nothing can be made of a file; the text says why and what to do."""


@value
class Fault:
    """What is wrong with a line, in words that name no content.

    Attributes:
        line: counted from 1; where the object begins.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@value
class Line:
    """A line with its line break."""

    number: int
    text: str
    size: int


def read_lines(source: Source, *, max_bytes: int) -> Iterator[Line | Fault]:
    """The lines of a file, one at a time; a byte order mark of UTF-8 is left out.

    Args:
        max_bytes: of a line; a longer one is a fault, and read past.

    Raises:
        UnusableFile: the file is in another encoding.
    """
    number = 0
    while raw := source.readline(max_bytes + 1):
        number += 1
        if number == 1:
            raw = _without_mark(raw)
        if len(raw) > max_bytes:
            _skip_line(source, raw)
            yield Fault(number, f"is longer than {max_bytes} bytes")
            continue
        try:
            yield Line(number, raw.decode(), len(raw))
        except UnicodeDecodeError as error:
            yield Fault(number, f"is not UTF-8 at its byte {error.start + 1}: save it as UTF-8")


def _without_mark(raw: bytes) -> bytes:
    for mark, name in _OTHER_ENCODINGS:
        if raw.startswith(mark):
            raise UnusableFile(f"the file is in {name}: save it as UTF-8")
    if b"\0" in raw[:_SKIP_BYTES]:
        raise UnusableFile("the file is not text in UTF-8: save it as UTF-8")
    return raw.removeprefix(codecs.BOM_UTF8)


def _skip_line(source: Source, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = source.readline(_SKIP_BYTES)
