"""Deeds of people: the transaction knows who does them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("acting")


@asynccontextmanager
async def acting(database: Database, by: str) -> AsyncIterator[Connection]:
    """A transaction whose steps in the life of CDRs are recorded as somebody's.

    Args:
        by: `command`, or `operator NAME`.
    """
    async with database.transaction() as connection:
        await connection.execute(SQL.act, by)
        yield connection
