"""Named queries, one file per store: `-- name: foo_bar` starts the query `foo_bar`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

_NAME = re.compile(r"^--\s*name:\s*(\w+)\s*$")


class Queries:
    """The queries of `store/sql/<name>.sql`, as attributes or by subscript.

    Raises:
        LookupError: the file, or on access the query, does not exist.
        ValueError: text before the first name, a name twice, or a name without a query.
    """

    def __init__(self, name: str) -> None:
        self._file = f"sql/{name}.sql"
        source = resources.files("ocpi_hub.store").joinpath("sql", f"{name}.sql")
        if not source.is_file():
            raise LookupError(f"there is no {self._file} in ocpi_hub.store")
        self._queries = parse_queries(source.read_text(encoding="utf-8"), self._file)

    def __getitem__(self, name: str) -> str:
        try:
            return self._queries[name]
        except KeyError:
            known = ", ".join(sorted(self._queries))
            raise LookupError(f"{self._file} has no query {name}; it has {known}") from None

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except LookupError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)


def parse_queries(text: str, file: str) -> dict[str, str]:
    """The queries of a file's text by name.

    Raises:
        ValueError: as Queries.
    """
    queries: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _NAME.match(line):
            if match[1] in queries:
                raise ValueError(f"{file}:{number}: the name {match[1]} is taken")
            current = queries[match[1]] = []
        elif current is not None:
            current.append(line)
        elif line.strip() and not line.lstrip().startswith("--"):
            raise ValueError(f"{file}:{number}: a query without a name")
    result = {name: "\n".join(lines).strip() for name, lines in queries.items()}
    for name, query in result.items():
        if not any(part.strip() and not part.startswith("--") for part in query.splitlines()):
            raise ValueError(f"{file}: the query {name} is empty")
    return result
