"""Bringing the schema up to date: append-only files `migrations/NNNN_what.sql`, each once.

Every process may call `migrate` at its start: an advisory lock lets one work and the others wait,
unless nothing is missing for them.
Lock and statement timeouts keep a migration from queueing in front of live traffic for long. What
takes long on a large archive is an index, and is built beside the traffic (concurrent_indexes.py).

A migration only adds what the release before can live with. So an upgrade needs no standstill: old
processes go on, and start again, on the schema of the new release, and going back is starting them.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg

from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.concurrent_indexes import is_concurrent, run_concurrently
from ocpi_hub.store.database import UNAVAILABLE
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

log = get_logger(__name__)

_LOCK_ID = 0x6F637069  # "ocpi"
_TURNS, _TURN_POLL_S = 3000, 0.1  # five minutes for the process that migrates right now
_LOCK_TIMEOUT_MS = 10_000
_STATEMENT_TIMEOUT_MS = 300_000
_FILE_NAME = re.compile(r"^(\d{4}_[a-z0-9_]+)\.sql$")

_CREATE_TABLE = """
create table if not exists schema_migration (
    name       text primary key,
    sha256     bytea not null check (octet_length(sha256) = 32),
    applied_at timestamptz not null default now()
)
"""
_TABLE_EXISTS = "select to_regclass('schema_migration') is not null"
_APPLIED = "select name, sha256 from schema_migration"
_INSERT = "insert into schema_migration (name, sha256) values ($1, $2)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, named without its suffix."""

    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


@functools.cache
def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations of this release, in order.

    Those of the running process: the files of the next release may lie in their place already.
    """
    found = []
    for file in resources.files("ocpi_hub.store").joinpath("migrations").iterdir():
        if match := _FILE_NAME.match(file.name):
            found.append(Migration(match[1], file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.name))


async def migrate(
    address: DatabaseAddress,
    settings: Settings,
    *,
    migrations: Sequence[Migration] | None = None,
    patient: bool = False,
) -> list[str]:
    """Apply what is missing, one transaction per file; returns the names applied by this call.

    Args:
        patient: statements may take as long as they take. What writes waits meanwhile.

    Raises:
        OperatorError: the database and this release do not fit; nothing was changed.
        StoreUnavailable: the database does not answer, or a table stayed locked; try again.
    """
    wanted = shipped_migrations() if migrations is None else migrations
    try:
        connection = await asyncpg.connect(
            **address.connect_arguments(),
            timeout=settings.database_acquire_timeout_s,
            server_settings={"application_name": "ocpi-hub migrate", "timezone": "UTC"},
        )
        try:
            return await _migrate(connection, wanted, 0 if patient else _STATEMENT_TIMEOUT_MS)
        finally:
            await connection.close()
    except UNAVAILABLE as error:
        raise StoreUnavailable(
            f"the database cannot be migrated now: {str(error) or type(error).__name__}"
        ) from error


async def pending(connection: Connection) -> list[str]:
    """Names of shipped migrations that are not applied, in order."""
    applied = await _applied(connection)
    return [item.name for item in shipped_migrations() if item.name not in applied]


async def _migrate(
    connection: asyncpg.Connection[asyncpg.Record], wanted: Sequence[Migration], statement_ms: int
) -> list[str]:
    await _set_timeouts(connection, lock_ms=_LOCK_TIMEOUT_MS, statement_ms=_STATEMENT_TIMEOUT_MS)
    if not await _missing(connection, wanted):
        # Whoever finds all it needs starts, also while the next release migrates.
        return []
    await _take_turn(connection)
    done = []
    for migration in await _missing(connection, wanted):
        concurrent = is_concurrent(migration.sql)
        # What waits for an index that is built concurrently is nobody but other such work.
        await _set_timeouts(
            connection,
            lock_ms=0 if concurrent else _LOCK_TIMEOUT_MS,
            statement_ms=0 if concurrent else statement_ms,
        )
        try:
            await (_apply_concurrently if concurrent else _apply)(connection, migration)
        except UNAVAILABLE:
            raise
        except asyncpg.PostgresError as error:
            left = "is taken up again by the next attempt" if concurrent else "left nothing behind"
            raise OperatorError(f"migration {migration.name} failed and {left}: {error}") from error
        done.append(migration.name)
    return done


async def _missing(connection: Connection, wanted: Sequence[Migration]) -> list[Migration]:
    """Raises: OperatorError: the database and this release do not fit."""
    applied = await _applied(connection)
    _check(applied, wanted)
    return [migration for migration in wanted if migration.name not in applied]


async def _take_turn(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait for whoever migrates right now.

    A statement that waits would itself be waited for by an index that is built concurrently.

    Raises:
        StoreUnavailable: it takes longer.
    """
    for _ in range(_TURNS):
        if await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK_ID):
            return
        await asyncio.sleep(_TURN_POLL_S)
    raise StoreUnavailable("another process migrates the database: try again later")


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(_CREATE_TABLE)
        await connection.execute(migration.sql)
        await connection.execute(_INSERT, migration.name, migration.sha256)


async def _apply_concurrently(
    connection: asyncpg.Connection[asyncpg.Record], migration: Migration
) -> None:
    await connection.execute(_CREATE_TABLE)
    await run_concurrently(connection, migration.sql)
    await connection.execute(_INSERT, migration.name, migration.sha256)


def _check(applied: dict[str, bytes], wanted: Sequence[Migration]) -> None:
    shipped = {migration.name: migration for migration in wanted}
    unknown = sorted(applied.keys() - shipped.keys())
    strange = [name for name in unknown if name < max(shipped, default="")]
    if strange:
        raise OperatorError(
            f"the database has {', '.join(strange)}, which this release does not know though"
            " it knows later ones: install the release that was used with it, or a later one"
        )
    if unknown:
        log.warning(
            "schema_of_newer_release", unknown=unknown, remedy="none: this release runs on it"
        )
    known = sorted(applied.keys() & shipped.keys())
    changed = [name for name in known if applied[name] != shipped[name].sha256]
    if changed:
        raise OperatorError(
            f"{', '.join(changed)} differs from what was applied to this database: migrations are"
            " never edited. Install an unmodified release; put own changes into a new file"
        )


async def _applied(connection: Connection) -> dict[str, bytes]:
    if not await connection.fetchval(_TABLE_EXISTS):
        return {}
    return {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED)}


async def _set_timeouts(
    connection: asyncpg.Connection[asyncpg.Record], *, lock_ms: int, statement_ms: int
) -> None:
    await connection.execute(
        "select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)",
        str(lock_ms),
        str(statement_ms),
    )
