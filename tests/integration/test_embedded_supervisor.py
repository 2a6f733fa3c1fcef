"""The embedded server inside one process: watching, stopping, and what goes to its log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import asyncpg
import pytest
import uvloop

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer, running_address
from tests.support.embedded import REPOSITORY, processes_in


@pytest.fixture
async def server(directory: Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(directory / "postgres")
    yield server
    await server.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # it comes true in files and other processes
            await asyncio.sleep(0.01)


def _replaced(server: EmbeddedServer, pid: int) -> bool:
    return server.pid not in (None, pid)


async def until_answers(address: DatabaseAddress) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert await select(address, "select 1") == 1
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.01)
            else:
                return


async def select(address: DatabaseAddress, sql: str) -> object:
    connection = await asyncpg.connect(**address.connect_arguments())
    try:
        value: object = await connection.fetchval(sql)
        return value
    finally:
        await connection.close()


async def test_address_is_found_by_others_only_while_it_runs(
    server: EmbeddedServer, directory: Path
) -> None:
    base = directory / "postgres"
    assert await running_address(base) is None
    address = await server.start()
    assert await running_address(base) == address
    assert await select(address, "select current_database()") == "ocpi_hub"
    await server.stop()
    assert await running_address(base) is None


async def test_dsn_of_the_address_works_for_other_programs(server: EmbeddedServer) -> None:
    address = await server.start()
    connection = await asyncpg.connect(address.as_dsn())
    assert await connection.fetchval("select current_user") == "app"
    await connection.close()


@pytest.mark.parametrize("path", ["short", "d" * 120])
async def test_server_that_dies_is_started_again_at_the_same_address(
    directory: Path, path: str
) -> None:
    server = EmbeddedServer(directory / path)
    address = await server.start()
    stop = asyncio.Event()
    watching = asyncio.create_task(server.run(stop))
    for _ in range(2):
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(partial(_replaced, server, pid))
        await until_answers(address)
    stop.set()
    await watching
    await server.stop()


async def test_failed_restart_is_tried_again(server: EmbeddedServer, directory: Path) -> None:
    address = await server.start()
    stop = asyncio.Event()
    hidden = directory / "postgres" / "pg" / "global"
    hidden.rename(hidden.with_name("hidden"))
    pid = server.pid
    assert pid is not None
    watching = asyncio.create_task(server.run(stop))
    os.kill(pid, signal.SIGKILL)
    log = directory / "postgres" / "postgres.log"
    await until(lambda: "global" in log.read_text())
    hidden.with_name("hidden").rename(hidden)
    await until(lambda: log.read_text().count("ready to accept connections") == 2)
    await until_answers(address)
    stop.set()
    await watching


async def test_run_returns_at_once_when_told_to_stop(server: EmbeddedServer) -> None:
    await server.start()
    stop = asyncio.Event()
    watching = asyncio.create_task(server.run(stop))
    stop.set()
    async with asyncio.timeout(10):
        await watching
    assert server.pid is not None


@pytest.mark.parametrize("stopped", ["clean", "immediate", "killed"])
async def test_stop_gets_harder_until_the_server_is_gone(
    server: EmbeddedServer, directory: Path, stopped: str
) -> None:
    await server.start()
    pid = server.pid
    assert pid is not None
    if stopped == "killed":
        os.kill(pid, signal.SIGSTOP)
    wait_s = 60.0 if stopped == "clean" else 0.0
    await server.stop(fast_s=wait_s, immediate_s=60.0 if stopped != "killed" else 0.1)
    await until(lambda: not processes_in(directory / "postgres" / "pg"))
    assert server.pid is None
    again = EmbeddedServer(directory / "postgres", lock_wait_s=0)
    await again.start()
    await again.stop()


async def test_stop_twice_and_without_start_is_fine(server: EmbeddedServer) -> None:
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_cancelled_start_leaves_nothing_behind(
    server: EmbeddedServer, directory: Path
) -> None:
    await server.start()
    await server.stop()
    second = EmbeddedServer(directory / "postgres")
    starting = asyncio.create_task(second.start())
    await until(lambda: second.pid is not None or starting.done())
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert second.pid is None
    await until(lambda: not processes_in(directory / "postgres" / "pg"))


def test_server_outlives_the_thread_that_started_it(directory: Path) -> None:
    """The kernel's death signal goes by thread, not by process."""
    server = EmbeddedServer(directory / "postgres")
    addresses: list[DatabaseAddress] = []

    def start() -> None:
        with asyncio.Runner() as runner:
            addresses.append(runner.run(server.start()))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    with asyncio.Runner() as runner:
        assert runner.run(select(addresses[0], "select pg_sleep(0.2)::text")) == ""
        runner.run(server.stop())


def test_server_runs_under_uvloop(directory: Path) -> None:
    async def main() -> object:
        server = EmbeddedServer(directory / "postgres")
        try:
            return await select(await server.start(), "select 1")
        finally:
            await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == 1


async def test_log_holds_no_values(server: EmbeddedServer, directory: Path) -> None:
    address = await server.start()
    connection = await asyncpg.connect(**address.connect_arguments())
    await connection.execute("create table card (uid text primary key)")
    await connection.execute("insert into card values ($1)", "04AB12CD")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into card values ($1)", "04AB12CD")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into card values ('04AB12CD')")
    await connection.close()
    log = (directory / "postgres" / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "04AB12CD" not in log


async def test_large_log_is_put_aside_at_the_start(server: EmbeddedServer, directory: Path) -> None:
    base = directory / "postgres"
    await server.start()
    await server.stop()
    with (base / "postgres.log").open("ab") as file:
        file.truncate(11 * 1024 * 1024)
    await server.start()
    assert (base / "postgres.log").stat().st_size < 100_000
    assert (base / "postgres.log.1").stat().st_size == 11 * 1024 * 1024


def test_existing_directories_keep_their_mode(directory: Path) -> None:
    if os.geteuid() != 0:
        directory.chmod(0o700)
    before = directory.stat().st_mode
    server = EmbeddedServer(directory / "a" / "b" / "postgres")
    with asyncio.Runner() as runner:
        runner.run(server.start())
        runner.run(server.stop())
    assert directory.stat().st_mode == before


def test_worker_started_with_exec_does_not_hold_the_lock(directory: Path) -> None:
    """A worker that outlives a killed parent must not keep the next service out."""
    script = (
        "import asyncio, os, pathlib, subprocess, sys\n"
        "from ocpi_hub.store.embedded import EmbeddedServer\n"
        "asyncio.run(EmbeddedServer(pathlib.Path(sys.argv[1])).start())\n"
        "worker = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory / "postgres")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    worker = int(done.stdout.splitlines()[-1])
    server = EmbeddedServer(directory / "postgres", lock_wait_s=0)
    try:
        with asyncio.Runner() as runner:
            runner.run(server.start())
            runner.run(server.stop())
    except EmbeddedServerError as error:
        pytest.fail(str(error))
    finally:
        os.kill(worker, signal.SIGKILL)
