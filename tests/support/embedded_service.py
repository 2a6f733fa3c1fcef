"""A small service around the embedded server, for tests that kill it.

    python -m tests.support.embedded_service BASE [--account NAME] [--lock-wait SECONDS]

Writes one JSON value a line: first {"socket", "pid"} or {"error", "in_use"}, then one per command
read from stdin: `query SQL` (the first value), `writers N` (that many tasks insert numbers,
reconnecting for ever), `acknowledged` (stops them; the numbers whose insert was acknowledged),
`umask`, `stop`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.embedded_lock import EmbeddedServerInUse

CONNECTION_LOST: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # when it is lost between preparing and binding a statement
)


def say(value: object) -> None:
    print(json.dumps(value, default=str), flush=True)  # noqa: T201  # the protocol of this program


class Writers:
    """Tasks that insert consecutive numbers and remember which inserts were acknowledged."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._next = 0
        self._acknowledged: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def start(self, count: int) -> int:
        connection = await asyncpg.connect(**self._address.connect_arguments())
        await connection.execute("create table if not exists written (number bigint primary key)")
        self._next = await connection.fetchval("select coalesce(max(number), 0) from written")
        await connection.close()
        self._tasks = [asyncio.create_task(self._write()) for _ in range(count)]
        return count

    async def finish(self) -> list[int]:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        return self._acknowledged

    async def _write(self) -> None:
        while not self._stop.is_set():
            with suppress(*CONNECTION_LOST):
                connection = await asyncpg.connect(**self._address.connect_arguments(), timeout=5)
                try:
                    while not self._stop.is_set():
                        self._next += 1
                        number = self._next
                        await connection.execute("insert into written values ($1)", number)
                        self._acknowledged.append(number)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.01)


async def query(address: DatabaseAddress, sql: str) -> object:
    try:
        connection = await asyncpg.connect(**address.connect_arguments(), timeout=5)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()
    except CONNECTION_LOST as error:
        return {"error": str(error), "type": type(error).__name__}


async def obey(reader: asyncio.StreamReader, address: DatabaseAddress) -> None:
    writers = Writers(address)
    while line := (await reader.readline()).decode().strip():
        command, _, rest = line.partition(" ")
        match command:
            case "query":
                say(await query(address, rest))
            case "writers":
                say(await writers.start(int(rest)))
            case "acknowledged":
                say(await writers.finish())
            case "umask":
                current = os.umask(0o022)
                os.umask(current)
                say(current)
            case _:
                return


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=Path)
    parser.add_argument("--account", default="")
    parser.add_argument("--lock-wait", type=float, default=5.0)
    arguments = parser.parse_args()
    server = EmbeddedServer(
        arguments.base, account=arguments.account, lock_wait_s=arguments.lock_wait
    )
    try:
        address = await server.start()
    except EmbeddedServerError as error:
        say({"error": str(error), "in_use": isinstance(error, EmbeddedServerInUse)})
        return
    say({"socket": address.host, "pid": server.pid})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    stop = asyncio.Event()
    watching = asyncio.create_task(server.run(stop))
    try:
        await obey(reader, address)
    finally:
        stop.set()
        await watching
        await server.stop()
    say("stopped")


if __name__ == "__main__":
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main())
