"""The batching writer, against a store that the test opens and closes like a gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from ocpi_hub.errors import Overloaded, StoreUnavailable
from ocpi_hub.store import writer as writer_module
from ocpi_hub.store.writer import BatchWriter

BAD = -1


class Gate:
    """Writes numbers, doubled. While it is shut a batch waits inside; while away it fails."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.written: list[int] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()
        self._entered = asyncio.Condition()

    async def write(self, rows: Sequence[int]) -> Sequence[int]:
        async with self._entered:
            self.batches.append(list(rows))
            self._entered.notify_all()
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("away")
        if BAD in rows:
            raise ValueError("a bad row")
        self.written += rows
        return [row * 2 for row in rows]

    async def entered(self, batches: int) -> None:
        """Wait until that many batches have begun."""
        async with asyncio.timeout(10), self._entered:
            await self._entered.wait_for(lambda: len(self.batches) >= batches)


class Running:
    """A writer whose loop runs."""

    def __init__(
        self, gate: Gate, *, max_rows: int, max_queued: int, pace_s: float, keep_trying: bool
    ) -> None:
        self.writer: BatchWriter[int, int] = BatchWriter(
            "numbers",
            gate.write,
            max_rows=max_rows,
            max_queued=max_queued,
            pace_s=pace_s,
            keep_trying=keep_trying,
        )
        self.stop = asyncio.Event()
        self.loop = asyncio.ensure_future(self.writer.run(self.stop))

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await self.loop


@asynccontextmanager
async def running(
    gate: Gate,
    *,
    max_rows: int = 100,
    max_queued: int = 1000,
    pace_s: float = 0.0,
    keep_trying: bool = False,
) -> AsyncIterator[Running]:
    made = Running(
        gate, max_rows=max_rows, max_queued=max_queued, pace_s=pace_s, keep_trying=keep_trying
    )
    try:
        yield made
    finally:
        gate.open.set()
        made.loop.cancel()
        await asyncio.gather(made.loop, return_exceptions=True)


async def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    gate = Gate()
    async with running(gate) as it:
        gate.open.clear()
        first = it.writer.enqueue(1)
        await gate.entered(1)
        later = [it.writer.enqueue(number) for number in range(2, 50)]
        gate.open.set()
        assert await asyncio.gather(first, *later) == [number * 2 for number in range(1, 50)]
    assert gate.batches == [[1], list(range(2, 50))]


async def test_what_comes_soon_after_a_batch_shares_the_next_one() -> None:
    gate = Gate()
    async with running(gate, pace_s=0.5) as it:
        await it.writer.enqueue(0)
        futures = []
        for number in range(1, 6):
            futures.append(it.writer.enqueue(number))
            await asyncio.sleep(0)
        await asyncio.gather(*futures)
    assert gate.batches == [[0], [1, 2, 3, 4, 5]]


async def test_nobody_waits_for_what_is_put_and_its_loss_is_told() -> None:
    gate, lost = Gate(), []
    async with running(gate) as it:
        it.writer.put(1)
        it.writer.put(BAD, lambda: lost.append(BAD))
        assert await it.writer.enqueue(3) == 6
    assert gate.written == [1, 3]
    assert lost == [BAD]


async def test_a_batch_has_a_limit() -> None:
    gate = Gate()
    async with running(gate, max_rows=4) as it:
        await asyncio.gather(*[it.writer.enqueue(number) for number in range(10)])
    assert [len(batch) for batch in gate.batches] == [4, 4, 2]
    assert gate.written == list(range(10))


async def test_a_row_whose_wait_was_ended_is_missed_all_the_same() -> None:
    gate, lost = Gate(), list[int]()
    gate.open.clear()
    async with running(gate) as it:
        done = it.writer.enqueue(BAD, lambda: lost.append(BAD))
        await gate.entered(1)
        done.set_exception(TimeoutError())
        assert isinstance(done.exception(), TimeoutError)
        gate.open.set()
        assert await it.writer.submit(1) == 2
    assert lost == [BAD]


async def test_a_bad_row_fails_alone() -> None:
    gate = Gate()
    async with running(gate) as it:
        futures = [it.writer.enqueue(row) for row in (1, BAD, 3)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert (results[0], results[2]) == (2, 6)
        assert isinstance(results[1], ValueError)
        assert await it.writer.submit(4) == 8
    assert gate.batches == [[1, BAD, 3], [1], [BAD], [3], [4]]


async def test_without_database_every_row_of_the_batch_fails_and_later_ones_do_not() -> None:
    gate = Gate()
    gate.away = True
    async with running(gate) as it:
        futures = [it.writer.enqueue(row) for row in (1, 2)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
        gate.away = False
        assert await it.writer.submit(3) == 6
    assert gate.written == [3]


async def test_keep_trying_writes_in_order_once_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "RETRY_S", 0.0)
    gate = Gate()
    gate.away = True
    async with running(gate, keep_trying=True) as it:
        futures = [it.writer.enqueue(row) for row in (1, 2)]
        await gate.entered(3)
        futures.append(it.writer.enqueue(3))
        gate.away = False
        assert await asyncio.gather(*futures) == [2, 4, 6]
    assert gate.written == [1, 2, 3]


async def test_database_lost_while_writing_row_by_row_writes_no_row_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "RETRY_S", 0.0)
    gate = Gate()

    async def lose_it_at_the_last_row(rows: Sequence[int]) -> Sequence[int]:
        gate.away = list(rows) == [3] and len(gate.batches) < 5
        return await gate.write(rows)

    writer: BatchWriter[int, int] = BatchWriter(
        "numbers", lose_it_at_the_last_row, max_rows=9, max_queued=9, keep_trying=True
    )
    stop = asyncio.Event()
    loop = asyncio.ensure_future(writer.run(stop))
    results = await asyncio.gather(
        *[writer.enqueue(row) for row in (1, BAD, 3)], return_exceptions=True
    )
    stop.set()
    await loop
    assert (results[0], type(results[1]), results[2]) == (2, ValueError, 6)
    assert gate.written == [1, 3]


async def test_more_rows_than_may_wait_are_refused() -> None:
    gate = Gate()
    async with running(gate, max_queued=2) as it:
        gate.open.clear()
        futures = [it.writer.enqueue(1)]
        await gate.entered(1)
        futures += [it.writer.enqueue(row) for row in (2, 3)]
        assert it.writer.queued == 2
        with pytest.raises(Overloaded, match="numbers"):
            await it.writer.submit(4)
        gate.open.set()
        assert await asyncio.gather(*futures) == [2, 4, 6]


async def test_row_of_a_cancelled_caller_is_written() -> None:
    gate = Gate()
    async with running(gate) as it:
        gate.open.clear()
        blocking = it.writer.enqueue(1)
        await gate.entered(1)
        caller = asyncio.ensure_future(it.writer.submit(2))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        gate.open.set()
        await blocking
        assert await it.writer.submit(3) == 6
    assert gate.written == [1, 2, 3]


async def test_stop_writes_what_waits_and_refuses_what_comes_later() -> None:
    gate = Gate()
    async with running(gate) as it:
        gate.open.clear()
        first = it.writer.enqueue(1)
        await gate.entered(1)
        second = it.writer.enqueue(2)
        it.stop.set()
        gate.open.set()
        await it.end()
        assert (first.result(), second.result()) == (2, 4)
        with pytest.raises(Overloaded):
            await it.writer.submit(3)
    assert gate.written == [1, 2]


async def test_stop_without_database_fails_what_waits_even_when_it_would_keep_trying() -> None:
    gate = Gate()
    gate.away = True
    async with running(gate, keep_trying=True) as it:
        gate.open.clear()
        first = it.writer.enqueue(1)
        await gate.entered(1)
        second = it.writer.enqueue(2)
        it.stop.set()
        gate.open.set()
        await it.end()
        assert [type(future.exception()) for future in (first, second)] == [StoreUnavailable] * 2


async def test_a_writer_that_is_cancelled_while_writing_leaves_nobody_waiting() -> None:
    gate = Gate()
    async with running(gate) as it:
        gate.open.clear()
        inside = it.writer.enqueue(1)
        await gate.entered(1)
        waiting = it.writer.enqueue(2)
        it.loop.cancel()
        results = await asyncio.gather(inside, waiting, it.loop, return_exceptions=True)
        assert [type(result) for result in results] == [
            StoreUnavailable,
            StoreUnavailable,
            asyncio.CancelledError,
        ]
        with pytest.raises(Overloaded):
            it.writer.enqueue(3)


async def test_a_write_with_missing_results_stops_the_writer_loudly() -> None:
    async def forgetful(rows: Sequence[int]) -> Sequence[int]:
        return rows[1:]

    writer: BatchWriter[int, int] = BatchWriter("numbers", forgetful, max_rows=9, max_queued=9)
    loop = asyncio.ensure_future(writer.run(asyncio.Event()))
    with pytest.raises(StoreUnavailable):
        await writer.submit(1)
    with pytest.raises(ValueError, match="zip"):
        await loop
