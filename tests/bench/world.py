"""The hub of the bench: a real process on a real PostgreSQL, with the partners a row needs.

Partners are written into the directory as a handshake leaves them. The settings are the shipped
ones, except that http and loopback are allowed and no rate is limited.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.columns import columns
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.migrate import migrate
from ocpi_hub.store.secret_key import Keyring
from tests.bench.profiling import recording
from tests.support import factories
from tests.support.hub import QUICK, HubProcess
from tests.support.postgres import make_settings

HUB = PartyId("EU", "HUB")
_KEYRING = Keyring(b"k" * 32)  # what HubProcess gives the hub
_NEEDED_HERE = {"allow_http", "allow_networks", "default_relation", "rate_limit_rps"}
_SERVER_OPTIONS = {"shared_preload_libraries": "pg_stat_statements"}
_TOKENS_AT_ONCE = 5000


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
        program: Sequence[str] = ("-m", "ocpi_hub"),
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
                await _bring_on_board(connection, partners, relations)
                for owner, uids in tokens:
                    await _store_tokens(connection, owner, uids)
                await connection.execute("vacuum analyze")
                hub = HubProcess(
                    address,
                    self.directory / f"{name}.log",
                    program=program,
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


@dataclass(frozen=True, slots=True)
class Partner:
    """A platform of one party.

    Attributes:
        endpoints: (module, interface role, URL).
    """

    party: PartyId
    role: str
    base_url: str
    endpoints: Sequence[tuple[str, str, str]] = ()

    @property
    def platform_id(self) -> str:
        return f"p-{self.party.country_code}-{self.party.party_id}".lower()

    @property
    def token(self) -> str:
        """The credentials token that this platform presents."""
        return f"token-of-{self.platform_id}"


def parties(country_code: str, number: int) -> list[PartyId]:
    """So many party ids: AAA, AAB, ..."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [
        PartyId(country_code, letters[n // 676] + letters[n // 26 % 26] + letters[n % 26])
        for n in range(number)
    ]


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


async def _bring_on_board(
    connection: asyncpg.Connection[asyncpg.Record],
    partners: Sequence[Partner],
    relations: Sequence[tuple[PartyId, PartyId, str]],
) -> None:
    names = [each.platform_id for each in partners]
    countries = [each.party.country_code for each in partners]
    ids = [each.party.party_id for each in partners]
    sealed = [_KEYRING.seal(f"hub-at-{name}", context=name) for name in names]
    endpoints = columns(
        ((each.platform_id, *endpoint) for each in partners for endpoint in each.endpoints), 4
    )
    async with connection.transaction():
        await connection.execute(
            "insert into platform (platform_id, name, state, ocpi_version, versions_url,"
            " our_token_sealed, connected_at)"
            " select id, id, 'connected', '2.2.1', url, sealed, now()"
            " from unnest($1::text[], $2::text[], $3::bytea[]) as p (id, url, sealed)",
            names,
            [f"{each.base_url}/versions" for each in partners],
            sealed,
        )
        await connection.execute(
            "insert into party (country_code, party_id, platform_id)"
            " select * from unnest($1::text[], $2::text[], $3::text[])",
            countries,
            ids,
            names,
        )
        await connection.execute(
            "insert into party_role (country_code, party_id, role, name)"
            " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])",
            countries,
            ids,
            [each.role for each in partners],
            names,
        )
        await connection.execute(
            "insert into endpoint (platform_id, ocpi_version, module, interface_role, url)"
            " select p, '2.2.1', m, i, u"
            " from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as e (p, m, i, u)",
            *endpoints,
        )
        await connection.execute(
            "insert into credentials_token (token_sha256, platform_id, kind, first_used_at)"
            " select digest, id, 'access', now() from unnest($1::bytea[], $2::text[])"
            " as t (digest, id)",
            [CredentialsToken(each.token).sha256 for each in partners],
            names,
        )
        await connection.execute(
            "insert into platform_contact (platform_id, last_contact_at)"
            " select platform_id, now() from platform"
        )
        await connection.executemany(
            "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code,"
            " emsp_party_id, mode) values ($1, $2, $3, $4, $5)",
            [
                (cpo.country_code, cpo.party_id, emsp.country_code, emsp.party_id, mode)
                for cpo, emsp, mode in relations
            ],
        )


async def _store_tokens(
    connection: asyncpg.Connection[asyncpg.Record], owner: PartyId, uids: Sequence[str]
) -> None:
    for begin in range(0, len(uids), _TOKENS_AT_ONCE):
        some = uids[begin : begin + _TOKENS_AT_ONCE]
        await connection.execute(
            "insert into shared_object (module, country_code, party_id, object_id, object_type,"
            " position, body, last_updated, origin, correlation_id)"
            " select 'tokens', $1, $2, upper(uid), 'RFID', nextval('shared_object_position'),"
            " body::json, now(), 'broadcast', 'bench'"
            " from unnest($3::text[], $4::text[]) as t (uid, body)",
            owner.country_code,
            owner.party_id,
            some,
            [factories.text(factories.token(uid, owner=owner)) for uid in some],
        )
