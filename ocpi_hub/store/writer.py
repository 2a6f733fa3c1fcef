"""The batching writer: many requests, one transaction.

What arrives while a batch commits forms the next batch, so batches grow with the load and a lone
write waits for nothing. Only rows that nobody waits for gather for a moment first: a transaction
for each of them would cost more than they do. A batch that fails because of its content is written
again row by row, so that one bad row costs nobody else anything. Each kind of write has a writer of
its own.

The result of `submit` means: committed. A caller that is cancelled does not take its row back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ocpi_hub.errors import Overloaded, StoreUnavailable
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")

WriteBatch = Callable[[Sequence[Row]], Awaitable[Sequence[Result]]]
"""Writes all rows in one transaction and returns their results in the same order.

Raises StoreUnavailable when nothing is known to be written, anything else for a row's fault."""

RETRY_S = 0.5

GATHER_S = 0.1
"""Seconds in which rows gather that nobody waits for."""


@dataclass(slots=True)
class _Waiting(Generic[Row, Result]):
    """A row that is to be written.

    Attributes:
        done: None: nobody waits.
        lost: told when it could not be written.
    """

    row: Row
    done: asyncio.Future[Result] | None = None
    lost: Callable[[], None] | None = None


class BatchWriter(Generic[Row, Result]):
    """Collects rows and writes them in batches, in order of arrival.

    Args:
        name: for logs and metrics.
        write: writes one batch.
        max_rows: rows of one batch.
        max_queued: rows that may wait; more are refused.
        pace_s: seconds from the start of a batch to that of the next, unless it is full. What comes
            alone waits for nothing; what comes often shares the price of a transaction, which a
            fast disk would else make for two or three rows.
        keep_trying: while the database is away, keep the rows and try again instead of failing
            them: for rows that nobody else can bring again (verdicts, evidence).
    """

    def __init__(
        self,
        name: str,
        write: WriteBatch[Row, Result],
        *,
        max_rows: int,
        max_queued: int,
        pace_s: float = 0.0,
        keep_trying: bool = False,
    ) -> None:
        self.name = name
        self._write = write
        self._max_rows = max_rows
        self._max_queued = max_queued
        self._pace_s = pace_s
        self._began = float("-inf")
        self._keep_trying = keep_trying
        self._queue: deque[_Waiting[Row, Result]] = deque()
        self._wake = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def queued(self) -> int:
        """Rows that wait for the next batch."""
        return len(self._queue)

    async def submit(self, row: Row) -> Result:
        """Write a row and wait until it is committed.

        Raises:
            Overloaded: too many rows wait already, or the service is stopping.
            StoreUnavailable: the database cannot be reached; nothing is known to be stored.
            Exception: what the write raises for this row.
        """
        return await asyncio.shield(self.enqueue(row))

    def enqueue(self, row: Row, lost: Callable[[], None] | None = None) -> asyncio.Future[Result]:
        """Queue a row; the future is done when it is committed. Who waits may end it before.

        Args:
            lost: told when it could not be written, also after that.

        Raises:
            Overloaded: see `submit`.
        """
        self._require_room()
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(row, done, lost))
        self._wake.set()
        return done

    def put(self, row: Row, lost: Callable[[], None] | None = None) -> None:
        """Queue a row that nobody waits for: others may come along first.

        Args:
            lost: told when it could not be written.

        Raises:
            Overloaded: see `submit`.
        """
        self._require_room()
        self._queue.append(_Waiting(row, lost=lost))
        if len(self._queue) >= self._max_rows:
            self._wake.set()
        elif self._gathering is None and not self._wake.is_set():
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(GATHER_S, self._gathered)

    def _require_room(self) -> None:
        if self._closed or len(self._queue) >= self._max_queued:
            raise Overloaded(f"The hub has no room for more {self.name} now; try again shortly")

    def _gathered(self) -> None:
        self._gathering = None
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set and the queue is empty, then refuse further rows."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while True:
                if self._wake.is_set() or stop.is_set():
                    self._wake.clear()
                    while self._queue:
                        await self._pace(stop)
                        await self._write_next(stop)
                    if stop.is_set():
                        return
                else:
                    waking = asyncio.ensure_future(self._wake.wait())
                    await asyncio.wait({waking, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    waking.cancel()
        finally:
            stopping.cancel()
            if self._gathering is not None:
                self._gathering.cancel()
            self._closed = True
            self._abandon()

    async def _pace(self, stop: asyncio.Event) -> None:
        if not self._pace_s:
            return
        now = asyncio.get_running_loop().time
        early_s = self._began + self._pace_s - now()
        if early_s > 0 and len(self._queue) < self._max_rows and not stop.is_set():
            await asyncio.sleep(early_s)
        self._began = now()

    async def _write_next(self, stop: asyncio.Event) -> None:
        take = min(len(self._queue), self._max_rows)
        batch = [self._queue.popleft() for _ in range(take)]
        try:
            await self._write_batch(batch)
        except StoreUnavailable as error:
            if self._keep_trying and not stop.is_set():
                log.warning("writer_waits_for_database", writer=self.name, rows=len(batch))
                self._queue.extendleft(reversed(batch))
                await asyncio.sleep(RETRY_S)
            else:
                _fail(batch, error)
        except BaseException:
            _fail(batch, StoreUnavailable("the writer was stopped"))
            raise

    async def _write_batch(self, batch: list[_Waiting[Row, Result]]) -> None:
        """Write a batch; fall back to single rows when its content is at fault.

        Raises:
            StoreUnavailable: the batch, or the rest of it, was not written. Rows of the batch
                that were written are done and removed from `batch`.
        """
        try:
            results = await self._write([waiting.row for waiting in batch])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - any row may fail in any way; each is told
            if len(batch) == 1:
                _fail(batch, error)
                return
            log.warning("writer_falls_back_to_rows", writer=self.name, rows=len(batch))
            while batch:
                await self._write_batch([batch[0]])
                batch.pop(0)
            return
        for waiting, result in zip(batch, results, strict=True):
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(result)

    def _abandon(self) -> None:
        rows, self._queue = list(self._queue), deque()
        _fail(rows, StoreUnavailable("the service is stopping"))


def _fail(batch: Sequence[_Waiting[Row, Result]], error: Exception) -> None:
    for waiting in batch:
        if waiting.lost is not None:
            waiting.lost()
        if waiting.done is not None and not waiting.done.done():
            waiting.done.set_exception(error)
            # Whoever queued without waiting has nobody to hear of it.
            waiting.done.exception()
