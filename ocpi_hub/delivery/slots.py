"""How many requests may be on their way to one receiver at a time, and whose they are.

A receiver that answers slowly fills its slots, and then it matters for whom. Free slots go round
the senders that wait, one each; authorizations come first, because a driver waits for them. No
sender gets more than half of the slots while another waits. Alone it may have more, but a quarter
stays free for others, and an eighth of all slots for authorizations of senders that hold less than
their half: who comes late to a receiver that hangs does not have to wait until it answers.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """At most `limit` holders at a time per key; idle keys cost nothing."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._receivers: dict[str, _Receiver] = {}

    def __len__(self) -> int:
        return len(self._receivers)

    def take(self, key: str, sender: str, *, urgent: bool) -> bool:
        """A slot, if there is one at once; it is given back by `release`."""
        receiver = self._receivers.get(key)
        if receiver is None:
            receiver = self._receivers[key] = _Receiver(self._limit)
        return receiver.take(sender, urgent=urgent)

    async def acquire(self, key: str, sender: str, *, urgent: bool) -> None:
        """Wait for a slot."""
        if self.take(key, sender, urgent=urgent):
            return
        receiver = self._receivers[key]
        granted = receiver.wait(sender, urgent=urgent)
        try:
            await granted
        except BaseException:
            if granted.cancelled():
                receiver.leave(sender, granted, urgent=urgent)
                self._go_on(key, receiver)
            else:
                self.release(key, sender)
            raise

    def release(self, key: str, sender: str) -> None:
        receiver = self._receivers[key]
        if receiver.give_back(sender):
            self._go_on(key, receiver)

    def _go_on(self, key: str, receiver: _Receiver) -> None:
        receiver.grant()
        if not receiver.used and self._receivers.get(key) is receiver:
            del self._receivers[key]


_Queues = dict[str, deque[asyncio.Future[None]]]


class _Receiver:
    """One receiver's slots. After every change nobody waits who may have one."""

    __slots__ = ("_half", "_held", "_limit", "_total", "_urgent", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._half = (limit + 1) // 2
        self._held: dict[str, int] = {}
        self._total = 0
        self._urgent: _Queues = {}
        self._waiting: _Queues = {}

    @property
    def used(self) -> bool:
        """Whether anybody holds a slot. Nobody waits when nobody does."""
        return self._total > 0

    def take(self, sender: str, *, urgent: bool) -> bool:
        """A slot at once, unless this would overtake the sender's own requests."""
        queues = self._urgent if urgent else self._waiting
        if sender in queues or not self._may_have(sender, urgent):
            return False
        self._held[sender] = self._held.get(sender, 0) + 1
        self._total += 1
        return True

    def wait(self, sender: str, *, urgent: bool) -> asyncio.Future[None]:
        granted = asyncio.get_running_loop().create_future()
        self._queues(urgent).setdefault(sender, deque()).append(granted)
        return granted

    def leave(self, sender: str, granted: asyncio.Future[None], *, urgent: bool) -> None:
        """Give up waiting, unless the turn has come and gone already."""
        queues = self._queues(urgent)
        queue = queues.get(sender)
        if queue is None or granted not in queue:
            return
        queue.remove(granted)
        if not queue:
            del queues[sender]

    def give_back(self, sender: str) -> bool:
        """Whether anything follows from it: somebody waits, or nobody is left."""
        self._total -= 1
        held = self._held[sender] = self._held[sender] - 1
        if not held:
            del self._held[sender]
        return not self._total or bool(self._urgent or self._waiting)

    def grant(self) -> None:
        """Give free slots to those who wait."""
        while (self._urgent or self._waiting) and self._grant_one():
            pass

    def _grant_one(self) -> bool:
        for urgent in (True, False):
            queues = self._queues(urgent)
            for sender, queue in queues.items():
                if not self._may_have(sender, urgent):
                    continue
                del queues[sender]
                granted = queue.popleft()
                if queue:
                    queues[sender] = queue  # at the end: the others come first
                if not granted.done():  # else it was cancelled meanwhile
                    self._held[sender] = self._held.get(sender, 0) + 1
                    self._total += 1
                    granted.set_result(None)
                return True
        return False

    def _may_have(self, sender: str, urgent: bool) -> bool:
        if self._held.get(sender, 0) < self._half:
            return self._total < (self._limit if urgent else self._limit - self._limit // 8)
        return self._total < self._limit - self._limit // 4 and not self._others_wait(sender)

    def _others_wait(self, sender: str) -> bool:
        return any(who != sender for queues in (self._urgent, self._waiting) for who in queues)

    def _queues(self, urgent: bool) -> _Queues:
        return self._urgent if urgent else self._waiting
