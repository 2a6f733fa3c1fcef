"""A coroutine on an event loop of its own.

A self-test parses and judges whatever its partner likes to answer, for seconds if that is the
partner's aim. In a hub that serves requests meanwhile, nobody may wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def apart(make: Callable[[], Coroutine[object, object, T]]) -> T:
    """The result of a coroutine that runs in a thread; cancelled when this is."""
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []
    given_up = False

    async def main() -> T:
        task = asyncio.ensure_future(make())
        begun.append((asyncio.get_running_loop(), task))
        # Only now: whoever gives up from here on finds the task.
        if given_up:
            task.cancel()
        return await task

    threads = ThreadPoolExecutor(1, thread_name_prefix="self-test")
    try:
        context = contextvars.copy_context()
        running = asyncio.get_running_loop().run_in_executor(
            threads, lambda: context.run(asyncio.run, main())
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            given_up = True
            for loop, task in begun:
                with suppress(RuntimeError):  # it has just ended
                    loop.call_soon_threadsafe(task.cancel)
            await asyncio.wait({running})
            raise
    finally:
        threads.shutdown(wait=False)


def called_here(
    function: Callable[..., Coroutine[object, object, None]],
) -> Callable[..., Coroutine[object, object, None]]:
    """A function for such a coroutine to await; it runs on the present event loop."""
    here = asyncio.get_running_loop()

    async def call(*arguments: object) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*arguments), here))

    return call
