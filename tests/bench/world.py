"""The hub of the bench: a real process on a real PostgreSQL, with the partners a row needs.

The settings are the shipped ones, except that http and loopback are allowed and no rate is limited.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ocpi_hub.domain.party import PartyId
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.migrate import migrate
from tests.bench.profiling import recording
from tests.bench.seeding import Partner, bring_on_board, store_tokens
from tests.support.hub import QUICK, HubProcess
from tests.support.postgres import make_settings
from tests.support.program import executed

HUB = PartyId("EU", "HUB")
_NEEDED_HERE = {"allow_http", "allow_networks", "default_relation", "rate_limit_rps"}
_SERVER_OPTIONS = {"shared_preload_libraries": "pg_stat_statements"}


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rows share.

    Attributes:
        repeats: how often each quantity is measured.
        seconds: of one measurement under load.
        full: the sizes that take minutes.
        profiles: where to write where the CPU time of each hub went; None: not sampled.
    """

    repeats: int
    seconds: float
    full: bool
    profiles: Path | None
    directory: Path
    maintenance: DatabaseAddress
    postgres_pid: int

    @asynccontextmanager
    async def world(
        self,
        name: str,
        partners: Sequence[Partner],
        *,
        settings: Mapping[str, str] | None = None,
        program: str = "ocpi_hub",
        tokens: Sequence[tuple[PartyId, Sequence[str]]] = (),
        relations: Sequence[tuple[PartyId, PartyId, str]] = (),
    ) -> AsyncIterator[World]:
        """A hub that runs, on a database of its own.

        Args:
            tokens: stored tokens, by owner.
            relations: (CPO, eMSP, mode) of pairs that differ from the default `realtime`.
        """
        address = self.maintenance.with_database(f"bench_{name}")
        await self._execute(f'create database "{address.database}" template template0')
        try:
            await migrate(address, make_settings())
            connection = await asyncpg.connect(**address.connect_arguments())
            try:
                await bring_on_board(connection, partners, relations)
                for owner, uids in tokens:
                    await store_tokens(connection, owner, uids)
                await connection.execute("vacuum analyze")
                hub = HubProcess(
                    address,
                    self.directory / f"{name}.log",
                    program=program,
                    start=executed,
                    settings=_shipped_settings() | dict(settings or {}),
                )
                async with hub, self._profiled(hub, name):
                    yield World(self, hub, connection)
            finally:
                await connection.close()
        finally:
            await self._execute(f'drop database "{address.database}" with (force)')

    @asynccontextmanager
    async def _profiled(self, hub: HubProcess, name: str) -> AsyncIterator[None]:
        if self.profiles is None:
            yield
            return
        async with recording(hub.process.pid, self.profiles / f"{name}.txt"):
            yield

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(**self.maintenance.connect_arguments())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class World:
    """A hub that runs. `connection`: to its database."""

    bench: Bench
    hub: HubProcess
    connection: asyncpg.Connection[asyncpg.Record]

    @property
    def port(self) -> int:
        return int(self.hub.url.rpartition(":")[2])

    @property
    def watched(self) -> dict[str, int]:
        """The processes whose CPU time counts."""
        return {"hub": self.hub.process.pid, "postgres": self.bench.postgres_pid}


@asynccontextmanager
async def open_bench(
    *, repeats: int, seconds: float, full: bool = False, profiles: Path | None = None
) -> AsyncIterator[Bench]:
    """Start PostgreSQL, as durable as the hub's own."""
    with _directory() as directory:
        server = EmbeddedServer(directory / "postgres", options=_SERVER_OPTIONS)
        address = await server.start()
        try:
            assert server.pid is not None
            maintenance = address.with_database("postgres")
            yield Bench(repeats, seconds, full, profiles, directory, maintenance, server.pid)
        finally:
            await server.stop()


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hub-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL does not run as root
        yield directory


def _shipped_settings() -> dict[str, str]:
    """Undo what tests hurry up."""
    shipped = {key: str(Settings.model_fields[key].default) for key in QUICK.keys() - _NEEDED_HERE}
    return shipped | {"log_format": "json"}
