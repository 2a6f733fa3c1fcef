"""A hub that kills itself at a named point: the real service with something in between.

The environment says where: KILL_AT names the point, KILL_AFTER how often it is passed first.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import NoReturn

import uvloop

from ocpi_hub.assembly import Wrappers
from ocpi_hub.delivery.custody import Attempt, AttemptReport, CustodyStore, Intake, TakenIn
from ocpi_hub.delivery.shared import Page
from ocpi_hub.domain.exchange import Exchange, OutboundClient, OutboundRequest
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import PageRequest
from tests.support.wrapped_hub import serve

POINTS = (
    "after_commit",
    "while_sending",
    "after_send",
    "before_verdict",
    "after_verdict",
    "claimed",
)


class Fuse:
    """Kills the process when a point is passed the n-th time."""

    def __init__(self, point: str, passes: int) -> None:
        self._point = point
        self._left = passes

    def passed(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left < 0:
            _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


class KillingClient:
    def __init__(self, client: OutboundClient, fuse: Fuse) -> None:
        self._client = client
        self._fuse = fuse

    async def send(self, request: OutboundRequest) -> Exchange:
        if request.method != "POST":
            return await self._client.send(request)
        sending = asyncio.ensure_future(self._client.send(request))
        await asyncio.sleep(0.002)
        self._fuse.passed("while_sending")
        exchange = await sending
        self._fuse.passed("after_send")
        return exchange


class KillingStore:
    def __init__(self, store: CustodyStore, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    async def take_in(self, intake: Intake) -> TakenIn:
        taken = await self._store.take_in(intake)
        self._fuse.passed("after_commit")
        return taken

    async def record(self, report: AttemptReport) -> DirectedState:
        self._fuse.passed("before_verdict")
        state = await self._store.record(report)
        self._fuse.passed("after_verdict")
        return state

    async def due_receivers(self, candidates: Sequence[PartyId]) -> Sequence[PartyId]:
        return await self._store.due_receivers(candidates)

    async def claim(self, receiver: PartyId, limit: int) -> Sequence[Attempt]:
        claimed = await self._store.claim(receiver, limit)
        if claimed:
            self._fuse.passed("claimed")
        return claimed

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        return await self._store.find(key)

    async def page(self, module: str, reader: PartyId, page: PageRequest) -> Page:
        return await self._store.page(module, reader, page)

    async def pulled(self, module: str, receiver: PartyId, serials: Sequence[int]) -> None:
        await self._store.pulled(module, receiver, serials)


def killing() -> Wrappers:
    fuse = Fuse(os.environ.get("KILL_AT", ""), int(os.environ.get("KILL_AFTER", "0")))
    return Wrappers(
        client=lambda client: KillingClient(client, fuse),
        custody=lambda store: KillingStore(store, fuse),
    )


if __name__ == "__main__":
    uvloop.run(serve(killing()))
