"""Columns of CSV files: fields of an object by their OCPI names, nested ones with dots.

A row says the same as its object. What a cell cannot say (null, an empty string, a field of no
column) goes as JSON into the last column, `other_fields`.

Spreadsheets run cells that begin like a formula. Such a text is written with an apostrophe in
front, and so is one that begins with an apostrophe; reading takes it off again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.json_text import elements, members

OTHER_FIELDS: Final = "other_fields"

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DANGEROUS: Final = frozenset("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")
"""First characters with which a cell may be a formula, the apostrophe that disarms one, and the
forms of full width that some spreadsheets take for the same."""


class Kind(Enum):
    """What a cell holds."""

    TEXT = auto()
    NUMBER = auto()
    """As JSON writes it, all digits kept."""
    FLAG = auto()
    """true or false, in any case: spreadsheets write capitals."""
    JSON = auto()
    """A list or an object."""


@value
class Column:
    """A column of a table.

    Attributes:
        name: a field, or fields with dots between them.
        required: the objects of a file without this column cannot be valid.
    """

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False


class CellFault(ValueError):
    """A row makes no object; the text names the column and the rule."""


Tree = dict[str, "str | Tree"]
"""Fields: JSON text, or fields below."""


class Table:
    """Objects of one module as rows.

    Args:
        columns: without `other_fields`.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._by_name = {column.name: column for column in columns}
        self._groups = {name[:end] for name in self._by_name for end in _dots(name)}
        self.names = (*self._by_name, OTHER_FIELDS)
        self.required = tuple(column.name for column in columns if column.required)

    def row(self, text: str) -> list[str]:
        """The cells of an object, in the order of `names`."""
        cells = dict.fromkeys(self.names, "")
        rest = self._fill(text, "", cells)
        if rest:
            cells[OTHER_FIELDS] = _object_text(rest)
        return list(cells.values())

    def _fill(self, text: str, prefix: str, cells: dict[str, str]) -> Tree:
        """Set the cells of an object's fields; returns the fields that no cell can say."""
        rest: Tree = {}
        for name, raw in members(text):
            path = prefix + name
            column = self._by_name.get(path)
            cell = _cell(column.kind, raw) if column and "." not in name else None
            if cell is not None:
                cells[path] = cell
            elif path in self._groups and "." not in name and raw.startswith("{"):
                below = self._fill(raw, f"{path}.", cells)
                if below or not members(raw):
                    rest[name] = below
            else:
                rest[name] = raw
        return rest

    def object_text(self, cells: Mapping[str, str]) -> str:
        """The object of a row, given by the names of columns.

        Raises:
            CellFault: a cell does not hold what its column is for.
        """
        fields: Tree = {}
        for name, cell in cells.items():
            if cell == "" or name == OTHER_FIELDS:
                continue
            _insert(fields, name, _raw(self._by_name[name], cell))
        other = cells.get(OTHER_FIELDS, "")
        if other.strip():
            try:
                _merge(fields, other)
            except ValueError as error:
                raise CellFault(
                    str(error)
                    if isinstance(error, CellFault)
                    else f"{OTHER_FIELDS} is not a JSON object"
                ) from None
        return _object_text(fields)


def _dots(name: str) -> list[int]:
    """Where the names of the groups end that a column is in."""
    return [at for at, sign in enumerate(name) if sign == "."]


def _cell(kind: Kind, raw: str) -> str | None:
    """What says a JSON value in a cell; None if none can."""
    match kind:
        case Kind.TEXT:
            text = json.loads(raw) if raw.startswith('"') else ""
            return f"'{text}" if text[:1] in _DANGEROUS else text or None
        case Kind.NUMBER:
            return raw if _NUMBER.fullmatch(raw) else None
        case Kind.FLAG:
            return raw if raw in ("true", "false") else None
        case Kind.JSON:
            return raw if raw.startswith(("[", "{")) else None


def _raw(column: Column, cell: str) -> str:
    """The JSON text that a cell stands for.

    Raises:
        CellFault: it stands for none of its column's kind.
    """
    match column.kind:
        case Kind.TEXT:
            plain = cell[1:] if cell.startswith("'") and cell[1:2] in _DANGEROUS else cell
            return json.dumps(plain, ensure_ascii=False)
        case Kind.NUMBER:
            if _NUMBER.fullmatch(cell.strip()):
                return cell.strip()
            raise CellFault(f"{column.name} is not a number, which is written like 22.5")
        case Kind.FLAG:
            if (flag := cell.strip().lower()) in ("true", "false"):
                return flag
            raise CellFault(f"{column.name} is neither true nor false")
        case Kind.JSON:
            return _require_json(column.name, cell.strip())


def _require_json(name: str, text: str) -> str:
    try:
        (members if text.startswith("{") else elements)(text)
    except ValueError:
        raise CellFault(f"{name} is neither a JSON list nor a JSON object") from None
    return text


def _insert(fields: Tree, name: str, raw: str) -> None:
    *groups, last = name.split(".")
    for group in groups:
        below = fields.setdefault(group, {})
        if not isinstance(below, dict):
            raise AssertionError("a column is a field or a group of fields")
        fields = below
    fields[last] = raw


def _merge(fields: Tree, text: str) -> None:
    """Add the members of an object to fields.

    Raises:
        CellFault: a field is there already.
        ValueError: the text is no object.
    """
    for name, raw in members(text):
        there = fields.get(name)
        if there is None:
            fields[name] = raw
        elif isinstance(there, dict) and raw.startswith("{"):
            _merge(there, raw)
        else:
            raise CellFault(f"{OTHER_FIELDS} has a field that comes twice")


def _object_text(fields: Tree) -> str:
    parts = (
        f"{json.dumps(name, ensure_ascii=False)}:"
        f"{_object_text(below) if isinstance(below, dict) else below}"
        for name, below in fields.items()
    )
    return f"{{{','.join(parts)}}}"
