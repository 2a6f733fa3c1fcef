"""Long batches that keep nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")

AT_ONCE: Final = 25
"""Items that are made before others get their turn: a batch of hundreds takes milliseconds."""


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """All of them; in between the event loop does what else there is to do."""
    for number, item in enumerate(items, 1):
        yield item
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
