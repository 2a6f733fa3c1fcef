"""How results look to people: a list of objects as a table, one object as lines.

A table that is wider than the terminal leaves out the columns in which nothing stands; if it is too
wide even so, its rows are shown one below the other. What goes into a file or another program is a
table whatever its width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ocpi_hub.cli.terminal import columns

NOTHING = "(nothing)"
ABSENT = "-"
INDENT = "  "

Fields = Mapping[str, object]


def render_plain(result: object, *, width: int | None = None) -> str:
    """Any JSON-able result as text without a closing line break; "" for None.

    Args:
        width: the most characters in a line of a table; None: those of the terminal.
    """
    width = columns() if width is None else width
    match result:
        case None:
            return ""
        case str():
            return result
        case Mapping():
            return _lines(result, width)
        case list() | tuple():
            rows = _rows(result)
            if rows:
                return _table(rows, width)
            return "\n".join(_cell(each) for each in result) or NOTHING
        case _:
            return _cell(result)


def _rows(values: Sequence[object]) -> list[Fields]:
    """The objects of a list that holds nothing else; else nothing."""
    rows = [each for each in values if isinstance(each, Mapping)]
    return rows if len(rows) == len(values) else []


def _lines(fields: Fields, width: int) -> str:
    """A field on a line; what holds objects stands below its name."""
    blocks = {key: _block(value, width - len(INDENT)) for key, value in fields.items()}
    longest = max((len(_title(key)) for key in fields), default=0)
    lines: list[str] = []
    for key, block in blocks.items():
        if block:
            lines.append(f"{_title(key)}:")
            lines += [f"{INDENT}{line}".rstrip() for line in block.split("\n")]
        else:
            title = f"{_title(key)}:".ljust(longest + 1)
            lines.append(f"{title} {_cell(fields[key])}".rstrip())
    return "\n".join(lines) or NOTHING


def _block(value: object, width: int) -> str:
    """Objects inside of an object; "" for what fits on its line."""
    match value:
        case Mapping():
            return "" if _cell(value) == ABSENT else _lines(value, width)
        case list() | tuple():
            rows = _rows(value)
            if any(_deep(row) for row in rows):
                return _records(rows, width)
            return _table(rows, width) if rows else ""
        case _:
            return ""


def _deep(row: Fields) -> bool:
    """Whether it holds lists of objects, which no cell can show."""
    return any(isinstance(each, list | tuple) and _rows(each) for each in row.values())


def _table(rows: Sequence[Fields], width: int) -> str:
    """Columns in the order in which the rows bring them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
    for shown in (names, [name for name in names if set(cells[name]) != {ABSENT}]):
        widths = [max(map(len, (_title(name), *cells[name]))) for name in shown]
        if sum(widths) + len(INDENT) * (len(shown) - 1) <= width:
            texts = [[_title(name), *cells[name]] for name in shown]
            lines = (INDENT.join(map(str.ljust, line, widths)) for line in zip(*texts, strict=True))
            return "\n".join(line.rstrip() for line in lines)
    return _records(rows, width)


def _records(rows: Sequence[Fields], width: int) -> str:
    """Objects one below the other, without what they do not have."""
    present = (
        {name: value for name, value in row.items() if _cell(value) != ABSENT} for row in rows
    )
    return "\n\n".join(_lines(row, width) for row in present)


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> str:
    """One value on one line; nested values as short text, so that a table stays a table."""
    match value:
        case None:
            return ABSENT
        case bool():
            return "yes" if value else "no"
        case str():
            return " ".join(value.split()) or ABSENT
        case Mapping():
            cells = [_cell(each) for each in value.values()]
            return " ".join(cells) if any(each != ABSENT for each in cells) else ABSENT
        case list() | tuple():
            return ", ".join(_cell(each) for each in value) or ABSENT
        case _:
            return json.dumps(value, ensure_ascii=False)
