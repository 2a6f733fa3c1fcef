"""The directory in PostgreSQL: consistent reads, first uses, heartbeats, notifications."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

import asyncpg

from ocpi_hub.directory.protocols import ProcessRow
from ocpi_hub.directory.snapshot import CredentialsKind, Directory, IssuedCredentials
from ocpi_hub.domain.party import (
    CdrExchange,
    CredentialsToken,
    Fallback,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Quirk,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.errors import ConfigError, StoreUnavailable
from ocpi_hub.store.cdr_rules import cdr_rules_of
from ocpi_hub.store.credentials import TOLD_APART
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.secret_key import Keyring
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("directory")
CHANNEL = "ocpi_hub_directory"

_PROBE_S = 30.0
"""Seconds between signs of life on the connection that listens: a lost peer makes no noise."""

_ROLES = frozenset(Role)
_QUIRKS = frozenset(Quirk)


class PostgresDirectoryStore:
    """Implements `directory.protocols.DirectoryStore`.

    Args:
        hub: the hub's own party.
        default_relation: mode of pairs without a relation of their own.
    """

    def __init__(
        self, database: Database, keyring: Keyring, hub: PartyId, default_relation: RelationMode
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._hub = hub
        self._default_relation = default_relation
        self._hints: dict[str, Callable[[], None]] = {}

    def also_listen(self, channel: str, wake: Callable[[], None]) -> None:
        """From the next `listen` on, call this as well when something may have happened there."""
        self._hints[channel] = wake

    async def version(self) -> int:
        async with self._database.connection() as connection:
            version: int = await connection.fetchval(SQL.version)
        return version

    async def load(self) -> Directory:
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            version = await connection.fetchval(SQL.version)
            platforms = await connection.fetch(SQL.platforms)
            roles = await connection.fetch(SQL.roles)
            endpoints = await connection.fetch(SQL.endpoints)
            credentials = await connection.fetch(SQL.credentials)
            relations = await connection.fetch(SQL.relations)
        return Directory.build(
            version=version,
            hub=self._hub,
            default_relation=self._default_relation,
            platforms=self._platforms(platforms, roles, endpoints),
            credentials=map(_issued, credentials),
            relations=map(relation_of, relations),
        )

    async def find_credentials(self, token_sha256: bytes) -> IssuedCredentials | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find_credentials, token_sha256, TOLD_APART)
        return _issued(row) if row else None

    async def note_first_use(self, token_sha256: bytes, *, grace_s: float) -> bool:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.lock_unused_token, token_sha256)
            if row is None:
                return False
            await connection.execute(SQL.set_first_used, token_sha256)
            await connection.execute(
                SQL.let_older_expire,
                row["platform_id"],
                row["issued_at"],
                timedelta(seconds=grace_s),
            )
        return True

    async def heartbeat(
        self, process: ProcessRow, directory_version: int, *, keep_s: float
    ) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.heartbeat,
                process.process_id,
                process.host,
                process.pid,
                directory_version,
                timedelta(seconds=keep_s),
                process.public_url,
            )

    async def leave(self, process: ProcessRow) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.leave, process.process_id)

    async def announced_url(self, *, max_age_s: float) -> str | None:
        """The public URL of a process with a heartbeat younger than `max_age_s`."""
        async with self._database.connection() as connection:
            url: str | None = await connection.fetchval(
                SQL.announced_url, timedelta(seconds=max_age_s)
            )
        return url

    async def live_processes(self, *, max_age_s: float) -> int:
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(SQL.live_processes, timedelta(seconds=max_age_s))
        return count

    async def laggards(self, version: int, *, max_age_s: float) -> Sequence[ProcessRow]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.laggards, version, timedelta(seconds=max_age_s))
        return [ProcessRow(row["process_id"], row["host"], row["pid"]) for row in rows]

    async def listen(self, wake: Callable[[], None], stop: asyncio.Event) -> None:
        lost = asyncio.Event()
        connection = await self._database.dedicated()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            for channel, hint in {CHANNEL: wake, **self._hints}.items():
                await connection.add_listener(channel, partial(_notified, hint))
            wake()  # what happened before the connection stood sent no notification here
            while not await _any_set((stop, lost), timeout_s=_PROBE_S):
                await connection.execute("select 1")
            if lost.is_set() and not stop.is_set():
                raise StoreUnavailable("the connection that listens was lost")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailable(f"listening: {str(error) or type(error).__name__}") from error
        finally:
            await _close(connection)

    def _platforms(
        self,
        platforms: Iterable[asyncpg.Record],
        roles: Iterable[asyncpg.Record],
        endpoints: Iterable[asyncpg.Record],
    ) -> list[Platform]:
        roles_of: dict[str, list[PartyRole]] = defaultdict(list)
        for row in roles:
            # A role of a later release means nothing to this one.
            if row["role"] in _ROLES:
                roles_of[row["platform_id"]].append(_party_role(row))
        endpoints_of: dict[str, dict[tuple[str, InterfaceRole], str]] = defaultdict(dict)
        for row in endpoints:
            interface = (row["module"], InterfaceRole(row["interface_role"]))
            endpoints_of[row["platform_id"]][interface] = row["url"]
        return [
            Platform(
                platform_id=PlatformId(row["platform_id"]),
                name=row["name"],
                state=PlatformState(row["state"]),
                online=row["online"],
                version=OcpiVersion(row["ocpi_version"]) if row["ocpi_version"] else None,
                versions_url=row["versions_url"],
                our_token=self._our_token(row),
                roles=tuple(roles_of[row["platform_id"]]),
                endpoints=endpoints_of[row["platform_id"]],
                quirks=frozenset(Quirk(name) for name in row["quirks"] if name in _QUIRKS),
                page_limit=row["page_limit"],
                catch_up=row["catch_up"],
                offline_since=row["offline_since"],
                custom_modules=frozenset(row["custom_modules"]),
            )
            for row in platforms
        ]

    def _our_token(self, row: asyncpg.Record) -> CredentialsToken | None:
        """One token that cannot be read must not keep all the others from working."""
        if row["our_token_sealed"] is None:
            return None
        try:
            text = self._keyring.open(row["our_token_sealed"], context=row["platform_id"])
        except (ConfigError, ValueError) as error:
            log.error(
                "stored_token_unreadable",
                platform=row["platform_id"],
                reason=str(error),
                remedy="set OCPI_HUB_SECRET_KEY (or OCPI_HUB_OLD_SECRET_KEYS) to the key this"
                " database was used with, or invite the platform again",
            )
            return None
        return CredentialsToken(text)


def _notified(hint: Callable[[], None], *_notification: object) -> None:
    hint()


def relation_of(row: asyncpg.Record) -> Relation:
    return Relation(
        cpo=PartyId(row["cpo_country_code"], row["cpo_party_id"]),
        emsp=PartyId(row["emsp_country_code"], row["emsp_party_id"]),
        mode=RelationMode(row["mode"]),
        fallback=Fallback(row["fallback"]),
        authorize_budget_ms=row["authorize_budget_ms"],
        whitelist_max_age_s=row["whitelist_max_age_s"],
        fallback_max_age_s=row["fallback_max_age_s"],
        cdrs=CdrExchange(row["cdrs"]),
        cdr_schedule=row["cdr_schedule"],
        cdr_rules=cdr_rules_of(row["cdr_rules"]),
    )


def _party_role(row: asyncpg.Record) -> PartyRole:
    party = PartyId(row["country_code"], row["party_id"])
    return PartyRole(party, Role(row["role"]), row["name"], active=row["active"])


def _issued(row: asyncpg.Record) -> IssuedCredentials:
    return IssuedCredentials(
        token_sha256=row["token_sha256"],
        platform_id=PlatformId(row["platform_id"]),
        kind=CredentialsKind(row["kind"]),
        first_used_at=row["first_used_at"],
        expires_at=row["expires_at"],
    )


async def _any_set(events: Iterable[asyncio.Event], *, timeout_s: float) -> bool:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(
            waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for future in waiting:
            future.cancel()
    return bool(done)


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        await connection.close(timeout=1.0)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
