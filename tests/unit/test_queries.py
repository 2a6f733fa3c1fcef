from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from importlib import resources

import pytest

import ocpi_hub.store
from ocpi_hub.store.cdr_gaps import GapKind
from ocpi_hub.store.queries import Queries, parse_queries

TEXT = """-- About this file.

-- name: first
-- Why it is so.
select 1;

--name:second_one
select 2
where true
"""


def test_queries_are_found_by_name() -> None:
    queries = parse_queries(TEXT, "x.sql")
    assert queries == {
        "first": "-- Why it is so.\nselect 1;",
        "second_one": "select 2\nwhere true",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1", "x.sql:1: a query without a name"),
        ("-- name: a\nselect 1\n-- name: a\nselect 2", "x.sql:3: the name a is taken"),
        ("-- name: a\n-- only words\n", "the query a is empty"),
    ],
)
def test_broken_file_says_where(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_queries(text, "x.sql")


def test_missing_file_is_named() -> None:
    with pytest.raises(LookupError, match=r"sql/no_such_store\.sql"):
        Queries("no_such_store")


def shipped() -> list[str]:
    folder = resources.files("ocpi_hub.store").joinpath("sql")
    return sorted(item.name.removesuffix(".sql") for item in folder.iterdir())


@pytest.mark.parametrize("name", shipped())
def test_shipped_queries_load_and_unknown_ones_are_named(name: str) -> None:
    queries = Queries(name)
    known = list(queries)
    assert known
    assert getattr(queries, known[0]) == queries[known[0]]
    with pytest.raises(LookupError, match=f"sql/{name}.sql has no query missing"):
        queries["missing"]
    with pytest.raises(AttributeError, match="has no query missing"):
        _ = queries.missing


def test_every_query_is_used() -> None:
    unused = {(file, name) for file in shipped() for name in Queries(file)}
    file_of = {tuple(Queries(file)): file for file in shipped()}
    for info in pkgutil.iter_modules(ocpi_hub.store.__path__, "ocpi_hub.store."):
        module = importlib.import_module(info.name)
        for alias, queries in vars(module).items():
            if isinstance(queries, Queries):
                names = re.findall(rf"\b{alias}\.(\w+)", inspect.getsource(module))
                unused -= {(file_of[tuple(queries)], name) for name in names}
    assert unused == {("cdr_gaps", kind) for kind in GapKind}, "but for those, named by their kind"


def test_no_query_changes_its_session() -> None:
    """Connections go back to the pool as they are: see `store/database.py`."""
    changes = re.compile(
        r"^\s*(set|listen|declare|prepare|discard|reset)\b|set_config\([^)]*false\)"
        r"|pg_(try_)?advisory_lock|create\s+temp",
        re.IGNORECASE | re.MULTILINE,
    )
    folder = resources.files("ocpi_hub.store") / "sql"
    for file in folder.iterdir():
        for name, query in parse_queries(file.read_text(), file.name).items():
            assert not changes.search(_without_updates(query)), f"{file.name}: {name}"


def _without_updates(query: str) -> str:
    """`set` begins a line of an update, too."""
    return re.sub(r"\b(update|do update)\b[^;]*?\bset\b", "", query, flags=re.IGNORECASE)
