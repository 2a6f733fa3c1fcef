"""The writer for what may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.store.dropping_writer import DroppingWriter
from tests.support.directory import until


class Table:
    """Takes rows while it is open, fails with `fault`, and skips negative numbers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.fault: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, rows: Sequence[int]) -> int:
        self.batches.append(list(rows))
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return sum(row >= 0 for row in rows)


def make_writer(table: Table, *, max_rows: int = 3, max_queued: int = 5) -> DroppingWriter[int]:
    return DroppingWriter(
        "numbers", table.write, max_rows=max_rows, max_queued=max_queued, gather_s=0.0, pause_s=0.0
    )


@asynccontextmanager
async def running(writer: DroppingWriter[int]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    loop = asyncio.ensure_future(writer.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await loop


async def test_rows_are_written_in_order_and_in_batches() -> None:
    table = Table()
    writer = make_writer(table)
    for row in range(5):
        assert writer.offer(row)
    async with running(writer):
        await until(lambda: writer.written == 5)
    assert table.batches == [[0, 1, 2], [3, 4]]
    assert (writer.dropped, writer.queued) == (0, 0)


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    table = Table()
    table.open.clear()
    writer = make_writer(table)
    async with running(writer):
        writer.offer(0)
        await until(lambda: len(table.batches) == 1)
        taken = [writer.offer(row) for row in range(8)]
        assert taken == [True] * 5 + [False] * 3
        assert writer.dropped == 3
        table.open.set()
        await until(lambda: writer.written == 6)
        assert writer.offer(1)


async def test_a_batch_that_meets_an_outage_is_dropped_and_the_writer_goes_on() -> None:
    table = Table()
    writer = make_writer(table)
    async with running(writer):
        table.fault = StoreUnavailable("away")
        writer.offer(1)
        await until(lambda: writer.dropped == 1)
        table.fault = None
        writer.offer(2)
        await until(lambda: writer.written == 1)
    assert table.batches[-1] == [2]


async def test_rows_that_cannot_be_written_are_dropped_once() -> None:
    table = Table()
    writer = make_writer(table)
    async with running(writer):
        for fault in (StoreError("refused"), ValueError("not a row")):
            table.fault = fault
            before = writer.dropped
            writer.offer(1)
            await until(lambda before=before: writer.dropped == before + 1)  # type: ignore[misc]  # bound at once
    assert len(table.batches) == 2


async def test_rows_that_the_store_leaves_out_count_as_dropped() -> None:
    table = Table()
    writer = make_writer(table)
    async with running(writer):
        for row in (1, -1, 2):
            writer.offer(row)
        await until(lambda: writer.written == 2)
    assert writer.dropped == 1


async def test_what_is_queued_at_the_end_is_written() -> None:
    table = Table()
    writer = make_writer(table)
    writer.offer(1)
    async with running(writer):
        pass
    assert table.batches == [[1]]
    assert not writer.offer(2)
    assert writer.dropped == 1


async def test_nothing_hangs_when_the_database_is_away_at_the_end() -> None:
    table = Table()
    table.fault = StoreUnavailable("away")
    writer = make_writer(table, max_rows=1)
    for row in range(3):
        writer.offer(row)
    async with running(writer):
        pass
    assert (writer.written, writer.dropped, writer.queued) == (0, 3, 0)


async def test_a_gathering_batch_waits_for_no_more_than_it_takes() -> None:
    table = Table()
    writer = DroppingWriter[int]("numbers", table.write, max_rows=2, max_queued=9, gather_s=3600.0)
    async with running(writer):
        writer.offer(1)
        writer.offer(2)
        await until(lambda: writer.written == 2)
        writer.offer(3)
    assert table.batches == [[1, 2], [3]]
