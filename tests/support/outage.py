"""A database that is away for a while, for everybody but the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

import asyncpg

from ocpi_hub.store.address import EMBEDDED_PORT, EMBEDDED_USER, DatabaseAddress
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually


@asynccontextmanager
async def outage(server: PostgresServer, address: DatabaseAddress) -> AsyncIterator[None]:
    """Cut all connections to a database and let nobody in as long as the block runs."""
    name = address.database
    connection = await asyncpg.connect(**server.maintenance.connect_arguments())

    async def renamed() -> bool:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        try:
            await connection.execute(f'alter database "{name}" rename to "{name}_away"')
        except asyncpg.ObjectInUseError:
            return False
        return True

    try:
        await eventually(renamed, "the database is away")
        try:
            yield
        finally:
            await connection.execute(f'alter database "{name}_away" rename to "{name}"')
    finally:
        await connection.close()


class Silence:
    """A way to a server that can fall silent: connections stand, and nothing passes any more."""

    def __init__(self, server: DatabaseAddress) -> None:
        self._socket = f"{server.host}/.s.PGSQL.{EMBEDDED_PORT}"
        self._server = server
        self._passes = asyncio.Event()
        self._pipes: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Silence:
        self._passes.set()
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.wait(self._pipes)

    @property
    def address(self) -> DatabaseAddress:
        """The server's database by this way."""
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        return DatabaseAddress(
            dsn=f"postgresql://{EMBEDDED_USER}@127.0.0.1:{port}/{self._server.database}?sslmode=disable"
        )

    def begin(self) -> None:
        self._passes.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._socket)
        for source, target in ((reader, back), (there, writer)):
            pipe = asyncio.create_task(self._pipe(source, target))
            self._pipes.add(pipe)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._passes.wait()
                target.write(data)
        finally:
            target.close()
