"""Stored tokens in memory, as long as the feed says that they have not changed.

Design section 4, step 6. Every `POLL_S` the process reads which tokens have changed and forgets
those; what it changes itself it forgets at once. When that could not be done for `CONFIRMED_S`,
nothing is answered from memory. An answer that was read while a change arrived is not kept: it may
be from before.

The age of what is known about an owner travels with a token and only grows in memory, so entries
are read anew after `KEPT_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Final

from ocpi_hub.authorization.protocols import KnownToken, TokenFinder
from ocpi_hub.clock import Clock
from ocpi_hub.domain.objects import ObjectKey, folded
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import StoreError
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("token_cache")

POLL_S = 0.5
CONFIRMED_S = 2.0
KEPT_S = 30.0
PAGE = 1000

_Name = tuple[str, str]
"""Uid, folded, and type."""

_ENTRY_BYTES: Final = 700
"""What an entry takes beside its texts, with its keys: rather too much."""
_TOKEN_BYTES: Final = 300


@value
class _Entry:
    """What a CPO is told of a uid; `size` in bytes."""

    tokens: Sequence[KnownToken]
    read_at: float
    size: int


class TokenCache:
    """A `TokenLookup` that remembers; `run` keeps it true.

    A database holds more tokens than a process has room for, and some are large: beyond the bounds
    the uid goes that came first, and is looked up when it is asked for.

    Args:
        most: answers that are remembered, each for a uid and a CPO; 0: none.
        most_bytes: that they take, estimated.
    """

    def __init__(
        self,
        lookup: TokenFinder,
        database: Database,
        clock: Clock,
        *,
        most: int,
        most_bytes: int,
    ) -> None:
        self._lookup = lookup
        self._database = database
        self._clock = clock
        self._most = most
        self._most_bytes = most_bytes
        self._rows = 0
        self._bytes = 0
        self._entries: dict[_Name, dict[PartyId, _Entry]] = {}
        self._tail: int | None = None
        self._confirmed_at = float("-inf")
        self._changes = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def size(self) -> int:
        """Bytes that are taken, estimated."""
        return self._bytes

    def known(self, uid: str, token_type: str, cpo: PartyId) -> Sequence[KnownToken] | None:
        """As `TokenLookup.known`."""
        entries = self._entries.get((folded(uid), token_type))
        entry = entries.get(cpo) if entries else None
        if entry is None:
            return None
        now = self._clock.monotonic()
        age_s = now - entry.read_at
        if now - self._confirmed_at > CONFIRMED_S or age_s > KEPT_S:
            return None
        return [_aged(token, age_s) for token in entry.tokens]

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        """As `TokenFinder.find`: asks, also for what is known."""
        name = folded(uid), token_type
        now = self._clock.monotonic()
        asked = self._lookup.find(uid, token_type, cpo)
        if self._most and now - self._confirmed_at <= CONFIRMED_S:
            changes = self._changes
            asked.add_done_callback(lambda done: self._remember(done, name, cpo, now, changes))
        return asked

    def _remember(
        self,
        done: asyncio.Future[Sequence[KnownToken]],
        name: _Name,
        cpo: PartyId,
        asked_at: float,
        changes: int,
    ) -> None:
        if done.cancelled() or done.exception() is not None or changes != self._changes:
            return
        entry = _Entry(done.result(), asked_at, _size(name, done.result()))
        if entry.size > self._most_bytes:
            return
        known = self._entries.setdefault(name, {})
        before = known.get(cpo)
        known[cpo] = entry
        self._rows += before is None
        self._bytes += entry.size - (before.size if before else 0)
        while self._rows > self._most or self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, name: _Name) -> None:
        gone = self._entries.pop(name, {})
        self._rows -= len(gone)
        self._bytes -= sum(entry.size for entry in gone.values())

    def forget(self, key: ObjectKey) -> None:
        """This process has changed an object: whoever did that need not wait for the feed."""
        if key.module == Module.TOKENS:
            self._changes += 1
            self._drop((key.object_id, key.object_type))

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the changes of tokens until `stop` is set."""
        while self._most and not stop.is_set():
            try:
                await self.follow()
            except StoreError as error:
                log.warning("token_cache_waits_for_database", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_S)
        await stop.wait()

    async def follow(self) -> None:
        """Forget what has changed since the last time.

        Raises:
            StoreError: that cannot be told now.
        """
        began = self._clock.monotonic()
        async with self._database.connection() as connection:
            if self._tail is None:
                self._tail = await connection.fetchval(SQL.tail)
                self._forget_all()
            rows = await connection.fetch(SQL.changed_after, self._tail, PAGE)
        if len(rows) == PAGE:
            # Too much has changed to look at one by one.
            self._tail = None
            self._forget_all()
            return
        if rows:
            self._changes += 1
            self._tail = rows[-1]["position"]
        for row in rows:
            self._drop((row["object_id"], row["object_type"]))
        self._confirmed_at = began

    def _forget_all(self) -> None:
        self._changes += 1
        self._entries.clear()
        self._rows = self._bytes = 0


def _size(name: _Name, tokens: Sequence[KnownToken]) -> int:
    texts = sum(sys.getsizeof(token.body) + _TOKEN_BYTES for token in tokens)
    return _ENTRY_BYTES + sys.getsizeof(name[0]) + texts


def _aged(token: KnownToken, by_s: float) -> KnownToken:
    age_s = token.knowledge_age_s
    if age_s is None:
        return token
    return KnownToken(token.owner, token.valid, token.whitelist, token.body, age_s + by_s)
