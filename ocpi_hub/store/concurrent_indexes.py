"""Migrations that build indexes of large tables while the hub goes on.

A file whose first line is `-- concurrently` holds nothing but indexes to create or drop. Each is a
statement of its own, outside of a transaction, and takes as long as it takes: reads and writes go
on meanwhile. What a crash leaves is an index that is not valid, which is dropped and built again
when the file is run again; what is there already stays, also if somebody made it by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    import asyncpg

log = get_logger(__name__)

MARK: Final = "-- concurrently\n"

_STATEMENT: Final = re.compile(
    r"create (?:unique )?index concurrently if not exists (?P<made>[a-z0-9_]+)\s+on\s.+"
    r"|drop index concurrently if exists (?P<dropped>[a-z0-9_]+)",
    re.DOTALL,
)
_IS_BROKEN = (
    "select exists (select from pg_index where indexrelid = to_regclass($1) and not indisvalid)"
)
_DROP = "drop index concurrently if exists {index}"


@dataclass(frozen=True, slots=True)
class IndexStatement:
    """A statement of such a file.

    Attributes:
        index: a plain lower-case name.
    """

    sql: str
    index: str
    makes: bool


def is_concurrent(sql: str) -> bool:
    """Whether a file asks for this."""
    return sql.startswith(MARK)


def statements_of(sql: str) -> list[IndexStatement]:
    """What such a file does, in order.

    Raises:
        ValueError: something else stands in it, which could not be taken up again after a crash.
    """
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    found = []
    for each in filter(None, map(str.strip, "\n".join(lines).split(";"))):
        match = _STATEMENT.fullmatch(each)
        if match is None:
            raise ValueError(f"no index is created or dropped concurrently by: {each[:100]}")
        index = match["made"] or match["dropped"]
        found.append(IndexStatement(each, index, makes=match["made"] is not None))
    return found


async def run_concurrently(connection: asyncpg.Connection[asyncpg.Record], sql: str) -> None:
    """Do what such a file asks for. No transaction is open, and no timeout set.

    Raises:
        asyncpg.PostgresError: it can be tried again; what is done stays done.
    """
    for statement in statements_of(sql):
        if statement.makes and await connection.fetchval(_IS_BROKEN, statement.index):
            log.info("broken_index_dropped", index=statement.index)
            await connection.execute(_DROP.format(index=statement.index))
        log.info("index_changes", index=statement.index, made=statement.makes)
        await connection.execute(statement.sql)
