"""Errands: tasks that outlive their request, and the service's way to wait for them."""

from __future__ import annotations

import asyncio

import pytest

from ocpi_hub.delivery.errands import Errands
from ocpi_hub.errors import Overloaded


async def _started(grace_s: float = 10.0) -> tuple[Errands, asyncio.Event, asyncio.Future[None]]:
    errands, stop = Errands(grace_s=grace_s), asyncio.Event()
    loop = asyncio.ensure_future(errands.run(stop))
    await asyncio.sleep(0)
    return errands, stop, loop


async def test_an_errand_outlives_its_starter_and_is_waited_for_at_the_end() -> None:
    errands, stop, loop = await _started()
    release = asyncio.Event()
    done: list[str] = []

    async def errand() -> None:
        await release.wait()
        done.append("done")

    async def request() -> None:
        errands.start(errand())

    await request()
    assert errands.running == 1
    stop.set()
    await asyncio.sleep(0)
    assert not loop.done()
    release.set()
    await loop
    assert (done, errands.running) == (["done"], 0)


async def test_an_errand_that_outlasts_the_grace_is_cancelled_and_may_still_clean_up() -> None:
    errands, stop, loop = await _started(grace_s=0.0)
    cleaned = asyncio.Event()

    async def errand() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    task = errands.start(errand())
    await asyncio.sleep(0)
    stop.set()
    await loop
    assert task.cancelled()
    assert cleaned.is_set()


@pytest.mark.parametrize("started", [False, True])
async def test_nothing_starts_before_the_loop_or_after_the_stop(started: bool) -> None:
    errands = Errands(grace_s=1.0)
    if started:
        errands, stop, loop = await _started()
        stop.set()
        await loop

    async def errand() -> None:
        raise AssertionError("never runs")

    with pytest.raises(Overloaded):
        errands.start(errand())


async def test_an_errand_that_fails_ends_the_loop_loudly() -> None:
    errands, _, loop = await _started()

    async def errand() -> None:
        raise RuntimeError("broken")

    errands.start(errand())
    with pytest.raises(ExceptionGroup) as caught:
        await loop
    assert caught.group_contains(RuntimeError, match="broken")
    with pytest.raises(Overloaded):
        errands.start(asyncio.sleep(0))
