"""How results look to people: a list of objects as a table, one object as lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

NOTHING = "(nothing)"


def render_plain(result: object) -> str:
    """Any JSON-able result as text without a closing line break; "" for None."""
    match result:
        case None:
            return ""
        case str():
            return result
        case Mapping():
            return _lines(result)
        case list() | tuple():
            rows = [row for row in result if isinstance(row, Mapping)]
            if rows and len(rows) == len(result):
                return _table(rows)
            return "\n".join(_cell(each) for each in result) or NOTHING
        case _:
            return _cell(result)


def _lines(fields: Mapping[str, object]) -> str:
    width = max((len(_title(key)) for key in fields), default=0)
    return (
        "\n".join(
            f"{_title(key)}:{' ' * (width - len(_title(key)))} {_cell(value)}".rstrip()
            for key, value in fields.items()
        )
        or NOTHING
    )


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    """Columns in the order in which the rows bring them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_title(name) for name in names]]
    cells += [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> str:
    """One value on one line; nested values as short text, so that a table stays a table."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return " ".join(value.split()) or "-"
        case Mapping():
            return " ".join(_cell(each) for each in value.values()) or "-"
        case list() | tuple():
            return ", ".join(_cell(each) for each in value) or "-"
        case _:
            return json.dumps(value, ensure_ascii=False)
