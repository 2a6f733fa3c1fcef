"""Runs of the whitelist exchange, and schedules, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ocpi_hub.delivery.whitelist_runs import (
    Due,
    Extent,
    LastRuns,
    Run,
    RunId,
    RunState,
    Schedule,
)
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries

SQL = Queries("whitelist")

KEPT: Final = timedelta(days=400)
"""For which the record of a run that is over is kept."""


class WhitelistAdmin:
    """Schedules and runs, as operators and the scheduler see them. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Schedules -----------------------------------------------------------------------------------

    async def set_schedule(self, schedule: Schedule) -> None:
        """Put a schedule in the place of any other one.

        Raises:
            NoSuchObject: there is no such platform.
        """
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                SQL.set_schedule, schedule.platform_id, schedule.pull, schedule.next_at
            )
        if found is None:
            raise NoSuchObject(f"there is no platform {schedule.platform_id}: see `platform list`")

    async def drop_schedule(self, platform_id: PlatformId) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.drop_schedule, platform_id)

    async def schedules(self, platform_id: PlatformId | None = None) -> Sequence[Schedule]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.schedules, platform_id)
        return [_schedule(row) for row in rows]

    async def due(self) -> Sequence[Due]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.due_schedules)
        return [Due(_schedule(row), row["at"]) for row in rows]

    async def start_due(
        self, due: Due, next_at: datetime, date_from: datetime | None, *, start: bool
    ) -> Run | None:
        """Move a schedule on, and start its run.

        Args:
            start: there is something to read.

        Returns:
            The run; None if another process was faster, or the one before is not over.
        """
        platform_id = due.schedule.platform_id
        async with self._database.transaction() as connection:
            moved = await connection.fetchval(
                SQL.move_schedule, platform_id, due.schedule.next_at, next_at
            )
            if moved is None or not start:
                return None
            return await _start(connection, platform_id, date_from)

    # Runs ----------------------------------------------------------------------------------------

    async def last_runs(self, platform_id: PlatformId) -> LastRuns:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.last_runs, platform_id)
        if row is None or row["any_at"] is None:
            return LastRuns()
        owners = frozenset(map(PartyId.parse, json.loads(row["owners"] or "[]")))
        return LastRuns(row["full_at"], row["any_at"], owners)

    async def start(self, platform_id: PlatformId, date_from: datetime | None) -> Run:
        """Start a run now.

        Raises:
            OperatorError: another one is not over.
        """
        async with self._database.transaction() as connection:
            run = await _start(connection, platform_id, date_from)
            if run is None:
                active = await connection.fetchrow(SQL.active, platform_id)
                which = f"run {active['run_id']}" if active else "another run"
                raise OperatorError(f"{which} of {platform_id} is not over: see `whitelist runs`")
        return run

    async def find(self, run_id: RunId) -> Run:
        """A run.

        Raises:
            NoSuchObject: there is none.
        """
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, run_id)
        if row is None:
            raise NoSuchObject(f"there is no run {run_id}: see `whitelist runs`")
        return run_of(row)

    async def list(
        self,
        platform_id: PlatformId | None,
        limit: int,
        *,
        state: RunState | None = None,
        before: RunId | None = None,
    ) -> Sequence[Run]:
        """Newest first.

        Args:
            before: only older ones.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.list, platform_id, state, before, limit)
        return [run_of(row) for row in rows]

    async def confirm(self, run_id: RunId) -> Run:
        """Have withdrawn what a list that is held lacks.

        Raises:
            NoSuchObject: there is no such run.
            OperatorError: it is not held, or another one of its platform runs.
        """
        run = await self.find(run_id)
        async with self._database.transaction() as connection:
            try:
                row = await connection.fetchrow(SQL.confirm, run_id)
            except asyncpg.UniqueViolationError:
                raise OperatorError(f"another run of {run.platform_id} is not over") from None
        if row is None:
            raise OperatorError(f"run {run_id} is {run.state}, not held")
        return run_of(row)

    async def discard(self, run_id: RunId) -> Run:
        """Let stand what a list that is held lacks, or stop a run.

        Raises:
            NoSuchObject: there is no such run.
            OperatorError: it is over.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.discard, run_id)
            if row is not None and row["state"] == RunState.DONE:
                await connection.execute(SQL.note_knowledge, run_id)
        if row is None:
            run = await self.find(run_id)
            raise OperatorError(f"run {run_id} is {run.state}: there is nothing to discard")
        return run_of(row)


async def _start(
    connection: Connection, platform_id: PlatformId, date_from: datetime | None
) -> Run | None:
    extent = Extent.FULL if date_from is None else Extent.PARTIAL
    await connection.execute(SQL.forget_runs, platform_id, KEPT)
    row = await connection.fetchrow(SQL.start, platform_id, extent, date_from)
    return run_of(row) if row else None


def _schedule(row: asyncpg.Record) -> Schedule:
    return Schedule(PlatformId(row["platform_id"]), row["pull"], row["next_at"])


def run_of(row: asyncpg.Record) -> Run:
    """The run in a row of `whitelist_run`."""
    return Run(
        run_id=RunId(row["run_id"]),
        platform_id=PlatformId(row["platform_id"]),
        source=row["source"],
        extent=Extent(row["extent"]),
        state=RunState(row["state"]),
        date_from=row["date_from"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        pages=row["pages"],
        seen=row["seen"],
        added=row["added"],
        changed=row["changed"],
        absent=row["absent"],
        withdrawn=row["withdrawn"],
        errors=row["errors"],
        note=row["note"],
    )
