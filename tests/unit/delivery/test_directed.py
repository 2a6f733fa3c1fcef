"""Delivery of directed objects: within the request, afterwards, and when things go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.custody import Intake, Start, TakenIn
from ocpi_hub.delivery.directed import (
    Acceptance,
    Conflicting,
    DirectedDelivery,
    Judged,
    JudgedBefore,
    Kept,
)
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.verdict import Delivered, Refused, Unknown
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Busy, NoAnswer, Unreachable
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId, Platform, Role
from ocpi_hub.errors import StoreError, StoreUnavailable
from tests.support.factories import EMSP, make_directory, make_platform
from tests.support.scripted import MemoryCustody, ScriptedClient, answer
from tests.support.stores import cdr_key, make_intake
from tests.support.waiting import eventually

OTHER = PartyId("FR", "OTH")
LONG = 30.0


@dataclass(slots=True)
class Scene:
    """Delivery with an outside that does as told; the loops run until `end`."""

    delivery: DirectedDelivery
    client: ScriptedClient
    store: MemoryCustody
    platform: Platform
    stop: asyncio.Event
    loops: list[asyncio.Future[None]]
    refused: list[None]

    async def accept(self, intake: Intake | None = None) -> Acceptance:
        return await self.delivery.accept(intake or make_intake(), self.platform)

    def work(self) -> None:
        """Start the worker."""
        self.loops.append(asyncio.ensure_future(self.delivery.run(self.stop)))

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.loops)


async def make_scene(
    *, wait_s: float = LONG, grace_s: float = 10.0, directory: Directory | None = None
) -> Scene:
    client, store, errands = ScriptedClient(), MemoryCustody(), Errands(grace_s=grace_s)
    platform = make_platform((EMSP, Role.EMSP))
    snapshot = directory or make_directory(platform)
    refused: list[None] = []
    delivery = DirectedDelivery(
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
    stop = asyncio.Event()
    loop = asyncio.ensure_future(errands.run(stop))
    await asyncio.sleep(0)
    return Scene(delivery, client, store, platform, stop, [loop], refused)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = await make_scene()
    yield made
    await made.end()


@pytest.fixture
async def hasty() -> AsyncIterator[Scene]:
    """Senders do not wait for the verdict."""
    made = await make_scene(wait_s=0.0)
    yield made
    await made.end()


async def test_a_withdrawn_interface_is_no_failure_of_the_receiver() -> None:
    silent = make_directory(make_platform((EMSP, Role.EMSP), endpoints={}))
    scene = await make_scene(directory=silent)
    await scene.store.take_in(make_intake(start=Start.WAIT))
    scene.work()

    async def waits_to_be_pulled() -> bool:
        row = scene.store.rows[cdr_key()]
        return row.next_attempt_at is None and row.lease_until is None

    await eventually(waits_to_be_pulled, "it waits to be pulled")
    row = scene.store.rows[cdr_key()]
    assert (row.state, scene.client.requests) == (DirectedState.PENDING, [])
    start = scene.delivery.start_for(scene.platform, EMSP, "cdrs", online=True)
    assert start is Start.SEND
    await scene.end()


async def test_many_who_wait_for_one_verdict_share_the_looks(scene: Scene) -> None:
    looks: list[ObjectKey] = []
    looked = asyncio.Event()
    find = scene.store.find

    async def counted(key: ObjectKey) -> DirectedObject | None:
        looks.append(key)
        looked.set()
        return await find(key)

    setattr(scene.store, "find", counted)  # noqa: B010 - an instance's method is replaced
    answered = asyncio.Event()
    scene.client.will(answered, answer())
    first = asyncio.ensure_future(scene.accept())
    await scene.client.called(1)
    others = [asyncio.ensure_future(scene.accept()) for _ in range(50)]
    await looked.wait()
    answered.set()
    assert isinstance(await first, Judged)
    for acceptance in await asyncio.gather(*others):
        assert isinstance(acceptance, JudgedBefore)
    assert len(looks) < 10


async def test_the_worker_goes_on_after_a_statement_was_refused(scene: Scene) -> None:
    due, failures = scene.store.due_receivers, [StoreError("deadlock detected")]

    async def refused_once(candidates: Sequence[PartyId]) -> Sequence[PartyId]:
        if failures:
            raise failures.pop()
        return await due(candidates)

    setattr(scene.store, "due_receivers", refused_once)  # noqa: B010 - likewise
    await scene.accept(make_intake(start=Start.WAIT))
    scene.client.will(answer())
    scene.work()
    await scene.store.reaches(make_intake().key, DirectedState.DELIVERED)


async def test_what_cannot_be_taken_in_now_is_reported(scene: Scene) -> None:
    async def away(_: Intake) -> TakenIn:
        raise StoreUnavailable("away")

    setattr(scene.store, "take_in", away)  # noqa: B010 - likewise
    with pytest.raises(StoreUnavailable):
        await scene.accept()
    assert scene.refused == [None]


# Within the request ------------------------------------------------------------------------------


@pytest.mark.req("RT-17")
@pytest.mark.parametrize(
    ("code", "state"), [(1000, DirectedState.DELIVERED), (2001, DirectedState.REFUSED)]
)
async def test_a_verdict_within_the_wait_is_the_answer(
    scene: Scene, code: int, state: DirectedState
) -> None:
    received = answer(code, http=201, location="https://e.example/cdrs/1")
    scene.client.will(received)
    judged = await scene.accept()
    assert isinstance(judged, Judged)
    assert judged.answer is received
    row = scene.store.rows[cdr_key()]
    assert (row.state, row.refused_after_ack) == (state, False)
    [request] = scene.client.requests
    assert (request.method, request.url) == ("POST", "https://partner.example/receiver/cdrs")
    assert request.body == make_intake().body.encode()
    assert request.headers["OCPI-from-party-id"] == "CPO"


async def test_a_refusal_after_the_wait_is_on_record_as_told_late(hasty: Scene) -> None:
    release = asyncio.Event()
    hasty.client.will(release, answer(2001))
    assert isinstance(await hasty.accept(), Kept)
    release.set()
    row = await hasty.store.reaches(cdr_key(), DirectedState.REFUSED)
    assert row.refused_after_ack is True


async def test_a_sender_answered_while_the_refusal_is_committed_counts_as_told_late() -> None:
    scene = await make_scene(wait_s=0.05)
    scene.client.will(answer(2001))
    scene.store.recording.clear()
    assert isinstance(await scene.accept(), Kept)
    scene.store.recording.set()
    await scene.end()
    assert [report.acknowledged for report in scene.store.reports] == [False, True]
    assert scene.store.rows[cdr_key()].refused_after_ack is True


@pytest.mark.parametrize(
    "exchange", [answer(3000), answer(None, http=500), NoAnswer("silence"), Unreachable("gone")]
)
async def test_what_is_no_verdict_leaves_the_object_with_the_hub(
    scene: Scene, exchange: NoAnswer | Unreachable
) -> None:
    scene.client.will(exchange)
    assert isinstance(await scene.accept(), Kept)
    assert scene.store.rows[cdr_key()].state is DirectedState.PENDING


async def test_a_receiver_that_stays_silent_rests_and_an_answer_ends_the_rest(
    scene: Scene,
) -> None:
    def start(receiver: PartyId) -> Start:
        return scene.delivery.start_for(scene.platform, receiver, "cdrs", online=True)

    scene.client.will(Unreachable("gone"))
    assert start(EMSP) is Start.SEND
    await scene.accept()
    assert (start(EMSP), start(OTHER)) == (Start.WAIT, Start.SEND)
    scene.client.will(answer(2001))
    await scene.accept(make_intake("CDR-2"))
    assert start(EMSP) is Start.SEND


async def test_a_receiver_that_was_not_asked_for_want_of_room_does_not_rest(scene: Scene) -> None:
    scene.client.will(Busy("too many requests in flight"))
    assert isinstance(await scene.accept(), Kept)
    start = scene.delivery.start_for(scene.platform, EMSP, "cdrs", online=True)
    assert start is Start.SEND


async def test_how_an_object_begins_depends_on_its_receiver(scene: Scene) -> None:
    start = scene.delivery.start_for
    bare = make_platform((EMSP, Role.EMSP), endpoints={})
    assert start(bare, EMSP, "cdrs", online=True) is Start.PULL
    assert start(scene.platform, EMSP, "cdrs", online=False) is Start.WAIT


@pytest.mark.req("CD-08")
async def test_the_same_object_again_gets_the_verdict_of_the_attempt_under_way(
    scene: Scene,
) -> None:
    release = asyncio.Event()
    scene.client.will(release, answer(1000))
    first = asyncio.ensure_future(scene.accept())
    await scene.client.called(1)
    second = asyncio.ensure_future(scene.accept())
    conflict = await scene.accept(make_intake(body="{}"))
    release.set()
    assert isinstance(await first, Judged)
    judged = await second
    assert isinstance(judged, JudgedBefore)
    assert (judged.state, len(scene.client.requests)) == (DirectedState.DELIVERED, 1)
    assert isinstance(conflict, Conflicting)
    assert await scene.accept() == JudgedBefore(DirectedState.DELIVERED, None)


@pytest.mark.parametrize("start", [Start.WAIT, Start.PULL, Start.HOLD])
async def test_what_does_not_begin_with_a_send_is_kept(scene: Scene, start: Start) -> None:
    assert isinstance(await scene.accept(make_intake(start=start)), Kept)
    assert isinstance(await scene.accept(make_intake(start=start)), Kept)
    assert scene.client.requests == []


# When things go wrong ----------------------------------------------------------------------------


async def test_a_cancelled_attempt_has_an_unknown_outcome() -> None:
    scene = await make_scene(grace_s=0.0)
    scene.client.will(asyncio.Event(), answer())
    sender = asyncio.ensure_future(scene.accept())
    await scene.client.called(1)
    await scene.end()
    assert isinstance(await sender, Kept)
    [report] = scene.store.reports
    assert isinstance(report.verdict, Unknown)
    assert scene.store.rows[cdr_key()].unknown_outcomes == 1


async def test_an_object_that_arrives_during_the_stop_is_kept_without_a_doubt(
    scene: Scene,
) -> None:
    await scene.end()
    assert isinstance(await scene.accept(), Kept)
    row = scene.store.rows[cdr_key()]
    assert (row.state, row.unknown_outcomes) == (DirectedState.PENDING, 0)
    assert scene.client.requests == []


async def test_a_verdict_that_cannot_be_recorded_does_not_stop_the_service(scene: Scene) -> None:
    scene.client.will(answer(1000))
    scene.store.broken = True
    assert isinstance(await scene.accept(), Judged)
    scene.store.broken = False
    assert isinstance(await scene.accept(make_intake("CDR-2")), Judged)


async def test_a_request_that_cannot_be_built_does_not_stop_the_service(scene: Scene) -> None:
    scene.client.will(ValueError("a header contains a line break"))
    assert isinstance(await scene.accept(), Kept)
    scene.client.will(answer())
    assert isinstance(await scene.accept(make_intake("CDR-2")), Judged)


async def _doubtful(scene: Scene) -> Intake:
    """An object given up after an attempt of unknown outcome."""
    intake = make_intake(body='{"a":1.10,"b":[2]}')
    scene.client.will(NoAnswer("silence"))
    await scene.accept(intake)
    row = scene.store.rows[intake.key]
    scene.store.rows[intake.key] = replace(row, next_attempt_at=scene.store.now)
    return intake


async def test_an_uncertain_refusal_is_settled_by_looking_at_the_receiver(scene: Scene) -> None:
    intake = await _doubtful(scene)
    copy = answer(data='{ "b": [2], "a": 1.1 }')
    scene.client.will(answer(2001, location="/cdrs/1"), copy)
    scene.work()
    await scene.store.reaches(intake.key, DirectedState.DELIVERED)
    assert [type(report.verdict) for report in scene.store.reports[1:]] == [Refused, Delivered]
    request = scene.client.requests[-1]
    assert (request.method, request.url) == ("GET", "https://partner.example/cdrs/1")


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/cdrs/1", answer(data='{"a":1.11,"b":[2]}')),
        ("/cdrs/1", answer(2003, http=404)),
        ("/cdrs/1", answer(None)),
        ("/cdrs/1", Unreachable("gone")),
        ("https://[x", answer(data='{"a":1.10,"b":[2]}')),
    ],
)
async def test_what_is_not_found_at_the_receiver_stays_uncertain(
    scene: Scene, location: str, found: NoAnswer | Unreachable
) -> None:
    intake = await _doubtful(scene)
    scene.client.will(answer(2001, location=location), found)
    scene.work()
    await scene.store.reaches(intake.key, DirectedState.UNCERTAIN)
    await scene.end()
    assert scene.store.rows[intake.key].state is DirectedState.UNCERTAIN


# The worker --------------------------------------------------------------------------------------


async def test_the_worker_delivers_what_waits_and_what_comes_due(scene: Scene) -> None:
    scene.client.will(answer(3000), answer(1000))
    await scene.accept(make_intake(start=Start.WAIT))
    scene.work()
    await scene.store.reaches(cdr_key(), DirectedState.PENDING)
    await scene.client.called(1)
    await scene.store.reaches(cdr_key(), DirectedState.PENDING)
    scene.store.now += timedelta(minutes=1)
    scene.delivery.wake()
    row = await scene.store.reaches(cdr_key(), DirectedState.DELIVERED)
    assert row.refused_after_ack is False


async def test_a_receiver_that_hangs_holds_up_nobody_else() -> None:
    here, there = make_platform((EMSP, Role.EMSP)), make_platform((OTHER, Role.EMSP))
    scene = await make_scene(directory=make_directory(here, there))
    release = asyncio.Event()
    scene.client.will(release, release, answer())
    for number in range(5):
        await scene.accept(make_intake(f"SLOW-{number}", start=Start.WAIT))
    scene.work()
    await scene.client.called(2)
    await scene.accept(make_intake("QUICK", receiver=OTHER, start=Start.WAIT))
    scene.delivery.wake()
    await scene.store.reaches(cdr_key("QUICK"), DirectedState.DELIVERED)
    # No more attempts at the receiver that hangs than one process may make.
    assert len(scene.client.requests) == 3
    release.set()
    for number in range(5):
        await scene.store.reaches(cdr_key(f"SLOW-{number}"), DirectedState.DELIVERED)
    await scene.end()


async def test_the_worker_leaves_receivers_alone_that_are_offline() -> None:
    away = make_platform((EMSP, Role.EMSP), online=False)
    here = make_platform((OTHER, Role.EMSP))
    scene = await make_scene(directory=make_directory(away, here))
    scene.client.will(answer())
    await scene.accept(make_intake("AWAY", start=Start.WAIT))
    await scene.accept(make_intake("HERE", receiver=OTHER, start=Start.WAIT))
    scene.work()
    await scene.store.reaches(cdr_key("HERE"), DirectedState.DELIVERED)
    assert scene.store.rows[cdr_key("AWAY")].state is DirectedState.PENDING
    await scene.end()


async def test_a_lease_that_ran_out_is_taken_over_and_a_refusal_is_then_uncertain(
    scene: Scene,
) -> None:
    await scene.store.take_in(make_intake())
    scene.store.now += timedelta(minutes=1)
    scene.client.will(answer(2001))
    scene.work()
    await scene.store.reaches(cdr_key(), DirectedState.UNCERTAIN)
    assert len(scene.client.requests) == 1
