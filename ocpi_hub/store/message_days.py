"""Tables of message records and of what was in them, one for each day: made ahead, dropped when too
old."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

from ocpi_hub.errors import StoreError
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("messages")

AHEAD = 3
"""Days made in advance: a hub that cannot make any for so long still records."""

LOOK_S = 3600.0
RETRY_S = 30.0


class MessageDays:
    """Makes and drops the tables. Every process may run it: the database lets one work at a time.

    Args:
        keep_days: days that are kept besides the present one.
        table: whose days they are: `message` or `message_content`.
    """

    def __init__(self, database: Database, *, keep_days: int, table: str = "message") -> None:
        self._database = database
        self._keep_days = keep_days
        self._table = table
        self._known: frozenset[date] = frozenset()

    def has(self, at: datetime) -> bool:
        """Whether there is a table for this moment, as far as is known here."""
        return at.astimezone(UTC).date() in self._known

    async def make(self) -> None:
        """Make today's table and the next days', and learn which there are.

        Raises:
            StoreError: the database does not answer, or another process makes them right now.
        """
        async with self._database.transaction() as connection:
            made = await connection.fetchval(SQL.make_days, self._table, AHEAD)
        await self.learn()
        if made:
            log.info("message_days_made", table=self._table, days=made)

    async def learn(self) -> None:
        """Learn which days there are.

        Raises:
            StoreError: the database does not answer.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.days, self._table)
        self._known = frozenset(row["day"] for row in rows)

    async def drop_old(self) -> list[date]:
        """Drop what is older than it is kept; the days.

        Raises:
            StoreError: the database does not answer, or somebody reads such a day for long.
        """
        dropped: list[date] = []
        while True:
            async with self._database.transaction() as connection:
                day = await connection.fetchval(SQL.drop_oldest_day, self._table, self._keep_days)
            if day is None:
                return dropped
            dropped.append(day)
            self._known -= {day}
            log.info("message_day_dropped", table=self._table, day=day.isoformat())

    async def run(self, stop: asyncio.Event) -> None:
        """Look every hour until `stop` is set."""
        while not stop.is_set():
            pause_s = LOOK_S
            try:
                await self.make()
                await self.drop_old()
            except StoreError as error:
                log.warning("message_days_wait_for_database", error=str(error))
                pause_s = RETRY_S
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue
