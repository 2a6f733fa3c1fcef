"""The writer for what may be lost: it never makes anybody wait.

`BatchWriter` promises a commit; this one promises nothing but speed. What does not fit into its
queue, or cannot be written, is dropped and counted. Rows wait a moment for others, so that a quiet
hub makes few transactions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Literal, TypeVar

from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

Row = TypeVar("Row")

GATHER_S = 0.2
"""Seconds in which a batch gathers, unless it is full before."""

PAUSE_S = 1.0
"""Seconds without a try after the database was away."""


class DroppingWriter(Generic[Row]):
    """Collects rows and writes them in batches, in order of arrival.

    Args:
        name: for logs and metrics.
        write: writes a batch and returns how many of its rows it has written.
        max_rows: rows of one batch.
        max_queued: rows that may wait; more are dropped.

    Attributes:
        written, dropped: rows so far.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Row]], Awaitable[int]],
        *,
        max_rows: int,
        max_queued: int,
        gather_s: float = GATHER_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.name = name
        self.written = 0
        self.dropped = 0
        self._write = write
        self._max_rows = max_rows
        self._max_queued = max_queued
        self._gather_s = gather_s
        self._pause_s = pause_s
        self._queue: deque[Row] = deque()
        self._full = asyncio.Event()
        self._any = asyncio.Event()
        self._closed = False
        self._failing = False

    @property
    def queued(self) -> int:
        """Rows that wait for the next batch."""
        return len(self._queue)

    def offer(self, row: Row) -> bool:
        """Queue a row; false when it was dropped."""
        queued = len(self._queue)
        if queued >= self._max_queued or self._closed:
            self.dropped += 1
            return False
        self._queue.append(row)
        if queued == 0:
            self._any.set()
        if queued + 1 >= self._max_rows:
            self._full.set()
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set, then once what is left, and drop further rows."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await _first(self._any, stopping, None)
                await _first(self._full, stopping, self._gather_s)
                if not await self._write_all():
                    await _first(None, stopping, self._pause_s)
            self._closed = True
            await self._write_all()
        finally:
            stopping.cancel()
            self._closed = True
            self._drop(len(self._queue))
            self._queue.clear()

    async def _write_all(self) -> bool:
        """Write what is queued; false when the database is away."""
        while self._queue:
            take = min(len(self._queue), self._max_rows)
            batch = [self._queue.popleft() for _ in range(take)]
            self._any.clear()
            self._full.clear()
            if not await self._write_batch(batch):
                self._note_queue()
                return False
        return True

    def _note_queue(self) -> None:
        if self._queue:
            self._any.set()
        if len(self._queue) >= self._max_rows:
            self._full.set()

    async def _write_batch(self, batch: list[Row]) -> bool:
        written = 0
        try:
            written = await self._write(batch)
        except StoreUnavailable as error:
            # It may have been written: dropped is better than twice.
            if not self._failing:
                log.warning("rows_dropped_without_database", writer=self.name, error=str(error))
            self._failing = True
            return False
        except (StoreError, ValueError) as error:
            log.error("rows_cannot_be_written", writer=self.name, rows=len(batch), error=str(error))
        finally:
            self.written += written
            self._drop(len(batch) - written)
        if self._failing:
            log.info("rows_written_again", writer=self.name, dropped=self.dropped)
            self._failing = False
        return True

    def _drop(self, rows: int) -> None:
        self.dropped += rows


async def _first(
    event: asyncio.Event | None, stopping: asyncio.Task[Literal[True]], timeout_s: float | None
) -> None:
    """Wait for the event, the stop or the end of the time, whichever comes first."""
    if event is not None and event.is_set():
        return
    waits = {stopping}
    waking = asyncio.ensure_future(event.wait()) if event is not None else None
    if waking is not None:
        waits.add(waking)
    await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if waking is not None:
        waking.cancel()
