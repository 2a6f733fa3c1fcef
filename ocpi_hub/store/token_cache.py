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
from collections.abc import Sequence

from ocpi_hub.authorization.protocols import KnownToken, TokenLookup
from ocpi_hub.clock import Clock
from ocpi_hub.domain.objects import ObjectKey
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


@value
class _Entry:
    tokens: Sequence[KnownToken]
    read_at: float


class TokenCache:
    """A `TokenLookup` that remembers; `run` keeps it true.

    Args:
        most: uids that are remembered; 0: none.
    """

    def __init__(self, lookup: TokenLookup, database: Database, clock: Clock, *, most: int) -> None:
        self._lookup = lookup
        self._database = database
        self._clock = clock
        self._most = most
        self._entries: dict[_Name, dict[PartyId, _Entry]] = {}
        self._tail: int | None = None
        self._confirmed_at = float("-inf")
        self._changes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        """As `TokenLookup.find`."""
        name = (ObjectKey(Module.TOKENS, cpo, uid, token_type).object_id, token_type)
        now = self._clock.monotonic()
        entry = self._entries.get(name, {}).get(cpo)
        if entry and now - self._confirmed_at <= CONFIRMED_S and now - entry.read_at <= KEPT_S:
            known: asyncio.Future[Sequence[KnownToken]] = asyncio.get_running_loop().create_future()
            known.set_result([_aged(token, now - entry.read_at) for token in entry.tokens])
            return known
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
        if name not in self._entries and len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        self._entries.setdefault(name, {})[cpo] = _Entry(done.result(), asked_at)

    def forget(self, key: ObjectKey) -> None:
        """This process has changed an object: whoever did that need not wait for the feed."""
        if key.module == Module.TOKENS:
            self._changes += 1
            self._entries.pop((key.object_id, key.object_type), None)

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
            self._entries.pop((row["object_id"], row["object_type"]), None)
        self._confirmed_at = began

    def _forget_all(self) -> None:
        self._changes += 1
        self._entries.clear()


def _aged(token: KnownToken, by_s: float) -> KnownToken:
    age_s = token.knowledge_age_s
    if age_s is None:
        return token
    return KnownToken(token.owner, token.valid, token.whitelist, token.body, age_s + by_s)
