"""What messages and decisions add up to, minute by minute, in PostgreSQL.

Pages read these few rows, never the messages themselves. One process at a time adds up: the last
minutes again each time, as records arrive a little late.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from ocpi_hub.clock import Clock
from ocpi_hub.errors import StoreError
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("traffic")

EVERY_S = 15.0
KEPT = timedelta(days=30)
_AGAIN = timedelta(minutes=2)
_FURTHEST = timedelta(hours=1)
_STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class TrafficMinute:
    """A minute; latencies are those of requests to the hub, None where there was none.

    Attributes:
        decided: decisions by who decided.
    """

    minute: datetime
    received: int
    sent: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    decided: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrafficStep:
    """Minutes added up.

    Attributes:
        p50_ms, p95_ms, p99_ms: means of the minutes' percentiles, weighted by requests.
        modules: requests by module.
        outcomes: authorizations by what was allowed, `none` without an answer.
        waiting: the most that waited at a time: CDRs, Sessions, pushes that were not taken.
    """

    step: datetime
    received: int
    sent: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    modules: Mapping[str, int]
    outcomes: Mapping[str, int]
    waiting: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DayOfCdrs:
    """CDRs that ended on a day, UTC."""

    day: date
    cdrs: int
    energy_kwh: float


class PostgresTraffic:
    """Adds up, and reads what was added up."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def since(self, since: datetime) -> Sequence[TrafficMinute]:
        """In order; minutes without any traffic are missing."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.since, since)
        return [
            TrafficMinute(
                row["minute"],
                row["received"],
                row["sent"],
                row["failed"],
                row["p50_ms"],
                row["p95_ms"],
                row["p99_ms"],
                json.loads(row["decided"]),
            )
            for row in rows
        ]

    async def within(self, since: datetime, step: timedelta) -> Sequence[TrafficStep]:
        """In order, in steps that begin at multiples; those without any traffic are missing."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.within, since, step)
        return [
            TrafficStep(
                row["step"],
                int(row["received"]),
                int(row["sent"]),
                int(row["failed"]),
                row["p50_ms"],
                row["p95_ms"],
                row["p99_ms"],
                *(json.loads(row[name] or "{}") for name in ("modules", "outcomes", "waiting")),
            )
            for row in rows
        ]

    async def energy(self, day: date) -> DayOfCdrs:
        """What was charged on a day, UTC, by the CDRs that are there now."""
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.energy, begin, begin + timedelta(days=1))
        return (
            DayOfCdrs(day, row["cdrs"], float(row["energy_kwh"])) if row else DayOfCdrs(day, 0, 0)
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Add up until `stop`."""
        while not stop.is_set():
            try:
                await self.add_up()
            except StoreError as error:
                log.warning("traffic_not_added_up", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)

    async def add_up(self) -> None:
        """All that is missing, at most of the last hour; a few minutes for each transaction."""
        now = self._clock.now()
        start: datetime | None = None
        while start is None or start < now:
            async with self._database.transaction() as connection:
                if not await connection.fetchval(SQL.try_lock):
                    return
                if start is None:
                    start = _begin(await connection.fetchval(SQL.last_minute), now)
                    await connection.execute(SQL.forget, KEPT)
                await connection.execute(SQL.add_up, start, start + _STEP)
            start += _STEP
        async with self._database.transaction() as connection:
            if await connection.fetchval(SQL.try_lock):
                await connection.execute(SQL.note_waiting, now)


def _begin(last: datetime | None, now: datetime) -> datetime:
    start = max(last - _AGAIN, now - _FURTHEST) if last is not None else now - _FURTHEST
    return start.replace(second=0, microsecond=0)
