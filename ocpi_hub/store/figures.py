"""What metrics ask the database, within a short time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from ocpi_hub.store.database import Database
from ocpi_hub.store.lane_admin import LaneRow, PastCursors, read_lanes
from ocpi_hub.store.queries import Queries

SQL = Queries("figures")


@dataclass(frozen=True, slots=True)
class CustodyCount:
    """Directed objects of a module in one state.

    Attributes:
        oldest_at: when the oldest one came; None where nobody waits for it.
    """

    module: str
    state: str
    objects: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The database's figures at one time.

    Attributes:
        circuits: platforms that do not answer authorizations.
        whitelist_runs, whitelist_relations: numbers by state.
    """

    custody: Sequence[CustodyCount]
    lanes: Sequence[LaneRow]
    past: Mapping[str, Sequence[PastCursors]]
    processes: int
    circuits: Sequence[str] = ()
    whitelist_runs: Mapping[str, int] = field(default_factory=dict)
    whitelist_relations: Mapping[str, int] = field(default_factory=dict)


async def read_figures(database: Database, *, statement_ms: int, alive: timedelta) -> Figures:
    """Read them.

    Args:
        statement_ms: milliseconds that a statement may take.
        alive: age of a heartbeat up to which a process counts.

    Raises:
        StoreUnavailable: the database cannot be reached, or takes longer.
    """
    async with database.transaction() as connection:
        await connection.execute(SQL.limit_time, str(statement_ms))
        custody = await connection.fetch(SQL.custody)
        processes: int = await connection.fetchval(SQL.processes, alive)
        circuits = await connection.fetch(SQL.circuits)
        runs = await connection.fetch(SQL.whitelist_runs)
        relations = await connection.fetch(SQL.whitelist_relations)
        lanes, past = await read_lanes(connection)
    counts = [
        CustodyCount(row["module"], row["state"], row["objects"], row["oldest_at"])
        for row in custody
    ]
    open_circuits = [row["platform_id"] for row in circuits]
    by_state = (_by_state(runs), _by_state(relations))
    return Figures(counts, lanes, past, processes, open_circuits, *by_state)


def _by_state(rows: Sequence[asyncpg.Record]) -> Mapping[str, int]:
    return {row["state"]: row["number"] for row in rows}
