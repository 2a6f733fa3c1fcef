"""Tasks that outlive the request that started them, owned by one task group.

A send under custody goes on when its sender has got an answer; nothing of it may be lost from
sight. `Errands.run` is one of the service's loops: it ends when told to stop and every errand has
ended or the time of grace is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ocpi_hub.errors import Overloaded

Result = TypeVar("Result")


class Errands:
    """Starts tasks and waits for them at the end.

    An errand must handle what it expects to go wrong: an exception that leaves it stops the
    service. `grace_s` are the seconds errands get to end after the stop.
    """

    def __init__(self, *, grace_s: float) -> None:
        self._grace_s = grace_s
        self._group: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[object]] = set()

    @property
    def running(self) -> int:
        return len(self._running)

    def start(self, errand: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start an errand.

        Raises:
            Overloaded: the service is stopping.
        """
        if self._group is None:
            errand.close()
            raise Overloaded("The hub is stopping; try again shortly")
        task = self._group.create_task(errand)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def run(self, stop: asyncio.Event) -> None:
        """Own the errands until `stop` is set; cancel what outlasts the grace."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await stop.wait()
            finally:
                self._group = None
            if self._running:
                await asyncio.wait(set(self._running), timeout=self._grace_s)
            for task in self._running:
                task.cancel()
