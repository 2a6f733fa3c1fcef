"""Who may log in to the console: accounts, their roles, and their passwords.

A password is kept as Argon2id only. Hashing one takes memory and time on purpose: it happens in a
thread, for a few at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ocpi_hub.admin.keys import Scope
from ocpi_hub.domain.party import PlatformId

NAME_LENGTH = 100
PASSWORD_LENGTH = (12, 200)
HASHED_AT_ONCE = 2
_PASSWORD_BYTES = 15
_SESSION_BYTES = 32


class AccountRole(StrEnum):
    """What an account is good for."""

    ADMIN = "admin"
    """Everything, accounts and keys too."""
    OPERATOR = "operator"
    """Keep things running: suspend and resume platforms, decide about CDRs."""
    VIEWER = "viewer"
    """Look at everything but accounts and keys."""
    PARTNER = "partner"
    """Look at what concerns its own platform."""

    @property
    def scope(self) -> Scope | None:
        """The scope of a key that may do the same; None: there is no such key."""
        return _SCOPES.get(self)


_SCOPES = {
    AccountRole.ADMIN: Scope.ADMIN,
    AccountRole.OPERATOR: Scope.OPERATE,
    AccountRole.VIEWER: Scope.READ,
}


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the hub knows it.

    Attributes:
        platform_id: of a partner's account: whose data it sees.
        must_change: somebody else chose its password.
    """

    account_id: str
    name: str
    role: AccountRole
    platform_id: PlatformId | None
    must_change: bool
    created_at: datetime
    password_changed_at: datetime
    last_login_at: datetime | None = None
    disabled_at: datetime | None = None


class Secret(str):
    """A password, or what a cookie holds. Its repr is redacted, so that it cannot slip into a log.

    Whoever holds a cookie's value has its session: only the digest is stored.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(***)"

    @classmethod
    def new_session(cls) -> Secret:
        return cls(secrets.token_urlsafe(_SESSION_BYTES))

    @classmethod
    def new_password(cls) -> Secret:
        """For somebody who is going to change it."""
        return cls(secrets.token_urlsafe(_PASSWORD_BYTES))

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.encode()).digest()


def checked_account_name(value: str) -> str:
    """What somebody logs in as.

    Raises:
        ValueError: it is none.
    """
    name = value.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise ValueError(f"a name has 1 to {NAME_LENGTH} printable characters")
    return name


def checked_password(value: str, name: str) -> Secret:
    """A password that may be chosen.

    Raises:
        ValueError: it is too short, too long, or the account's name.
    """
    least, most = PASSWORD_LENGTH
    if not least <= len(value) <= most:
        raise ValueError(f"a password has {least} to {most} characters")
    if value.casefold() == name.casefold() or len(set(value)) < least // 3:
        raise ValueError("this password is too easy to guess")
    return Secret(value)


class Passwords:
    """Hashes passwords and compares them."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(HASHED_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: Secret) -> str:
        """With a salt of its own."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, kept: str | None, password: Secret) -> bool:
        """Whether it is the password.

        Args:
            kept: None: there is no such account, which takes as long as a wrong password.
        """
        if kept is None:
            if self._nobody is None:
                self._nobody = await self.hash(Secret.new_session())
            await self._verify(self._nobody, password)
            return False
        return await self._verify(kept, password)

    def is_dated(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    async def _verify(self, kept: str, password: Secret) -> bool:
        async with self._slots:
            try:
                return await asyncio.to_thread(self._hasher.verify, kept, password)
            except (VerificationError, InvalidHashError):
                return False
