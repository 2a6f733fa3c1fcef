"""How many requests may be on their way to one receiver at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType


class Slots:
    """At most `limit` holders at a time per key, in order of arrival; idle keys cost nothing."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._receivers: dict[str, _Receiver] = {}

    def __len__(self) -> int:
        return len(self._receivers)

    def hold(self, key: str) -> _Slot:
        """Waits for a slot on entering, and gives it back on leaving."""
        return _Slot(self, key)

    async def acquire(self, key: str) -> None:
        receiver = self._receivers.get(key)
        if receiver is None:
            receiver = self._receivers[key] = _Receiver(asyncio.Semaphore(self._limit))
        receiver.users += 1
        try:
            await receiver.free.acquire()
        except BaseException:
            self._leave(key, receiver)
            raise

    def release(self, key: str) -> None:
        receiver = self._receivers[key]
        receiver.free.release()
        self._leave(key, receiver)

    def _leave(self, key: str, receiver: _Receiver) -> None:
        receiver.users -= 1
        if not receiver.users:
            del self._receivers[key]


@dataclass(slots=True)
class _Receiver:
    """`users` counts those who hold a slot and those who wait for one."""

    free: asyncio.Semaphore
    users: int = 0


class _Slot:
    # A class, because a generator-based context manager costs several times as much.
    __slots__ = ("_key", "_slots")

    def __init__(self, slots: Slots, key: str) -> None:
        self._slots = slots
        self._key = key

    async def __aenter__(self) -> None:
        await self._slots.acquire(self._key)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._slots.release(self._key)
