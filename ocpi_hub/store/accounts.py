"""Accounts of the console, their sessions and failed logins, in PostgreSQL."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from ocpi_hub.admin.accounts import Account, AccountRole, Secret
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("accounts")

_ID_BYTES = 4
_IPV6_NETWORK = 64
"""Bits of what a provider gives one customer, at least."""
FREE_ACCOUNT, FREE_ADDRESS = 5, 20
"""Failed logins until one has to wait: for an account, and from an address."""
LONGEST_S = 60
"""Seconds that somebody has to wait, at most: nobody can be kept out for long."""


@dataclass(frozen=True, slots=True)
class LoginLife:
    """How long sessions last: unused, and in all."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class FoundSession:
    """Whose session it is.

    Attributes:
        flash: what the next page tells: a tone and a text.
        kept: what it puts back into a form, as the console wrote it.
    """

    account: Account
    flash: tuple[str, str] | None
    stale: bool
    kept: str = ""


class _HasToWait(Exception):
    """Nothing that was counted stays counted."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait for {seconds} s")
        self.seconds = seconds


class PostgresAccounts:
    """What is known of accounts."""

    def __init__(self, database: Database, life: LoginLife) -> None:
        self._database = database
        self._life = life

    # Accounts ------------------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        role: AccountRole,
        platform_id: PlatformId | None,
        password_hash: str,
        *,
        must_change: bool,
    ) -> Account:
        """Raises: OperatorError: the name is taken. NoSuchObject: there is no such platform."""
        account_id = f"a-{secrets.token_hex(_ID_BYTES)}"
        async with self._database.connection() as connection:
            try:
                row = await connection.fetchrow(
                    SQL.create, account_id, name, role, platform_id, password_hash, must_change
                )
            except asyncpg.UniqueViolationError:
                raise OperatorError(f"there is an account {name} already") from None
            except asyncpg.ForeignKeyViolationError:
                raise NoSuchObject(f"there is no platform {platform_id}") from None
        if row is None:
            raise AssertionError("a row was inserted")
        return _account(row)

    async def list(self, *, after: str | None, limit: int) -> Sequence[Account]:
        """All accounts, disabled ones too, by id."""
        async with self._database.connection() as connection:
            return [_account(row) for row in await connection.fetch(SQL.list, after, limit)]

    async def find(self, account: str) -> Account:
        """By id, or by name.

        Raises:
            NoSuchObject: there is none.
        """
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, account)
            row = row or await connection.fetchrow(SQL.find_by_name, account)
        if row is None:
            raise NoSuchObject(f"there is no account {account}: see `admin account list`")
        return _account(row)

    async def password_of(self, name: str) -> tuple[Account, str] | None:
        """An account with the hash of its password."""
        if "\0" in name:
            return None
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find_by_name, name)
        return (_account(row), row["password_hash"]) if row else None

    async def disable(self, account_id: str) -> Account:
        """End an account and its sessions, at once.

        Raises:
            OperatorError: it is the last admin.
        """
        async with self._database.transaction() as connection:
            admins = {row["account_id"] for row in await connection.fetch(SQL.lock_admins)}
            if admins == {account_id}:
                raise OperatorError("this is the last admin: make another one first")
            row = await connection.fetchrow(SQL.disable, account_id)
            await connection.execute(SQL.close_sessions, account_id, None)
            await connection.execute(SQL.forget_browsers, account_id)
        return _found(row, account_id)

    async def enable(self, account_id: str) -> Account:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.enable, account_id)
        return _found(row, account_id)

    async def set_password(
        self, account_id: str, password_hash: str, *, must_change: bool, keep: Secret | None = None
    ) -> Account:
        """Another password; ends all sessions, but that of `keep`, and what kept it out."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                SQL.set_password, account_id, password_hash, must_change
            )
            await connection.execute(SQL.close_sessions, account_id, keep.sha256 if keep else None)
            if row is not None:
                await connection.execute(SQL.forgive, [subject_of("account", row["name"])])
        return _found(row, account_id)

    async def rehash(self, account_id: str, password_hash: str, before: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.rehash, account_id, password_hash, before)

    # Sessions ------------------------------------------------------------------------------------

    async def open_session(self, account: Account, session: Secret, browser: Secret) -> bool:
        """Whether it is open now: the account may have changed since its password was compared."""
        async with self._database.transaction() as connection:
            opened = await connection.fetchval(
                SQL.open_session, session.sha256, account.account_id, account.password_changed_at
            )
            if opened is None:
                return False
            await connection.execute(SQL.know_browser, browser.sha256, account.account_id)
            await connection.execute(SQL.note_login, account.account_id)
            await connection.execute(SQL.sweep_sessions, self._life.idle, self._life.longest)
            await connection.execute(SQL.sweep_browsers)
            await connection.execute(SQL.sweep_failures)
        return True

    async def session(self, session: Secret) -> FoundSession | None:
        """Whose it is, unless it is over."""
        life = self._life
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.session, session.sha256, life.idle, life.longest)
            if row is None:
                return None
            if row["stale"]:
                await connection.execute(SQL.touch_session, session.sha256)
        tone, text, *kept = json.loads(row["flash"]) if row["flash"] else ("", "")
        flash = (tone, text) if tone else None
        return FoundSession(_account(row), flash, row["stale"], "".join(kept))

    async def is_open(self, session: Secret) -> bool:
        """The same without counting as use."""
        life = self._life
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.session, session.sha256, life.idle, life.longest)
        return row is not None

    async def set_flash(self, session: Secret, tone: str, text: str, kept: str = "") -> None:
        flash = [tone, text, kept] if kept else [tone, text]
        async with self._database.connection() as connection:
            await connection.execute(SQL.set_flash, session.sha256, json.dumps(flash))

    async def take_flash(self, session: Secret) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.take_flash, session.sha256)

    async def close_session(self, session: Secret) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.close_session, session.sha256)

    # Failed logins -------------------------------------------------------------------------------

    async def knows_browser(self, browser: Secret | None, name: str) -> bool:
        """Whether this account logged in from this browser lately."""
        if browser is None or "\0" in name:
            return False
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(SQL.knows_browser, browser.sha256, name))

    async def attempt(self, subjects: Sequence[tuple[bytes, int]]) -> int | None:
        """Count an attempt for each subject, with its number of free ones.

        Returns:
            None: go on; else the seconds to wait, and it counts for none of them.
        """
        try:
            async with self._database.transaction() as connection:
                for subject, free in sorted(subjects):
                    if await connection.fetchval(SQL.attempt, subject, free, LONGEST_S) is None:
                        wait = await connection.fetchval(SQL.blocked_s, [subject])
                        raise _HasToWait(max(int(wait or 1), 1))
        except _HasToWait as refused:
            return refused.seconds
        return None

    async def forgive(self, subjects: Sequence[bytes]) -> None:
        """The password was right."""
        async with self._database.connection() as connection:
            await connection.execute(SQL.forgive, list(subjects))

    async def take_back(self, subject: bytes) -> None:
        """An attempt was a good one; what failed before still counts."""
        async with self._database.connection() as connection:
            await connection.execute(SQL.take_back, subject)


def address_subject(address: str) -> bytes:
    """Whoever has an IPv6 address has all of its network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return subject_of("address", address)
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return subject_of("address", str(found.ipv4_mapped))
        return subject_of(
            "address", str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
        )
    return subject_of("address", str(found))


def subject_of(kind: str, text: str) -> bytes:
    """What failed logins are counted for."""
    return hashlib.sha256(f"{kind} {text.casefold()}".encode("utf-8", "replace")).digest()


def _found(row: asyncpg.Record | None, account_id: str) -> Account:
    if row is None:
        raise NoSuchObject(f"there is no account {account_id}")
    return _account(row)


def _account(row: asyncpg.Record) -> Account:
    return Account(
        account_id=row["account_id"],
        name=row["name"],
        role=AccountRole(row["role"]),
        platform_id=PlatformId(row["platform_id"]) if row["platform_id"] else None,
        must_change=row["must_change"],
        created_at=row["created_at"],
        password_changed_at=row["password_changed_at"],
        last_login_at=row["last_login_at"],
        disabled_at=row["disabled_at"],
    )
