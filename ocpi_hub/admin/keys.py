"""Who may call the admin API: keys with scopes.

A key is 32 random bytes behind a prefix, so its digest can be stored and looked up as it is: nobody
finds a key by trying, nor by how long a refusal takes. A key that was found stays known for
`KEY_CACHE_S` seconds in each process; that is how long a revoked one may still work.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.directory.token_bucket import TokenBucket
from ocpi_hub.errors import StoreUnavailable

KEY_CACHE_S = 5.0
KEY_PREFIX = "ohk_"
"""Makes a key recognizable, for whoever looks for secrets that leaked."""

_KEY_BYTES = 32
_MAX_CACHED = 1000
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]{1,200}) *")


class Scope(StrEnum):
    """What a key is good for; each scope includes those before it."""

    READ = "read"
    """Look at everything but keys."""
    OPERATE = "operate"
    """Keep things running: suspend and resume platforms, decide about CDRs."""
    ADMIN = "admin"
    """Change who takes part and who works with whom; make and revoke keys."""


class KeySecret(str):
    """A key in clear. Its repr is redacted, so that it cannot slip into a log."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "KeySecret(***)"

    @classmethod
    def new(cls) -> KeySecret:
        return cls(KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES))

    @property
    def sha256(self) -> bytes:
        """The digest under which it is stored."""
        return hashlib.sha256(self.encode()).digest()


@dataclass(frozen=True, slots=True)
class AdminKey:
    """A key as the hub knows it."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def may(self, needed: Scope) -> bool:
        """Whether one of its scopes is the needed one or includes it."""
        order = list(Scope)
        return any(order.index(scope) >= order.index(needed) for scope in self.scopes)


class KeyStore(Protocol):
    """Where keys are kept."""

    async def find(self, sha256: bytes) -> AdminKey | None:
        """The key with this digest unless it is revoked; takes note of its use.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        ...


class TooManyLookUps(Exception):
    """Too many unknown keys were presented: this one was not even looked up."""


@dataclass(frozen=True, slots=True)
class _Known:
    key: AdminKey
    looked_up_at: float


class KeyRing:
    """The keys that one process knows at the moment.

    Args:
        unknown_per_s: look-ups a second for keys that were not good lately; one that was is always
            looked up, whatever somebody else tries.
    """

    def __init__(self, store: KeyStore, clock: Clock, *, unknown_per_s: float) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._budget = TokenBucket(unknown_per_s, clock)

    async def key(self, secret: KeySecret, *, stale_s: float = 0.0) -> AdminKey | None:
        """The key, unless it is unknown or was revoked more than `KEY_CACHE_S` seconds ago.

        Args:
            stale_s: while the database is away, a key that was good this many seconds ago still is.

        Raises:
            TooManyLookUps: there is no telling now.
            StoreUnavailable: the database cannot be reached.
        """
        digest, now = secret.sha256, self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known.looked_up_at < KEY_CACHE_S:
            return known.key
        if known is None and not self._budget.take():
            raise TooManyLookUps
        try:
            key = await self._store.find(digest)
        except StoreUnavailable:
            if known is not None and now - known.looked_up_at < stale_s:
                return known.key
            raise
        if key is None:
            self._known.pop(digest, None)
        else:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[digest] = _Known(key, now)
        return key


def read_bearer(header: str | None) -> KeySecret | None:
    """The key of an Authorization header; None when there is no usable one."""
    match = _BEARER.fullmatch(header or "")
    return KeySecret(match[1]) if match else None
