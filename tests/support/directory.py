"""Directory rows for tests, and clocks that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ocpi_hub.domain.party import CredentialsToken, PartyId, RelationMode
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.secret_key import Keyring

HUB = PartyId("EU", "HUB")
KEY = bytes(range(32))


class ManualClock:
    """Time stands still until `advance`; sleeping gives way once."""

    def __init__(self) -> None:
        self._elapsed_s = 1000.0

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(0)


def make_directory_store(
    database: Database, keyring: Keyring | None = None
) -> PostgresDirectoryStore:
    return PostgresDirectoryStore(database, keyring or Keyring(KEY), HUB, RelationMode.NONE)


async def insert_platform(
    database: Database,
    platform_id: str = "p-1",
    *,
    state: str = "connected",
    presents: str | None = "their-secret",
    keyring: Keyring | None = None,
    roles: tuple[tuple[str, str], ...] = (("CPO", "NL*CPO"),),
    endpoints: tuple[tuple[str, str, str], ...] = (),
) -> None:
    """A platform with its parties; endpoints as (module, interface role, URL).

    Args:
        presents: the token that the hub presents to it.
    """
    sealed = (keyring or Keyring(KEY)).seal(presents, context=platform_id) if presents else None
    async with database.transaction() as connection:
        await connection.execute(
            "insert into platform (platform_id, name, state, ocpi_version, versions_url,"
            " our_token_sealed) values ($1, $1, $2, '2.2.1', 'https://partner.example/v', $3)",
            platform_id,
            state,
            sealed,
        )
        for role, text in roles:
            party = PartyId.parse(text)
            await connection.execute(
                "insert into party values ($1, $2, $3) on conflict do nothing",
                party.country_code,
                party.party_id,
                platform_id,
            )
            await connection.execute(
                "insert into party_role (country_code, party_id, role, name)"
                " values ($1, $2, $3, $4)",
                party.country_code,
                party.party_id,
                role,
                f"{role} {party}",
            )
        for module, interface_role, url in endpoints:
            await connection.execute(
                "insert into endpoint values ($1, '2.2.1', $2, $3, $4)",
                platform_id,
                module,
                interface_role,
                url,
            )


async def insert_token(
    database: Database,
    token: str,
    platform_id: str = "p-1",
    *,
    kind: str = "access",
    expires_in_s: float | None = None,
) -> CredentialsToken:
    issued = CredentialsToken(token)
    async with database.connection() as connection:
        await connection.execute(
            "insert into credentials_token (token_sha256, platform_id, kind, issued_at, expires_at)"
            " values ($1, $2, $3, clock_timestamp(), now() + $4::interval)",
            issued.sha256,
            platform_id,
            kind,
            None if expires_in_s is None else timedelta(seconds=expires_in_s),
        )
    return issued


async def catch_ups(database: Database) -> list[tuple[str, str]]:
    """What is to be fetched, as (platform, module)."""
    async with database.connection() as connection:
        rows = await connection.fetch("select platform_id, module from inbound_catch_up order by 1")
    return [(row["platform_id"], row["module"]) for row in rows]


async def until(condition: Callable[[], Awaitable[bool] | bool], timeout_s: float = 10.0) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)
