"""A deadline for what is called thousands of times a second."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Limit:
    """What `asyncio.timeout` is, at half its cost: it cannot be moved, and nothing is awaited
    on the way in and out.

    Args:
        loop: that runs: to ask which one it is takes a system call.

    Raises:
        TimeoutError: on leaving, when the time was over before.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._seconds = seconds
        self._loop = loop
        self._expired = False
        self._task: asyncio.Task[object]
        self._timer: asyncio.TimerHandle
        self._cancelling = 0

    def expired(self) -> bool:
        return self._expired

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a limit is for a task")
        self._task, self._cancelling = task, task.cancelling()
        self._timer = self._loop.call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if not self._expired:
            return
        # Whoever else cancelled the task wants more than the end of this block.
        ours = self._task.uncancel() <= self._cancelling
        if ours and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
