"""The default relation that was in force, in PostgreSQL."""

from __future__ import annotations

from itertools import islice

from ocpi_hub.delivery.default_relation import NewlyVisible
from ocpi_hub.domain.party import RelationMode
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import request_backfills
from ocpi_hub.store.queries import Queries

SQL = Queries("remembered_setting")

NAME = "default_relation"
AT_ONCE = 5000
"""Rows of one statement."""


class PostgresDefaultRelationStore:
    """Implements `delivery.default_relation.DefaultRelationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changed(self, mode: RelationMode, newly_visible: NewlyVisible) -> int | None:
        async with self._database.transaction() as connection:
            await connection.execute(SQL.remember_first, NAME, mode)
            before = RelationMode(await connection.fetchval(SQL.lock, NAME))
            if before is mode:
                return None
            await connection.execute(SQL.remember, NAME, mode)
            count, pairs = 0, iter(newly_visible(before))
            while chunk := list(islice(pairs, AT_ONCE)):
                await request_backfills(connection, chunk, deleted=True)
                count += len(chunk)
        return count
