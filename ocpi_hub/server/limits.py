"""How much is served: requests at a time, and per second of one platform and module (D-12).

Of the latter a bucket holds one second's worth. Each process has its own, with the limit divided by
the number of processes, so that nothing has to be agreed on per request. What is patient is slowed
before it is refused: it takes from the bucket what is not there yet and waits until it would be,
two seconds at most. That also bounds how many wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ocpi_hub.clock import Clock
from ocpi_hub.errors import Overloaded, TooManyRequests

MAX_WAIT_S = 2.0
"""Seconds by which a patient request is slowed at most."""

_PRUNE_ABOVE = 10_000


@dataclass(slots=True)
class _Bucket:
    """`left` is below zero while requests wait."""

    left: float
    at: float


class RateLimit:
    """Admits requests.

    Args:
        per_s: of all processes together; 0: no limit.
        processes: how many share it at the moment.
    """

    def __init__(self, per_s: float, clock: Clock, processes: Callable[[], int]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._processes = processes
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    @property
    def is_on(self) -> bool:
        """Whether there is a limit."""
        return self._per_s > 0

    async def admit(self, platform: str, module: str, *, patient: bool) -> None:
        """Let a request pass, a patient one perhaps after a while.

        Raises:
            TooManyRequests: it is above the limit; its Retry-After tells when it is not.
        """
        if not self._per_s:
            return
        per_s = self._per_s / max(1, self._processes())
        now = self._clock.monotonic()
        bucket = self._bucket((platform, module), now, per_s)
        wait_s = (1.0 - bucket.left) / per_s
        if wait_s > (MAX_WAIT_S if patient else 0.0):
            raise TooManyRequests(
                f"More than {self._per_s:g} requests per second to this module: slow down",
                headers={"Retry-After": str(max(1, math.ceil(wait_s)))},
            )
        bucket.left -= 1.0
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    def _bucket(self, key: tuple[str, str], now: float, per_s: float) -> _Bucket:
        size = max(1.0, per_s)
        bucket = self._buckets.get(key)
        if bucket is None:
            self._prune(now, per_s, size)
            bucket = self._buckets[key] = _Bucket(size, now)
        else:
            bucket.left = min(size, bucket.left + (now - bucket.at) * per_s)
            bucket.at = now
        return bucket

    def _prune(self, now: float, per_s: float, size: float) -> None:
        """Forget buckets that are full again: they are as good as new ones."""
        if len(self._buckets) >= _PRUNE_ABOVE:
            self._buckets = {
                key: bucket
                for key, bucket in self._buckets.items()
                if bucket.left + (now - bucket.at) * per_s < size
            }


class Gate:
    """Counts requests that are being served and refuses more than a limit (D-12), of one platform
    more than half of it: who sends slowly, or to a receiver that hangs, keeps nobody else out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._share = max(1, limit // 2)
        self._inside = 0
        self._of: dict[str, int] = {}

    def __enter__(self) -> None:
        if self._inside >= self._limit:
            raise Overloaded(headers={"Retry-After": "1"})
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1

    def admit(self, platform_id: str) -> None:
        """Count a request of a platform, until `leave`.

        Raises:
            TooManyRequests: its share is used up.
        """
        inside = self._of.get(platform_id, 0)
        if inside >= self._share:
            raise TooManyRequests(
                f"{inside} requests of yours are being served: wait for their answers",
                headers={"Retry-After": "1"},
            )
        self._of[platform_id] = inside + 1

    def leave(self, platform_id: str) -> None:
        """A request of a platform is over."""
        left = self._of[platform_id] - 1
        if left:
            self._of[platform_id] = left
        else:
            del self._of[platform_id]
