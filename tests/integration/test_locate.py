"""Which database a command gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer, running_address
from ocpi_hub.store.locate import database_address
from tests.support.embedded import processes_in
from tests.support.postgres import make_settings


def settings_in(directory: Path) -> Settings:
    return make_settings(data_dir=str(directory), database_url="", secret_key="")


async def server_pid(address: DatabaseAddress) -> object:
    connection = await asyncpg.connect(**address.connect_arguments())
    try:
        return await connection.fetchval("select pg_postmaster_start_time()")
    finally:
        await connection.close()


async def test_configured_database_is_used_as_it_is(directory: Path) -> None:
    settings = make_settings(
        database_url="postgresql://u:p@db.example/hub",
        data_dir=str(directory),
        secret_key="a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    )
    async with database_address(settings) as address:
        assert address.dsn == "postgresql://u:p@db.example/hub"
    assert await running_address(directory / "postgres") is None


async def test_server_is_started_for_one_command_and_stopped(directory: Path) -> None:
    async with database_address(settings_in(directory)) as address:
        assert await server_pid(address)
    assert await running_address(directory / "postgres") is None
    assert not processes_in(directory / "postgres" / "pg")


async def test_running_server_is_used_and_left_running(directory: Path) -> None:
    server = EmbeddedServer(directory / "postgres")
    started = await server.start()
    async with database_address(settings_in(directory)) as address:
        assert address == started
    assert await running_address(directory / "postgres") == started
    await server.stop()


async def test_commands_at_once_share_one_server_until_the_last_is_done(directory: Path) -> None:
    """The command that started the server is the first to be done, and waits for the others."""
    barrier = asyncio.Barrier(3)
    seen: list[object] = []

    async def command(work_after: int) -> None:
        async with database_address(settings_in(directory)) as address:
            await barrier.wait()
            for _ in range(work_after):
                seen.append(await server_pid(address))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work_after in (0, 20, 20):
            group.create_task(command(work_after))
    assert len(seen) == 40
    assert len(set(seen)) == 1
    assert not processes_in(directory / "postgres" / "pg")


async def test_error_in_a_command_stops_its_server(directory: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database_address(settings_in(directory)):
            raise ZeroDivisionError
    assert not processes_in(directory / "postgres" / "pg")


async def test_reason_for_not_starting_reaches_the_command(directory: Path) -> None:
    settings = make_settings(
        data_dir=str(directory), database_url="", secret_key="", postgres_account="no-such-account"
    )
    with pytest.raises(EmbeddedServerError, match="no-such-account"):
        async with database_address(settings):
            pass
