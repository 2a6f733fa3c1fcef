"""A backup of a hub that works, and a hub that is made from it."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ocpi_hub.cli.main import build_parser
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.backup import _without_password
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.directory import KEY, insert_platform
from tests.support.ledger import body, bring, clearing_commands
from tests.support.postgres import make_settings
from tests.support.stores import custody_store, execute

PLATFORM = "p-00000001"


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def empty(address: DatabaseAddress) -> AsyncIterator[DatabaseAddress]:
    """A database with nothing in it."""
    name = f"restored_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(**address.connect_arguments())
    try:
        await connection.execute(f'create database "{name}" template template0')
        yield address.with_database(name)
        await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()


async def run(address: DatabaseAddress, *arguments: str, key: bytes = KEY) -> Any:
    args: argparse.Namespace = build_parser().parse_args(arguments)
    settings = make_settings(
        database_url=address.as_dsn(), secret_key=base64.b64encode(key).decode()
    )
    return json.loads(json.dumps(await args.run(args, settings)))


async def figures(address: DatabaseAddress) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(**address.connect_arguments())
    try:
        rows = await connection.fetch(
            "select object_id, state, body::text, fingerprint, serial from directed_object"
            " order by serial"
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


async def test_a_backup_makes_the_same_hub_again(
    address: DatabaseAddress,
    database: Database,
    store: PostgresCustodyStore,
    empty: DatabaseAddress,
    tmp_path: Path,
) -> None:
    await clearing_commands(address, database)
    for number in range(5):
        await bring(store, body(f"CDR-{number}"), state=("delivered", "held")[number % 2])
    file = tmp_path / "hub.dump"
    made = await run(address, "backup", str(file))
    assert made == {"file": str(file), "bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path) == [file.name]
    found = await run(empty, "restore", str(file))
    assert found == {"file": str(file), "platforms": 2, "cdrs": 5, "applied": []}
    assert await figures(empty) == await figures(address)
    # What comes next is numbered after what was there.
    restored = await asyncpg.connect(**empty.connect_arguments())
    try:
        serial = await restored.fetchval("select nextval('shared_object_position')")
        assert serial >= 1
        last = await restored.fetchval("select max(entry) from cdr_ledger")
        following = await restored.fetchval(
            "select nextval(pg_get_serial_sequence('cdr_ledger', 'entry'))"
        )
        assert following > last
        counted = "select reltuples from pg_class where oid = 'cdr_ledger'::regclass"
        assert await restored.fetchval(counted) == 5
    finally:
        await restored.close()
    with pytest.raises(OperatorError, match="the database is not empty"):
        await run(empty, "restore", str(file))


async def test_a_restored_hub_whose_key_opens_no_credentials_says_so(
    address: DatabaseAddress, database: Database, empty: DatabaseAddress, tmp_path: Path
) -> None:
    await insert_platform(database, PLATFORM, presents="partner-token")
    file = tmp_path / "hub.dump"
    await run(address, "backup", str(file))
    found = await run(empty, "restore", str(file), key=bytes(32))
    assert found["platforms"] == 1
    assert found["credentials_that_do_not_open"] == [PLATFORM]
    assert "put the key that was used with the copy into secret_key" in found["remedy"]


async def test_a_broken_backup_leaves_nothing_behind(
    address: DatabaseAddress, database: Database, empty: DatabaseAddress, tmp_path: Path
) -> None:
    file = tmp_path / "hub.dump"
    await execute(database, "select 1")
    await run(address, "backup", str(file), "--without-messages")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(OperatorError, match="pg_restore failed"):
        await run(empty, "restore", str(file))
    connection = await asyncpg.connect(**empty.connect_arguments())
    try:
        assert (
            await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
            == 0
        )
    finally:
        await connection.close()
    with pytest.raises(OperatorError, match="pg_restore failed"):
        await run(empty, "restore", str(tmp_path / "none"))
    with pytest.raises(OperatorError, match="cannot be written"):
        await run(address, "backup", str(tmp_path / "none" / "hub.dump"))


def test_a_password_is_not_on_the_command_line() -> None:
    assert _without_password("postgresql://hub:p%40ss@db,db2:5433/hub?sslmode=require") == (
        "postgresql://hub@db,db2:5433/hub?sslmode=require",
        "p@ss",
    )
    assert _without_password("postgresql://app@/ocpi_hub?host=/run") == (
        "postgresql://app@/ocpi_hub?host=/run",
        None,
    )
    assert _without_password("postgresql:///hub?host=/run")[0] == "postgresql:///hub?host=/run"
    assert _without_password("postgresql://u:old@db/hub?x=1&password=s%26t&y=2") == (
        "postgresql://u@db/hub?x=1&y=2",
        "s&t",
    )


async def test_two_backups_into_one_file_leave_a_whole_one(
    address: DatabaseAddress, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "hub.dump"
    made = await asyncio.gather(*(run(address, "backup", str(file)) for _ in range(2)))
    assert file.stat().st_size in {each["bytes"] for each in made}
    assert os.listdir(tmp_path) == ["hub.dump"]
    assert file.stat().st_mode & 0o777 == 0o600
