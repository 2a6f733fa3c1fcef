"""A self-test beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine

import pytest

from ocpi_hub.checking.apart import apart, called_here


async def test_it_runs_in_a_thread_of_its_own_and_its_result_comes_back() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return threading.get_ident()

    assert await apart(work) != threading.get_ident()


async def test_what_it_raises_comes_back() -> None:
    async def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await apart(work)


async def test_others_go_on_while_it_computes() -> None:
    computing, others_were_here = threading.Event(), threading.Event()

    async def work() -> bool:
        computing.set()
        return others_were_here.wait(30)

    running = asyncio.ensure_future(apart(work))
    assert await asyncio.to_thread(computing.wait, 30)
    others_were_here.set()
    assert await running


async def test_it_is_cancelled_when_nobody_wants_it_any_more() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.ensure_future(apart(work))
    assert await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def test_it_is_cancelled_also_while_it_begins() -> None:
    beginning, may_go_on = threading.Event(), threading.Event()

    async def work() -> None:
        await asyncio.Event().wait()

    def make() -> Coroutine[object, object, None]:
        beginning.set()
        may_go_on.wait(30)
        return work()

    running = asyncio.ensure_future(apart(make))
    assert await asyncio.to_thread(beginning.wait, 30)
    running.cancel()
    for _ in range(3):  # until it has heard of that
        await asyncio.sleep(0)
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_calls_back_on_the_loop_that_began_it() -> None:
    told: list[tuple[int, int, int]] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total, threading.get_ident()))

    tell = called_here(progress)

    async def work() -> None:
        await tell(1, 2)

    await apart(work)
    assert told == [(1, 2, threading.get_ident())]
