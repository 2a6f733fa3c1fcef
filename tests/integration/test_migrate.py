"""Migrations on a real database."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.migrate import Migration, migrate, pending, shipped_migrations
from tests.support.postgres import make_settings

SETTINGS = make_settings()
ONE = Migration("0001_one", "create table one (number integer); insert into one values (1);")
TWO = Migration("0002_two", "alter table one add column name text;")
SLOW = Migration("0001_slow", "select pg_sleep(0.3); create table slow (number integer);")
BROKEN = Migration("0003_broken", "create table three (number integer); selec 1;")
FAILING = Migration("0003_failing", "create table three (number integer); select 1 / 0;")


async def fetch(address: DatabaseAddress, sql: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(**address.connect_arguments())
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_shipped_migrations_apply_once(empty_address: DatabaseAddress) -> None:
    names = [migration.name for migration in shipped_migrations()]
    assert names[0] == "0001_base"
    assert await migrate(empty_address, SETTINGS) == names
    assert await migrate(empty_address, SETTINGS) == []


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(migration.name[:4]) for migration in shipped_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_pending_names_what_is_missing(
    empty_address: DatabaseAddress, database: Database
) -> None:
    connection = await asyncpg.connect(**empty_address.connect_arguments())
    assert await pending(connection) == [migration.name for migration in shipped_migrations()]
    await connection.close()
    async with database.connection() as migrated:
        assert await pending(migrated) == []


async def test_only_missing_files_are_applied(empty_address: DatabaseAddress) -> None:
    assert await migrate(empty_address, SETTINGS, migrations=[ONE]) == ["0001_one"]
    assert await migrate(empty_address, SETTINGS, migrations=[ONE, TWO]) == ["0002_two"]
    assert await fetch(empty_address, "select number, name from one") == [(1, None)]
    rows = await fetch(empty_address, "select name, sha256 from schema_migration order by name")
    assert rows == [("0001_one", ONE.sha256), ("0002_two", TWO.sha256)]


async def test_two_processes_at_once_apply_each_file_once(empty_address: DatabaseAddress) -> None:
    applied = await asyncio.gather(
        *(migrate(empty_address, SETTINGS, migrations=[SLOW]) for _ in range(4))
    )
    assert sorted(applied) == [[], [], [], ["0001_slow"]]


async def test_changed_file_is_refused(empty_address: DatabaseAddress) -> None:
    await migrate(empty_address, SETTINGS, migrations=[ONE])
    changed = Migration(ONE.name, f"{ONE.sql} ")
    with pytest.raises(OperatorError, match=r"0001_one differs .* never edited"):
        await migrate(empty_address, SETTINGS, migrations=[changed, TWO])
    assert await fetch(empty_address, "select name from schema_migration") == [("0001_one",)]


async def test_old_release_starts_on_the_schema_of_a_newer_one(
    empty_address: DatabaseAddress,
) -> None:
    await migrate(empty_address, SETTINGS, migrations=[ONE, TWO])
    assert await migrate(empty_address, SETTINGS, migrations=[ONE]) == []


async def test_database_of_a_release_that_went_another_way_is_refused(
    empty_address: DatabaseAddress,
) -> None:
    await migrate(empty_address, SETTINGS, migrations=[ONE, TWO])
    other = Migration("0003_three", "create table three ()")
    with pytest.raises(OperatorError, match=r"has 0002_two, which .* knows later ones"):
        await migrate(empty_address, SETTINGS, migrations=[ONE, other])
    assert await fetch(empty_address, "select to_regclass('three')") == [(None,)]


@pytest.mark.parametrize("wrong", [BROKEN, FAILING])
async def test_failing_file_leaves_nothing_and_keeps_the_ones_before(
    empty_address: DatabaseAddress, wrong: Migration
) -> None:
    with pytest.raises(OperatorError, match=wrong.name):
        await migrate(empty_address, SETTINGS, migrations=[ONE, TWO, wrong])
    assert await fetch(empty_address, "select to_regclass('three')") == [(None,)]
    rows = await fetch(empty_address, "select name from schema_migration order by name")
    assert rows == [("0001_one",), ("0002_two",)]


async def test_table_in_use_is_not_waited_for_without_limit(
    empty_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.migrate._LOCK_TIMEOUT_MS", 100)
    await migrate(empty_address, SETTINGS, migrations=[ONE])
    holder = await asyncpg.connect(**empty_address.connect_arguments())
    async with holder.transaction():
        await holder.execute("lock table one in access share mode")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await migrate(empty_address, SETTINGS, migrations=[ONE, TWO])
    await holder.close()
    assert await migrate(empty_address, SETTINGS, migrations=[ONE, TWO]) == ["0002_two"]


async def test_database_that_is_away_is_unavailable() -> None:
    nowhere = DatabaseAddress(dsn="postgresql://me@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable):
        await migrate(nowhere, SETTINGS)
