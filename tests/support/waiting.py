"""Waiting for what happens in other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

INTERVAL_S = 0.05


async def eventually(
    condition: Callable[[], Awaitable[object]], what: str, *, within_s: float = 20.0
) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it did not in time.
    """
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110 - other processes set no event here
                await asyncio.sleep(INTERVAL_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:g} s: {what}") from None
