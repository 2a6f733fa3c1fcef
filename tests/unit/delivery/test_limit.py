"""The deadline of a call: it ends its block, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from ocpi_hub.delivery.limit import Limit


async def test_a_block_that_takes_too_long_ends_with_a_timeout() -> None:
    limit = Limit(0, asyncio.get_running_loop())
    with pytest.raises(TimeoutError), limit:
        await asyncio.Event().wait()
    assert limit.expired()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    with Limit(60, asyncio.get_running_loop()) as limit:
        await asyncio.sleep(0)
    assert not limit.expired()


async def test_an_error_of_the_block_passes() -> None:
    with pytest.raises(ValueError, match="broken"), Limit(60, asyncio.get_running_loop()):
        raise ValueError("broken")


async def test_a_timeout_hides_no_other_error() -> None:
    async def breaks() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("broken") from None

    with pytest.raises(ValueError, match="broken"), Limit(0, asyncio.get_running_loop()):
        await breaks()


async def test_who_is_cancelled_from_outside_is_not_told_of_a_timeout() -> None:
    inside = asyncio.Event()

    async def within(seconds: float) -> None:
        with Limit(seconds, asyncio.get_running_loop()):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(within(60))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_counts_more_than_the_time() -> None:
    async def within() -> None:
        with Limit(0, asyncio.get_running_loop()):
            await asyncio.Event().wait()

    task = asyncio.create_task(within())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
