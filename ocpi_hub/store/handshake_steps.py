"""Steps of handshakes in PostgreSQL: the newest of each platform."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import StoreError
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import Attempt, Step, StepName
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

SQL = Queries("handshake_steps")
MOST = 100
"""Steps of a platform that are kept."""
MOST_OF_NOBODY = 300
"""Steps of attempts that led to no platform."""
PATIENCE_S = 2.0
"""What a handshake waits for its notes."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NotedStep:
    """A step that was noted."""

    at: datetime
    attempt: Attempt
    step: Step


class PostgresSteps:
    """Implements `registration.steps.StepLog`, and reads what it wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, attempt: Attempt, step: Step) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._add(attempt, step)
        except (StoreError, TimeoutError) as error:
            log.warning("handshake_step_not_noted", step=step.name, reason=type(error).__name__)

    async def _add(self, attempt: Attempt, step: Step) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.add,
                attempt.attempt_id,
                attempt.platform_id,
                step.name,
                step.request,
                step.sent,
                step.http_status,
                step.answer,
                step.failure,
                step.said,
                step.ms,
            )
            if attempt.platform_id is None:
                await connection.execute(SQL.drop_old_of_nobody, MOST_OF_NOBODY)
            else:
                await connection.execute(SQL.drop_old_of_platform, attempt.platform_id, MOST)

    async def belongs(self, attempt: Attempt, platform_id: PlatformId) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S), self._database.connection() as connection:
                await connection.execute(SQL.belongs, attempt.attempt_id, platform_id)
        except (StoreError, TimeoutError) as error:
            log.warning("handshake_not_attributed", reason=type(error).__name__)

    async def of_platform(self, platform_id: PlatformId, limit: int = 40) -> Sequence[NotedStep]:
        """The newest, oldest first."""
        async with self._database.connection() as connection:
            return _steps(await connection.fetch(SQL.of_platform, platform_id, limit))

    async def of_attempt(self, attempt_id: uuid.UUID, limit: int = 40) -> Sequence[NotedStep]:
        """All of one attempt, in order."""
        async with self._database.connection() as connection:
            return _steps(await connection.fetch(SQL.of_attempt, attempt_id, limit))

    async def without_platform(self, limit: int = 20) -> Sequence[NotedStep]:
        """The last step of each attempt that led to no platform, newest first."""
        async with self._database.connection() as connection:
            return _steps(await connection.fetch(SQL.without_platform, limit))


def _steps(rows: Sequence[asyncpg.Record]) -> list[NotedStep]:
    return [
        NotedStep(
            row["at"],
            Attempt(
                uuid.UUID(str(row["attempt"])),
                PlatformId(row["platform_id"]) if row["platform_id"] else None,
            ),
            Step(
                StepName(row["step"]),
                row["request"],
                row["sent"],
                row["http_status"],
                row["answer"],
                Failure(row["failure"]) if row["failure"] else None,
                row["said"],
                row["ms"],
            ),
        )
        for row in rows
    ]
