"""Sessions within the request that brings a change."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.directed import DirectedDelivery, Judged, JudgedBefore, Kept
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.listed import Listed, Source
from ocpi_hub.delivery.listed_sessions import ListedSessions
from ocpi_hub.delivery.session_change import (
    SessionChange,
    SessionPage,
    SessionRead,
    Taken,
)
from ocpi_hub.delivery.session_custody import take_change
from ocpi_hub.delivery.session_delivery import (
    Dropped,
    NotHeld,
    SessionAcceptance,
    SessionDelivery,
)
from ocpi_hub.delivery.shared import Page
from ocpi_hub.domain.exchange import NoAnswer, Unreachable
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId, Platform, Quirk, Role
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.ocpi.paging import PageRequest
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.party import make_session
from tests.support.quality import make_quality
from tests.support.scripted import MemoryCustody, ScriptedClient, answer
from tests.support.stores import LEASE

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
KEY = ObjectKey("sessions", CPO, "S1")
S = DirectedState


class MemorySessions:
    """Sessions without a database, in the rows of a `MemoryCustody`."""

    def __init__(self, custody: MemoryCustody) -> None:
        self._custody = custody
        self.broken = False

    async def take(self, change: SessionChange) -> Taken:
        if self.broken:
            raise StoreUnavailable("broken")
        row = self._custody.rows.get(change.key)
        taken = take_change(row, change, self._custody.now, LEASE)
        if taken.row is not None:
            self._custody.rows[change.key] = taken.row
        return taken

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        return self._custody.rows.get(key)

    async def called(self, session_id: str) -> Sequence[DirectedObject]:
        return [row for key, row in self._custody.rows.items() if key.object_id == session_id]

    async def page(self, reader: PartyId, page: PageRequest) -> SessionPage:
        return SessionPage(Page((), 0, None), ())

    async def fetched(self, receiver: PartyId, shown: SessionPage) -> None:
        """Nothing waits to be pulled here."""


def read(text: str) -> SessionRead:
    return SessionRead(EMSP, datetime.fromisoformat(json.loads(text)["last_updated"]))


def change(number: int = 0, *, partial: bool = True) -> SessionChange:
    moment = BEGIN + timedelta(minutes=number)
    fields: dict[str, Any] = {
        "country_code": "nl",
        "party_id": "CPO",
        "id": "s1",
        "charging_periods": [number],
        "last_updated": moment.isoformat(),
    }
    return SessionChange(
        key=KEY,
        receiver=EMSP,
        path=("nl", "CPO", "s1"),
        body=json.dumps(fields),
        partial=partial,
        last_updated=moment,
        correlation_id=f"c{number}",
        start=Start.WAIT,
        attempt_id=uuid.uuid4(),
        read=read,
        max_bytes=10_000,
    )


@dataclass(slots=True)
class Scene:
    """Delivery of sessions with an outside that does as told."""

    sessions: SessionDelivery
    directed: DirectedDelivery
    client: ScriptedClient
    store: MemoryCustody
    memory: MemorySessions
    platform: Platform
    stop: asyncio.Event
    loops: list[asyncio.Future[None]]
    refused: list[None]

    async def bring(
        self, number: int = 0, *, partial: bool = True, online: bool = True, **fields: Any
    ) -> SessionAcceptance:
        brought = replace(change(number, partial=partial), **fields)
        return await self.sessions.accept(brought, self.platform, online=online)

    async def begin(self) -> None:
        """A session that the receiver has."""
        self.client.will(answer())
        assert isinstance(await self.bring(partial=False), Judged)
        self.client.requests.clear()

    @property
    def sent(self) -> list[str]:
        return [request.method for request in self.client.requests]

    @property
    def row(self) -> DirectedObject:
        return self.store.rows[KEY]

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.loops)


async def make_scene(
    *, wait_s: float = 30.0, grace_s: float = 10.0, quirks: frozenset[Quirk] = frozenset()
) -> Scene:
    client, store, errands = ScriptedClient(), MemoryCustody(), Errands(grace_s=grace_s)
    platform = replace(make_platform((EMSP, Role.EMSP)), quirks=quirks)
    snapshot = make_directory(platform)
    refused: list[None] = []
    directed = DirectedDelivery(
        store,
        client,
        errands,
        lambda: snapshot,
        SystemClock(),
        wait_s=wait_s,
        attempt_s=40.0,
        rest_s=60.0,
        poll_s=0.01,
        per_receiver=2,
        refused=lambda: refused.append(None),
    )
    memory = MemorySessions(store)
    sessions = SessionDelivery(memory, directed, SystemClock(), wait_s=wait_s)
    stop = asyncio.Event()
    loop = asyncio.ensure_future(errands.run(stop))
    await asyncio.sleep(0)
    return Scene(sessions, directed, client, store, memory, platform, stop, [loop], refused)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = await make_scene()
    yield made
    await made.end()


async def test_a_patch_goes_out_as_it_came_and_its_answer_comes_back(scene: Scene) -> None:
    await scene.begin()
    wanted = answer(data='"as it is"')
    scene.client.will(wanted)
    accepted = await scene.bring(1)
    assert isinstance(accepted, Judged)
    assert accepted.answer is wanted
    (request,) = scene.client.requests
    assert (request.method, request.body) == ("PATCH", change(1).body.encode())
    assert request.url.endswith("/sessions/nl/CPO/s1")


@pytest.mark.parametrize("http", [404, 405, 501])
async def test_a_receiver_that_cannot_patch_gets_the_whole_in_the_same_attempt(
    scene: Scene, http: int
) -> None:
    await scene.begin()
    scene.client.will(answer(None, http=http), answer())
    assert isinstance(await scene.bring(1), Judged)
    assert scene.sent == ["PATCH", "PUT"]
    assert scene.client.requests[1].body == scene.row.body.encode()
    assert scene.row.state is S.DELIVERED


async def test_a_platform_that_knows_no_patch_is_sent_none() -> None:
    scene = await make_scene(quirks=frozenset({Quirk.NO_PATCH}))
    await scene.begin()
    await scene.bring(1)
    assert scene.sent == ["PUT"]
    await scene.end()


@pytest.mark.parametrize("exchange", [Unreachable("refused"), NoAnswer("timeout"), answer(3000)])
async def test_without_a_verdict_the_hub_keeps_the_change(
    scene: Scene, exchange: Unreachable | NoAnswer
) -> None:
    await scene.begin()
    scene.client.will(exchange)
    assert isinstance(await scene.bring(1), Kept)
    assert (scene.row.state, scene.row.version, scene.row.sent_version) == (S.PENDING, 2, 1)


async def test_a_refusal_is_the_answer_and_takes_the_change_back(scene: Scene) -> None:
    await scene.begin()
    scene.client.will(answer(2001))
    accepted = await scene.bring(1)
    assert isinstance(accepted, Judged)
    assert (scene.row.state, scene.row.version) == (S.DELIVERED, 1)


@pytest.mark.req("SE-05")
async def test_a_change_after_the_end_goes_on_and_into_the_log(scene: Scene) -> None:
    await scene.begin()
    for number, status in enumerate(("COMPLETED", "COMPLETED", "INVALID"), start=1):
        body = json.loads(change(number).body) | {"status": status}
        with capture_logs() as logged:
            assert isinstance(await scene.bring(number, body=json.dumps(body)), Judged)
        late = [entry for entry in logged if entry["event"] == "session_changed_after_its_end"]
        assert len(late) == (number == 2)
    assert scene.sent == ["PATCH"] * 3


async def test_a_refusal_takes_back_to_what_still_waits(scene: Scene) -> None:
    await scene.begin()
    scene.client.will(answer(3000))
    assert isinstance(await scene.bring(1), Kept)
    scene.client.will(answer(2001))
    assert isinstance(await scene.bring(2), Judged)
    assert (scene.row.state, scene.row.version) == (S.PENDING, 2)


async def test_a_refusal_of_what_has_changed_since_is_not_the_last_word(scene: Scene) -> None:
    await scene.begin()
    waiting = asyncio.Event()
    scene.client.will(waiting, answer(2001))
    first = asyncio.ensure_future(scene.bring(1))
    await scene.client.called(1)
    assert isinstance(await scene.bring(2), Kept)
    waiting.set()
    assert isinstance(await first, Kept)
    assert json.loads(scene.row.body)["charging_periods"] == [0, 1, 2]
    assert scene.row.state is S.PENDING


async def test_a_sender_hears_no_1000_while_a_refusal_is_being_committed() -> None:
    scene = await make_scene(wait_s=0.05)
    await scene.begin()
    scene.client.will(answer(2001))
    scene.store.recording.clear()
    asking = asyncio.ensure_future(scene.bring(1))
    await scene.client.called(1)
    # Longer than it waits for a verdict.
    assert not (await asyncio.wait({asking}, timeout=0.2))[0]
    scene.store.recording.set()
    assert isinstance(await asking, Judged)
    await scene.end()


async def test_who_waited_long_enough_hears_that_the_hub_has_it() -> None:
    scene = await make_scene(wait_s=0.0, grace_s=0.0)
    scene.client.will(asyncio.Event(), answer())
    assert isinstance(await scene.bring(partial=False), Kept)
    await scene.client.called(1)
    await scene.end()
    # An attempt that was cut off has an unknown outcome.
    assert (scene.row.state, scene.row.unknown_outcomes) == (S.PENDING, 1)


async def test_a_repeated_change_gets_the_verdict_of_the_attempt_under_way(scene: Scene) -> None:
    await scene.begin()
    waiting = asyncio.Event()
    scene.client.will(waiting, answer())
    first = asyncio.ensure_future(scene.bring(1))
    await scene.client.called(1)
    again = asyncio.ensure_future(scene.bring(1))
    waiting.set()
    assert isinstance(await first, Judged)
    assert await again == JudgedBefore(S.DELIVERED, scene.row.last_answer)
    assert scene.sent == ["PATCH"]


async def test_a_repeated_change_hears_of_a_refusal_too(scene: Scene) -> None:
    await scene.begin()
    waiting = asyncio.Event()
    scene.client.will(waiting, answer(2001))
    first = asyncio.ensure_future(scene.bring(1))
    await scene.client.called(1)
    again = asyncio.ensure_future(scene.bring(1))
    await asyncio.sleep(0)
    waiting.set()
    assert isinstance(await first, Judged)
    accepted = await again
    assert isinstance(accepted, JudgedBefore)
    assert accepted.state is S.REFUSED


async def test_what_needs_no_attempt(scene: Scene) -> None:
    assert isinstance(await scene.bring(1), NotHeld)
    await scene.begin()
    assert isinstance(await scene.bring(5, online=False), Kept)
    assert isinstance(await scene.bring(4), Dropped)
    assert isinstance(await scene.bring(5), Kept)
    assert scene.sent == []


async def test_without_the_database_nothing_is_accepted(scene: Scene) -> None:
    scene.memory.broken = True
    with pytest.raises(StoreUnavailable):
        await scene.bring(partial=False)
    assert scene.refused == [None]


async def test_the_worker_brings_what_was_merged(scene: Scene) -> None:
    await scene.begin()
    for number in (1, 2):
        assert isinstance(await scene.bring(number, online=False), Kept)
    scene.client.will(answer())
    scene.loops.append(asyncio.ensure_future(scene.directed.run(scene.stop)))
    row = await scene.store.reaches(KEY, S.DELIVERED)
    assert (row.sent_version, scene.sent) == (3, ["PUT"])
    assert scene.client.requests[0].url.endswith("/sessions/nl/CPO/s1")


# Lists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "result"),
    [
        (make_session("S1"), Listed.TAKEN),
        (make_session("S1", owner="FR*OTH"), Listed.BROKEN),
        (make_session("S1", receiver="FR*NOP"), Listed.BROKEN),
        (make_session("S1", kwh=None), Listed.BROKEN),
        (make_session("S" * 256), Listed.BROKEN),
    ],
)
async def test_what_an_owners_list_holds(
    scene: Scene, session: dict[str, Any], result: Listed
) -> None:
    owner = make_platform((CPO, Role.CPO))
    source = Source(owner, make_directory(owner, scene.platform))
    found: list[None] = []
    taker = ListedSessions(
        scene.memory,
        max_depth=32,
        max_bytes=10_000,
        found=lambda: found.append(None),
        quality=make_quality(),
    )
    assert await taker.take(json.dumps(session), source) is result
    assert len(found) == (result is Listed.TAKEN)
    if result is Listed.TAKEN:
        assert await taker.take(json.dumps(session), source) is Listed.KNOWN
        assert scene.row.state is S.PENDING


async def test_a_list_cannot_be_taken_without_the_database(scene: Scene) -> None:
    scene.memory.broken = True
    owner = make_platform((CPO, Role.CPO))
    source = Source(owner, make_directory(owner, scene.platform))
    taker = ListedSessions(
        scene.memory,
        max_depth=32,
        max_bytes=10_000,
        found=lambda: None,
        quality=make_quality(),
    )
    with pytest.raises(StoreUnavailable):
        await taker.take(json.dumps(make_session()), source)
