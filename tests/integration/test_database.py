"""The pool on a real PostgreSQL: what it gives, and what it says when the database is away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ocpi_hub.errors import ConfigError, StoreError, StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.embedded import EmbeddedServer
from tests.support.postgres import PostgresServer, make_settings
from tests.support.waiting import eventually


async def open_small(address: DatabaseAddress, **overrides: object) -> Database:
    return await Database.open(address, make_settings(database_connections=4, **overrides))


async def test_json_text_comes_back_as_it_went_in(database: Database) -> None:
    text = '{"b":1.500,  "a":"\\u00e9", "b":2}'
    async with database.connection() as connection:
        assert await connection.fetchval("select $1::json", text) == text


async def test_every_session_has_timeouts_and_utc(address: DatabaseAddress) -> None:
    settings = make_settings(statement_timeout_ms=7000, transaction_timeout_s=11)
    database = await Database.open(address, settings, application_name="a test")
    names = {
        "statement_timeout": "7s",
        "lock_timeout": "3500ms",
        "idle_in_transaction_session_timeout": "11s",
        "transaction_timeout": "11s",
        "TimeZone": "UTC",
        "application_name": "a test",
    }
    listener = await database.dedicated()
    async with database.connection() as connection:
        for name, value in names.items():
            assert await connection.fetchval(f"select current_setting('{name}')") == value
            assert await listener.fetchval(f"select current_setting('{name}')") == value
    await listener.close()
    await database.close()


async def insert_and_raise(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into kept values (2)")
        raise ZeroDivisionError


async def test_transaction_commits_at_the_end_and_not_after_an_error(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("create table kept (number integer)")
        await connection.execute("insert into kept values (1)")
    with pytest.raises(ZeroDivisionError):
        await insert_and_raise(database)
    async with database.connection() as connection:
        assert await connection.fetchval("select array_agg(number) from kept") == [1]


async def test_errors_of_a_statement_are_told_from_an_outage(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("create table kept (number integer primary key)")
    for statement, expected in (
        ("insert into kept values (1), (1)", asyncpg.UniqueViolationError),
        ("select nonsense", asyncpg.UndefinedColumnError),
        ("select 1 / 0", asyncpg.DivisionByZeroError),
    ):
        with pytest.raises(StoreError) as caught:
            async with database.transaction() as connection:
                await connection.execute(statement)
        assert type(caught.value) is StoreError
        assert isinstance(caught.value.__cause__, expected)


@pytest.mark.parametrize(
    "statement",
    ["insert into kept values ('04A1B2'), ('04A1B2')", "insert into kept values ('04A1B2', 0)"],
    ids=["a key", "a row"],
)
async def test_an_error_does_not_quote_what_was_to_be_stored(
    database: Database, statement: str
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "create table kept (uid text primary key, number integer check (number > 0))"
        )
    with pytest.raises(StoreError) as caught:
        async with database.transaction() as connection:
            await connection.execute(statement)
    assert "constraint" in str(caught.value)
    assert "04A1B2" not in f"{caught.value} {caught.value.__cause__}"


async def test_wrong_use_of_a_connection_is_not_called_unavailable(database: Database) -> None:
    with pytest.raises(StoreError) as caught:
        async with database.connection() as connection:
            await connection.fetchval("select $1::integer", "not a number")
    assert isinstance(caught.value.__cause__, asyncpg.DataError)
    assert not isinstance(caught.value, StoreUnavailable)
    with pytest.raises(asyncpg.InterfaceError):
        async with database.connection() as connection:
            await connection.fetchval("select $1::integer", 1, 2)


async def test_pool_that_stays_exhausted_is_unavailable(address: DatabaseAddress) -> None:
    database = await open_small(address, database_acquire_timeout_s=0.1)
    contexts = [database.connection() for _ in range(4)]
    for context in contexts:
        await context.__aenter__()
    with pytest.raises(StoreUnavailable):
        async with database.connection():
            pass
    for context in contexts:
        await context.__aexit__(None, None, None)
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


@pytest.mark.parametrize(
    "sql",
    [
        "select pg_sleep(30)",  # statement timeout
        "select pg_terminate_backend(pg_backend_pid())",
        "select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)",
        "lock table directory_version",  # lock timeout
    ],
)
async def test_statement_without_an_answer_is_unavailable(
    address: DatabaseAddress, sql: str
) -> None:
    database = await open_small(address, statement_timeout_ms=300)
    async with database.transaction() as other:
        await other.execute("lock table directory_version")
        with pytest.raises(StoreUnavailable):
            async with database.transaction() as connection:
                await connection.execute(sql)
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def wait_inside_a_transaction(database: Database) -> None:
    lost = asyncio.Event()
    async with database.transaction() as connection:
        connection.add_termination_listener(lambda _: lost.set())
        await asyncio.wait_for(lost.wait(), 30)


async def test_transaction_that_lasts_too_long_is_unavailable(address: DatabaseAddress) -> None:
    database = await open_small(address, transaction_timeout_s=0.2)
    with pytest.raises(StoreUnavailable):
        await wait_inside_a_transaction(database)
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_a_transaction_may_last_if_it_says_so(address: DatabaseAddress) -> None:
    database = await open_small(address, transaction_timeout_s=0.2)
    async with database.lasting() as connection:
        for _ in range(5):
            await connection.execute("select pg_sleep(0.1)")
    async with database.connection() as connection:
        limit = await connection.fetchval("select current_setting('transaction_timeout', true)")
        assert limit in (None, "200ms")
    await database.close()


async def write_to_a_standby(database: Database, used: list[int]) -> None:
    async with database.connection() as connection:
        used.append(connection.get_server_pid())
        await connection.execute("set default_transaction_read_only = on")
        await connection.execute("create table kept (number integer)")


async def test_standby_is_unavailable_and_its_connection_is_not_used_again(
    address: DatabaseAddress,
) -> None:
    """After a failover the pool must find the new primary instead of keeping the old one."""
    database = await open_small(address)
    used: list[int] = []
    with pytest.raises(StoreUnavailable):
        await write_to_a_standby(database, used)
    async with database.connection() as connection:
        assert connection.get_server_pid() not in used
    await database.close()


async def test_a_connection_that_is_out_of_step_is_not_used_again(database: Database) -> None:
    broken: list[int] = []

    async def break_one() -> None:
        async with database.connection() as connection:
            broken.append(await connection.fetchval("select pg_backend_pid()"))
            raise asyncpg.InternalClientError("another operation is in progress")

    with pytest.raises(StoreUnavailable):
        await break_one()
    async with database.connection() as connection:
        assert await connection.fetchval("select pg_backend_pid()") not in broken


async def test_address_that_refuses_writes_is_not_connected_to(
    address: DatabaseAddress,
) -> None:
    database = await open_small(address)
    async with database.connection() as connection:
        await connection.execute(
            f'alter database "{address.database}" set default_transaction_read_only = on'
        )
    await database.close()
    with pytest.raises(StoreUnavailable):
        await open_small(DatabaseAddress(dsn=address.as_dsn()))
    reader = DatabaseAddress(dsn=f"{address.as_dsn()}&target_session_attrs=any")
    await (await open_small(reader)).close()


async def test_closed_pool_is_unavailable_and_closes_twice(database: Database) -> None:
    await database.close()
    await database.close()
    with pytest.raises(StoreUnavailable):
        async with database.connection():
            pass


async def close_while_in_use(database: Database) -> None:
    async with database.connection() as connection:
        await database.close()
        await connection.fetchval("select 1")


async def ask_for(name: str, database: Database, *, lost: bool) -> None:
    async with database.connection() as connection:
        if lost:
            database.terminate()
        getattr(connection, name)


async def test_what_a_lost_connection_has_no_more_is_an_outage(database: Database) -> None:
    """asyncpg asks for it where it begins and ends transactions."""
    with pytest.raises(StoreUnavailable):
        await ask_for("_protocol", database, lost=True)


async def test_a_mistake_of_ours_is_no_outage(database: Database) -> None:
    with pytest.raises(AttributeError):
        await ask_for("nothing_of_the_kind", database, lost=False)


async def test_close_cuts_connections_in_use(address: DatabaseAddress) -> None:
    database = await open_small(address, database_acquire_timeout_s=0.2)
    with pytest.raises(StoreUnavailable):
        await close_while_in_use(database)


async def test_cancelled_statement_leaves_the_pool_usable(address: DatabaseAddress) -> None:
    database = await open_small(address)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), database.connection() as connection:
                await connection.execute("select pg_sleep(10)")
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_missing_database_is_a_configuration_error(
    postgres_server: PostgresServer,
) -> None:
    with pytest.raises(ConfigError, match="no_such_database"):
        await open_small(postgres_server.maintenance.with_database("no_such_database"))


async def test_nobody_listening_is_unavailable_and_the_password_is_not_told() -> None:
    address = DatabaseAddress(dsn="postgresql://me:hunter2@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable) as caught:
        await open_small(address)
    assert "hunter2" not in str(caught.value) + repr(address)


@pytest.fixture
async def own_server(directory: Path) -> AsyncIterator[tuple[EmbeddedServer, DatabaseAddress]]:
    server = EmbeddedServer(directory / "postgres")
    address = await server.start()
    yield server, address
    await server.stop()


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_pool_recovers_after_the_server_was_away(
    own_server: tuple[EmbeddedServer, DatabaseAddress], how: str
) -> None:
    server, address = own_server
    database = await open_small(address)
    connections = [database.connection() for _ in range(4)]
    for context in connections:
        await context.__aenter__()
    for context in connections:
        await context.__aexit__(None, None, None)
    if how == "killed":
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    # A process that served a connection may outlive a server that was killed, for a moment.
    await eventually(lambda: _is_away(database), "the server is away")
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            await _select_one(database)
    await server.start()
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(_select_one(database))
    await database.close()


async def _is_away(database: Database) -> bool:
    try:
        await _select_one(database)
    except StoreUnavailable:
        return True
    return False


async def test_connections_in_use_while_the_server_dies_are_unavailable(
    own_server: tuple[EmbeddedServer, DatabaseAddress],
) -> None:
    server, address = own_server
    database = await open_small(address)
    busy = [asyncio.create_task(_forever(database)) for _ in range(4)]
    for _ in range(20):
        await _select_one_on(address)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    for result in await asyncio.gather(*busy, return_exceptions=True):
        assert isinstance(result, StoreUnavailable)
    await server.stop()
    await server.start()
    await _select_one(database)
    await database.close()


async def _forever(database: Database) -> None:
    async with database.connection() as connection:
        while True:
            await connection.fetchval("select $1::integer", 1)


async def _select_one(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1


async def _select_one_on(address: DatabaseAddress) -> None:
    connection = await asyncpg.connect(**address.connect_arguments())
    await connection.fetchval("select 1")
    await connection.close()
