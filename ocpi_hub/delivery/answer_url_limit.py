"""How many results one platform may wait for: each is a row that is kept for a day at least.

Counts are remembered for a moment, and what this process adds is counted along, so that a request
costs no query as a rule. With several processes a platform may get a little more than its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import PartyId, Platform, PlatformId
from ocpi_hub.errors import TooManyRequests

RECOUNT_S: Final = 10.0
"""After which a count is old."""
AT_LIMIT_S: Final = 1.0
"""The same for whoever is at the limit: some of its results may not be awaited any more."""
RETRY_AFTER_S: Final = 60


class Counting(Protocol):
    """The part of `delivery.answer_url.AnswerUrlStore` that is needed here."""

    async def waiting(self, requesters: Sequence[PartyId], limit: int) -> int:
        """Mappings of these requesters, counted up to `limit`; raises StoreError."""
        ...


@dataclass(slots=True)
class _Count:
    at: float
    number: int


class AnswerUrlLimit:
    """Refuses a platform that waits for too many results."""

    def __init__(self, store: Counting, clock: Clock, *, per_platform: int) -> None:
        self._store = store
        self._clock = clock
        self._per_platform = per_platform
        self._counts: dict[PlatformId, _Count] = {}

    async def take(self, platform: Platform) -> None:
        """Count one more.

        Raises:
            TooManyRequests: that would be too many.
            StoreError: the database does not answer.
        """
        count = self._counts.get(platform.platform_id)
        if count is None or self._is_old(count):
            counted = await self._counted(platform)
            count = self._counts.get(platform.platform_id)
            if count is None or self._is_old(count):  # nobody else has counted meanwhile
                count = self._counts[platform.platform_id] = counted
        if count.number >= self._per_platform:
            raise TooManyRequests(
                f"{self._per_platform} commands and charging profiles of this platform may still"
                " get a result, and this hub waits for no more at a time: try again later",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        count.number += 1

    def _is_old(self, count: _Count) -> bool:
        full = count.number >= self._per_platform
        return self._clock.monotonic() - count.at >= (AT_LIMIT_S if full else RECOUNT_S)

    async def _counted(self, platform: Platform) -> _Count:
        parties = sorted({held.party for held in platform.roles})
        at = self._clock.monotonic()
        return _Count(at, await self._store.waiting(parties, self._per_platform))
