"""Processes of the hub as far as the feed goes, and receivers that keep what they are given."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.sender import FeedLimits
from ocpi_hub.delivery.feed.worker import FeedWorker
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Exchange, OutboundClient, OutboundRequest
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from tests.support.postgres import make_settings
from tests.support.scripted import answer
from tests.support.stores import writing

LIMITS = FeedLimits(
    lease=timedelta(seconds=1.0),
    attempt_s=0.3,
    poll_s=0.05,
    per_receiver=8,
    catch_up_rps=2000.0,
    first_s=0.02,
    longest_s=0.1,
    alive=timedelta(seconds=1),
)
"""Short leases and pauses; no rate to speak of."""
PATIENT = replace(LIMITS, lease=timedelta(seconds=20), attempt_s=5.0, alive=timedelta(seconds=20))
"""The same for one process that nobody kills, however slow the machine is."""


@asynccontextmanager
async def feeding(
    address: DatabaseAddress,
    directory: Callable[[], Directory],
    client: OutboundClient,
    modules: Sequence[str],
    limits: FeedLimits = LIMITS,
) -> AsyncIterator[FeedWorker]:
    """One process. At the end it is killed: no lane is given back, nothing in flight is settled."""
    database = await Database.open(address, make_settings())
    process_id = uuid.uuid4()
    store = PostgresFeedStore(
        database, gap_lease=timedelta(seconds=1), batch_rows=500, batch_queue_rows=20_000
    )
    errands = Errands(grace_s=0.01)
    worker = FeedWorker(
        store, client, errands, directory, SystemClock(), process_id, modules, limits
    )
    async with database.connection() as connection:
        await connection.execute(
            "insert into process (process_id, host, pid) values ($1, 'test', 1)", process_id
        )
    async with asyncio.TaskGroup() as group, writing(store.questions, store.gaps):
        stop = asyncio.Event()
        running = group.create_task(errands.run(stop))
        feeder = group.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            feeder.cancel()
            running.cancel()
    await database.close()


@dataclass(frozen=True, slots=True)
class Push:
    """A push as it arrived.

    Attributes:
        at: monotonic seconds.
        path: segments after the endpoint's URL.
        sender: FROM.
    """

    at: float
    method: str
    receiver: str
    sender: str
    path: tuple[str, ...]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


Fate = Callable[[Push], Exchange | None]
"""What becomes of a push; None: it is taken."""


def taken(_push: Push) -> None:
    """Every push is."""


@dataclass(slots=True)
class LocationReceivers:
    """eMSPs that keep what they are given of Locations, whoever of them it is given to.

    Attributes:
        pushes: all of them, taken or not.
        copies: by receiver and id of the Location: its fields, and `evses` by uid.
    """

    fate: Fate = taken
    pushes: list[Push] = field(default_factory=list)
    copies: defaultdict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    async def send(self, request: OutboundRequest) -> Exchange:
        push = _push(request)
        self.pushes.append(push)
        fate = self.fate(push)
        return self.take(push) if fate is None else fate

    def take(self, push: Push) -> Exchange:
        """Keep it, or say that its Location is not here."""
        held = self.copies[push.receiver]
        location_id = push.path[2]
        if len(push.path) == 3:
            fields = push.data
            evses = {evse["uid"]: evse for evse in fields.pop("evses")}
            held[location_id] = fields | {"evses": evses}
            return answer()
        if location_id not in held:
            return answer(2003, http=404)
        held[location_id]["evses"][push.path[3]] = push.data
        return answer()

    def of(self, *path: str) -> list[Push]:
        """Pushes to one URL."""
        return [push for push in self.pushes if push.path[2:] == path]


def _push(request: OutboundRequest) -> Push:
    path = urlsplit(request.url).path.partition("/receiver/")[2]
    headers = request.headers
    return Push(
        at=time.monotonic(),
        method=request.method,
        receiver=f"{headers['OCPI-to-country-code']}*{headers['OCPI-to-party-id']}",
        sender=f"{headers['OCPI-from-country-code']}*{headers['OCPI-from-party-id']}",
        path=tuple(unquote(segment) for segment in path.split("/")[1:]),
        body=request.body or b"",
    )
