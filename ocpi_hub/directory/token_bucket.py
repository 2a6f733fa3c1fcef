"""A limit on how often something happens."""

from __future__ import annotations

from ocpi_hub.clock import Clock


class TokenBucket:
    """At most `per_s` takes a second, with bursts of one second's worth (one at least)."""

    def __init__(self, per_s: float, clock: Clock, *, burst: float | None = None) -> None:
        self._per_s = per_s
        self._size = max(1.0, per_s if burst is None else burst)
        self._left = self._size
        self._clock = clock
        self._at = clock.monotonic()

    def take(self) -> bool:
        """Take one; false when none is left."""
        now = self._clock.monotonic()
        self._left = min(self._size, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
