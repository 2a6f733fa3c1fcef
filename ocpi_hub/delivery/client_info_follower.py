"""Keeps the rows of client info in step with the directory.

From one version of the directory to the next only what differs is compared, and only for those whom
it concerns. That needs to know which version the rows came from; where another process has been at
work meanwhile, everything is compared for that platform. Nothing happens while the directory stays
as it is, but for a full comparison now and then, and for the moment at which somebody has been
OFFLINE for long enough to be told so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.client_info import Audience, ClientInfoStore, Outcome, Synced
from ocpi_hub.delivery.client_info_sight import About, Sight, affected
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PlatformId, PlatformState

GUARANTEE_S = 3600.0
"""Seconds after which everything is compared although nothing seems to have changed, about."""

ROWS_AT_ONCE, PLATFORMS_AT_ONCE = 5_000, 200
"""How much one transaction compares."""

_AFTER_S = 0.05
"""Seconds to let pass after the moment that the database named."""

_CLOCKS = timedelta(minutes=10)
"""How far the clocks of this machine and of the database may be apart, generously."""


class ClientInfoFollower:
    """What this process has seen to.

    Args:
        hold: how long a platform must have been OFFLINE before that is told.
    """

    def __init__(
        self, store: ClientInfoStore, clock: Clock, *, hold: timedelta, unrelated_planned: bool
    ) -> None:
        self._store = store
        self._clock = clock
        self._hold = hold
        self._planned = unrelated_planned
        self._seen: Sight | None = None
        self._bases: dict[PlatformId, int] = {}
        self._whole_at = 0.0
        self._ripe_at: float | None = None

    @property
    def version(self) -> int:
        """Of the directory that all rows are in step with, as far as this process is concerned."""
        return self._seen.directory.version if self._seen else 0

    async def follow(
        self, directory: Directory, stop: asyncio.Event
    ) -> Mapping[PlatformId, Synced]:
        """Compare what has to be compared.

        Raises:
            StoreError: it is begun again at the next call.
        """
        seen, now = self._seen, self._clock.monotonic()
        sight = (
            seen
            if seen is not None and seen.directory is directory
            else Sight(directory, unrelated_planned=self._planned)
        )
        whole = seen is None or now >= self._whole_at
        ripe = self._ripe_at is not None and now >= self._ripe_at
        if stop.is_set() or (seen is sight and not whole and not ripe):
            return {}
        plan = self._plan(seen, sight, whole=whole, ripe=ripe)
        synced, held_s = await self._compare(sight, plan, stop)
        if stop.is_set():
            return synced
        self._seen = sight
        if whole:
            self._whole_at = now + GUARANTEE_S * random.uniform(0.9, 1.1)  # noqa: S311 - scatters
        if whole or ripe:
            self._ripe_at = None
        waits = [*self._waits(sight), *([] if held_s is None else [held_s])]
        if waits:
            at = self._clock.monotonic() + min(waits) + _AFTER_S
            self._ripe_at = at if self._ripe_at is None else min(at, self._ripe_at)
        return synced

    def _waits(self, sight: Sight) -> Iterator[float]:
        """Seconds until absences have lasted, by this machine's clock. Also of those that another
        process has seen to: it may be gone by then."""
        now = self._clock.now()
        for who in self._held(sight):
            since = sight.directory.platforms[who].offline_since
            if since is not None and since + self._hold > now:
                yield (since + self._hold - now).total_seconds()

    def _plan(
        self, seen: Sight | None, sight: Sight, *, whole: bool, ripe: bool
    ) -> Iterator[tuple[PlatformId, About]]:
        """For whom to compare what."""
        if seen is None or whole:
            return iter(dict.fromkeys(sight.directory.platforms).items())
        plan = iter(()) if seen is sight else affected(seen, sight)
        return iter(_and_held(dict(plan), sight, self._held(sight)).items()) if ripe else plan

    def _held(self, sight: Sight) -> frozenset[PlatformId]:
        """Platforms that others may take for CONNECTED although they are OFFLINE."""
        since = self._clock.now() - self._hold - _CLOCKS
        return frozenset(
            platform.platform_id
            for platform in sight.directory.platforms.values()
            if platform.state is PlatformState.CONNECTED
            and not platform.online
            and platform.offline_since is not None
            and platform.offline_since > since
        )

    async def _compare(
        self, sight: Sight, plan: Iterable[tuple[PlatformId, About]], stop: asyncio.Event
    ) -> tuple[Mapping[PlatformId, Synced], float | None]:
        """Compare, a bounded number of rows at a time.

        Raises:
            StoreError: what is done is done.
        """
        found: dict[PlatformId, Synced] = {}
        held: list[float] = []
        while not stop.is_set():
            again: list[tuple[PlatformId, About]] = []
            async for some in self._batches(sight, plan):
                if stop.is_set():
                    break
                result = await self._store.sync(sight.directory.version, some)
                self._take(sight.directory.version, result.synced)
                found |= result.synced
                held += [] if result.held_s is None else [result.held_s]
                again += [
                    (who, None)
                    for who, synced in result.synced.items()
                    if synced.outcome is Outcome.UNKNOWN
                ]
            if not again:
                break
            plan = again
        return found, min(held, default=None)

    async def _batches(
        self, sight: Sight, plan: Iterable[tuple[PlatformId, About]]
    ) -> AsyncIterator[Sequence[Audience]]:
        batch: list[Audience] = []
        rows = 0
        for who, about in plan:
            await asyncio.sleep(0)  # requests are served in between
            if about is not None and not about:
                continue
            platform = sight.directory.platforms[who]
            one = (
                sight.whole(platform)
                if about is None
                else sight.some(platform, about, self._bases.get(who))
            )
            batch.append(one)
            rows += len(one.visible) + len(one.about or ())
            if rows >= ROWS_AT_ONCE or len(batch) >= PLATFORMS_AT_ONCE:
                yield batch
                batch, rows = [], 0
        if batch:
            yield batch

    def _take(self, version: int, synced: Mapping[PlatformId, Synced]) -> None:
        for who, one in synced.items():
            if one.outcome is Outcome.FOLLOWS:
                self._bases[who] = version
            else:
                self._bases.pop(who, None)


def _and_held(
    plan: Mapping[PlatformId, About], sight: Sight, held: frozenset[PlatformId]
) -> Mapping[PlatformId, About]:
    """The same, and those that have to do with platforms that may have been OFFLINE long enough."""
    platforms = sight.directory.platforms
    parties = frozenset(one.party for who in held for one in platforms[who].roles)
    result = dict(plan)
    for who, platform in platforms.items():
        known = plan.get(who, frozenset())
        if known is not None and (who in held or sight.shows_any(platform, parties)):
            result[who] = known | parties
    return result
