"""Long batches let others have their turn."""

from __future__ import annotations

import asyncio

from ocpi_hub.store.turns import AT_ONCE, in_turns


async def test_all_items_come_and_others_get_their_turn_in_between() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    items = [item async for item in in_turns(range(10 * AT_ONCE))]
    beside.cancel()
    assert items == list(range(10 * AT_ONCE))
    assert turns >= 10


async def test_nothing_takes_no_turn() -> None:
    nothing: list[int] = []
    assert [item async for item in in_turns(nothing)] == []
