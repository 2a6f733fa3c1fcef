"""PostgreSQL for tests: one server per pytest process, one fresh database per test.

The databases are cloned from a template that was migrated once. The server runs without fsync, in
memory where there is room: it is thrown away. Tests of durability start servers of their own.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from ocpi_hub.settings import Settings, load_settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.migrate import migrate
from tests.support.memory import memory

THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "256MB",
}
TEMPLATE = "template_migrated"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server that anybody may make databases on."""

    maintenance: DatabaseAddress

    async def create_database(self, *, template: str | None = TEMPLATE) -> DatabaseAddress:
        """A database under a new name: migrated, or empty without a template."""
        name = f"test_{uuid.uuid4().hex}"
        template = template or "template0"
        # Copying its files costs a fraction of writing them through the log.
        await self._execute(f'create database "{name}" template "{template}" strategy file_copy')
        return self.maintenance.with_database(name)

    async def drop_database(self, address: DatabaseAddress) -> None:
        """Drop it, whoever is still connected."""
        await self._execute(f'drop database if exists "{address.database}" with (force)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(**self.maintenance.connect_arguments())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def make_settings(**overrides: object) -> Settings:
    """Settings for a test; `overrides` win over the environment."""
    return load_settings(**{"database_acquire_timeout_s": 5.0, **overrides})


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this pytest process; its template is migrated."""
    with (
        tempfile.TemporaryDirectory(
            prefix="hub-pg-", dir=memory(), ignore_cleanup_errors=True
        ) as directory,
        asyncio.Runner() as runner,
    ):
        Path(directory).chmod(0o755)
        server = EmbeddedServer(Path(directory) / "postgres", options=THROW_AWAY)
        address = runner.run(server.start())
        try:
            running = PostgresServer(address.with_database("postgres"))
            runner.run(_make_template(running))
            yield running
        finally:
            runner.run(server.stop())


async def _make_template(server: PostgresServer) -> None:
    await server._execute(f'create database "{TEMPLATE}" template template0')
    await migrate(server.maintenance.with_database(TEMPLATE), make_settings())


@pytest_asyncio.fixture
async def address(postgres_server: PostgresServer) -> AsyncIterator[DatabaseAddress]:
    """A fresh, migrated database."""
    fresh = await postgres_server.create_database()
    yield fresh
    await postgres_server.drop_database(fresh)


@pytest_asyncio.fixture
async def empty_address(postgres_server: PostgresServer) -> AsyncIterator[DatabaseAddress]:
    """A fresh database without any table."""
    fresh = await postgres_server.create_database(template=None)
    yield fresh
    await postgres_server.drop_database(fresh)


@pytest_asyncio.fixture
async def database(address: DatabaseAddress) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    pool = await Database.open(address, make_settings(), application_name="test")
    yield pool
    await pool.close()
