"""How many results a platform may wait for, when many requests come at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ocpi_hub.delivery.answer_url_limit import AnswerUrlLimit
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import TooManyRequests
from tests.support.directory import ManualClock
from tests.support.factories import EMSP, make_platform


class _Slow:
    """A database that answers when it is told to, and holds none of what is under way."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def waiting(self, requesters: Sequence[PartyId], limit: int) -> int:
        await self.answers.wait()
        return 0


async def test_requests_that_wait_for_one_count_share_it() -> None:
    store = _Slow()
    limit = AnswerUrlLimit(store, ManualClock(), per_platform=3)
    platform = make_platform((EMSP, Role.EMSP))
    taking = [asyncio.create_task(limit.take(platform)) for _ in range(10)]
    await asyncio.sleep(0)
    store.answers.set()
    ended = await asyncio.gather(*taking, return_exceptions=True)
    assert [type(each) for each in ended].count(TooManyRequests) == 7
