"""Self-tests that people started, and what there is of a platform's traffic."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.platform_admin import unknown_platform
from ocpi_hub.store.queries import Queries

SQL = Queries("check_runs")
MOST = 5
"""Reports of a platform that are kept."""
DEAD_AFTER = timedelta(minutes=3)
"""Without a note, a run's process is taken for dead."""


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One self-test.

    Attributes:
        done, total: checks.
        error: why there is no report.
        counts: results by outcome, once there is a report.
    """

    run_id: uuid.UUID
    platform_id: PlatformId
    started_at: datetime
    ended_at: datetime | None
    started_by: str
    by_partner: bool
    writes: bool
    done: int
    total: int
    error: str | None
    conforms: bool | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """No run is begun now.

    Attributes:
        wait_s: seconds after which a partner may; None: one is running.
    """

    wait_s: float | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is there of a platform's parties; `cdrs`: one was delivered, from or to them."""

    locations: bool
    tokens: bool
    cdrs: bool


class CheckRuns:
    """The newest few runs of each platform. All methods raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        platform_id: PlatformId,
        started_by: str,
        *,
        writes: bool,
        partners_pause: timedelta | None,
    ) -> uuid.UUID | Refused:
        """A new run; one at a time for each platform.

        Args:
            partners_pause: a partner starts it, so long after its last one at the earliest.

        Raises:
            NoSuchObject: there is no such platform.
        """
        run_id = uuid.uuid4()
        async with self._database.transaction() as connection:
            if await connection.fetchrow(SQL.lock, platform_id) is None:
                raise unknown_platform(platform_id)
            await connection.execute(SQL.end_dead, platform_id, DEAD_AFTER)
            if await connection.fetchval(SQL.running, platform_id):
                return Refused(None)
            if partners_pause is not None:
                since_s = await connection.fetchval(SQL.since_partners_last, platform_id)
                if since_s is not None and since_s < partners_pause.total_seconds():
                    return Refused(partners_pause.total_seconds() - since_s)
            by_partner = partners_pause is not None
            await connection.execute(SQL.begin, run_id, platform_id, started_by, by_partner, writes)
            await connection.execute(SQL.drop_old, platform_id, MOST)
        return run_id

    async def progress(self, run_id: uuid.UUID, done: int, total: int) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.progress, run_id, done, total)

    async def end(
        self, run_id: uuid.UUID, *, report: object = None, error: str | None = None
    ) -> None:
        """It is over, with one of the two.

        Args:
            report: a JSON value.
        """
        text = json.dumps(report) if report is not None else None
        async with self._database.connection() as connection:
            await connection.execute(SQL.end, run_id, error, text)

    async def list(self, platform_id: PlatformId) -> Sequence[CheckRun]:
        """Newest first."""
        async with self._database.connection() as connection:
            return [_run(row) for row in await connection.fetch(SQL.list, platform_id, MOST)]

    async def find(self, platform_id: PlatformId, run_id: uuid.UUID) -> CheckRun | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, platform_id, run_id)
        return _run(row) if row is not None else None

    async def report(self, platform_id: PlatformId, run_id: uuid.UUID) -> str | None:
        """Its JSON text."""
        async with self._database.connection() as connection:
            text: str | None = await connection.fetchval(SQL.report, platform_id, run_id)
        return text

    async def traffic(self, parties: Collection[PartyId]) -> Traffic:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                SQL.traffic, *columns((party_columns(each) for each in parties), 2)
            )
        if row is None:
            raise AssertionError("this query has one row")
        return Traffic(row["locations"], row["tokens"], row["cdrs"])


def _run(row: asyncpg.Record) -> CheckRun:
    counts = row["counts"]
    return CheckRun(
        run_id=uuid.UUID(str(row["run_id"])),
        platform_id=PlatformId(row["platform_id"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        started_by=row["started_by"],
        by_partner=row["by_partner"],
        writes=row["writes"],
        done=row["done"],
        total=row["total"],
        error=row["error"],
        conforms=row["conforms"],
        counts=json.loads(counts) if isinstance(counts, str) else counts or {},
    )
