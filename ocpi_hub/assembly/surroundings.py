"""What a process is built on, and what it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.custody import CustodyStore
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.settings import Settings
from ocpi_hub.store.database import Database
from ocpi_hub.store.liveness import PostgresLivenessStore
from ocpi_hub.store.secret_key import Keyring

Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Writer(Protocol):
    """A loop that writes what others hand in; it ends last."""

    name: str

    @property
    def queued(self) -> int:
        """Rows that wait."""
        ...

    async def run(self, stop: asyncio.Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does: answer requests, work in the background, or both."""

    api: bool = True
    worker: bool = True


@dataclass(frozen=True, slots=True)
class Wrappers:
    """Places where a test may stand between parts of the real service."""

    client: Callable[[OutboundClient], OutboundClient] = lambda client: client
    custody: Callable[[CustodyStore], CustodyStore] = lambda store: store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process is built on.

    Attributes:
        public_url: base of every URL the hub hands out.
        serves: whether this process accepts requests itself.
    """

    settings: Settings
    database: Database
    keyring: Keyring
    client: OutboundClient
    clock: Clock
    public_url: str
    serves: bool
    wrappers: Wrappers

    def mask_uid(self, uid: str) -> str:
        """The keyed hash that stands for a token's uid in logs and records (decision D-15)."""
        return self.keyring.mac("token uid", uid.upper())

    @property
    def known_url(self) -> str | None:
        """`public_url` if partners can reach the hub there: a process that only works in the
        background listens nowhere, and knows no other URL than a configured one."""
        return self.public_url if self.serves or self.settings.public_url else None


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process is made of, as far as it has to be started and stopped.

    Attributes:
        follow_settings: sees to what a changed configuration means for what is kept; called once
            the directory is loaded.
    """

    keeper: DirectoryKeeper
    liveness_store: PostgresLivenessStore
    follow_settings: Callable[[], Awaitable[None]]
    always: tuple[tuple[str, Loop], ...]
    background: tuple[tuple[str, Loop], ...]
    writers: tuple[Writer, ...]
    app: web.Application

    def loops(self, roles: Roles) -> tuple[tuple[str, Loop], ...]:
        """The loops of a process, by name."""
        return self.always + (self.background if roles.worker else ())
