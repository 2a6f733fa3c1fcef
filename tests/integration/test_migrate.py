"""Migrations on a real database."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.concurrent_indexes import is_concurrent, statements_of
from ocpi_hub.store.database import Database
from ocpi_hub.store.migrate import Migration, migrate, pending, shipped_migrations
from tests.support.postgres import make_settings
from tests.support.waiting import eventually

SETTINGS = make_settings()
ONE = Migration("0001_one", "create table one (number integer); insert into one values (1);")
TWO = Migration("0002_two", "alter table one add column name text;")
SLOW = Migration("0001_slow", "select pg_sleep(0.3); create table slow (number integer);")
BROKEN = Migration("0003_broken", "create table three (number integer); selec 1;")
INDEXED = Migration(
    "0002_indexed",
    "-- concurrently\n-- By number; by itself.\n"
    "create index concurrently if not exists one_number on one (number);\n"
    "create unique index concurrently if not exists one_unique\n    on one (number)\n"
    "    where number > 0;\n"
    "drop index concurrently if exists one_old;\n",
)
"""In three statements."""
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


# Beside the traffic ------------------------------------------------------------------------------

INDEXES = (
    "select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid"
    " where c.relname like 'one%' order by 1"
)
BOTH = [("one_number", True), ("one_unique", True)]


async def test_indexes_are_built_while_others_write(empty_address: DatabaseAddress) -> None:
    """And while others wait for their turn, which an index must not wait for."""
    await migrate(empty_address, SETTINGS, migrations=[ONE])
    writer = await asyncpg.connect(**empty_address.connect_arguments())
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("insert into one values (2)")
    building = [
        asyncio.create_task(migrate(empty_address, SETTINGS, migrations=[ONE, INDEXED]))
        for _ in range(2)
    ]
    waits = "select count(*) from pg_locks where locktype = 'virtualxid' and not granted"

    async def waiting() -> bool:
        return await fetch(empty_address, waits) == [(1,)]

    await eventually(waiting, "the index waits for what was begun before")
    # Nobody waits for it.
    await writer.execute("insert into one values (3)")
    await transaction.commit()
    await writer.close()
    assert sorted(await asyncio.gather(*building)) == [[], ["0002_indexed"]]
    assert await fetch(empty_address, INDEXES) == BOTH
    names = [name for (name,) in await fetch(empty_address, "select name from schema_migration")]
    assert sorted(map(str, names)) == ["0001_one", "0002_indexed"]


async def test_an_index_that_was_not_finished_is_built_again(
    empty_address: DatabaseAddress,
) -> None:
    await migrate(empty_address, SETTINGS, migrations=[ONE])
    connection = await asyncpg.connect(**empty_address.connect_arguments())
    await connection.execute("insert into one values (1)")
    with pytest.raises(OperatorError, match=r"0002_indexed failed and is taken up again"):
        await migrate(empty_address, SETTINGS, migrations=[ONE, INDEXED])
    assert await fetch(empty_address, INDEXES) == [("one_number", True), ("one_unique", False)]
    assert len(await fetch(empty_address, "select name from schema_migration")) == 1
    before = await fetch(empty_address, "select 'one_number'::regclass::oid")
    await connection.execute("delete from one where ctid = (select max(ctid) from one)")
    await connection.close()
    assert await migrate(empty_address, SETTINGS, migrations=[ONE, INDEXED]) == ["0002_indexed"]
    assert await fetch(empty_address, INDEXES) == BOTH
    # What was finished was not done again.
    assert await fetch(empty_address, "select 'one_number'::regclass::oid") == before


async def test_whoever_lacks_nothing_does_not_wait_for_whoever_migrates(
    empty_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.migrate._TURNS", 2)
    await migrate(empty_address, SETTINGS, migrations=[ONE])
    holder = await asyncpg.connect(**empty_address.connect_arguments())
    await holder.execute("select pg_advisory_lock($1)", 0x6F637069)
    assert await migrate(empty_address, SETTINGS, migrations=[ONE]) == []
    with pytest.raises(StoreUnavailable, match="another process migrates"):
        await migrate(empty_address, SETTINGS, migrations=[ONE, TWO])
    await holder.close()
    assert await migrate(empty_address, SETTINGS, migrations=[ONE, TWO]) == ["0002_two"]


async def test_who_has_time_sets_no_limit(
    empty_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.migrate._STATEMENT_TIMEOUT_MS", 100)
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await migrate(empty_address, SETTINGS, migrations=[SLOW])
    applied = await migrate(empty_address, SETTINGS, migrations=[SLOW], patient=True)
    assert applied == ["0001_slow"]


@pytest.mark.parametrize(
    "sql",
    ["create index one_number on one (number);", "update one set number = 2;",
     "create index concurrently one_number on one (number);"],
    ids=["not concurrently", "another deed", "not twice"],
)  # fmt: skip
def test_what_cannot_be_taken_up_again_is_not_taken_for_an_index(sql: str) -> None:
    with pytest.raises(ValueError, match="no index is created or dropped concurrently"):
        statements_of(f"-- concurrently\n{sql}")


def test_shipped_indexes_of_tables_that_hold_something_are_built_concurrently() -> None:
    """From now on; those before were built while there was no release."""
    for migration in shipped_migrations()[45:]:
        if is_concurrent(migration.sql):
            assert statements_of(migration.sql), migration.name
            continue
        made = set(re.findall(r"\bcreate table (?:if not exists )?(\w+)", migration.sql))
        indexed = set(re.findall(r"\bcreate (?:unique )?index \w+\s+on (\w+)", migration.sql))
        assert indexed <= made, f"{migration.name}: begin the file with `-- concurrently`"
