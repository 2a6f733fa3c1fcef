"""Reading owners' lists after an absence."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.clearing.holds import HoldLimits
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery import inbound_catch_up as module
from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.custody import Intake, TakenIn
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp
from ocpi_hub.delivery.listed_cdrs import ListedCdrs
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId, PlatformId, PlatformState, Role
from ocpi_hub.errors import StoreError
from tests.support.factories import CPO, EMSP, cdr, make_directory, make_platform, text
from tests.support.scripted import MemoryCustody, ScriptedClient, answer
from tests.support.stores import cdr_key

FROM = datetime(2026, 10, 1, 8, tzinfo=UTC)
PLATFORM = make_platform((CPO, Role.CPO))
RECEIVER = make_platform((EMSP, Role.EMSP))
SUSPENDED, PLANNED = PartyId("BE", "SUS"), PartyId("BE", "PLA")
DIRECTORY = make_directory(
    PLATFORM,
    RECEIVER,
    make_platform((SUSPENDED, Role.EMSP), state=PlatformState.SUSPENDED),
    make_platform((PLANNED, Role.EMSP), state=PlatformState.INVITED, endpoints={}),
)


class OneJob:
    """A store with one catch-up, which goes on turn by turn until it ends or fails."""

    def __init__(
        self,
        platform_id: PlatformId = PLATFORM.platform_id,
        attempts: int = 1,
        progress: Progress | None = None,
    ) -> None:
        begun = progress or Progress()
        self._jobs = [Job(platform_id, "cdrs", FROM, uuid.uuid4(), attempts, begun)]
        self.progress = begun
        self.turns = 0
        self.lost = False
        self.ended: list[Job] = []
        self.released: list[tuple[timedelta, str, bool]] = []
        self.done = asyncio.Event()

    async def claim(self) -> Job | None:
        if not self._jobs:
            return None
        self.turns += 1
        return self._jobs.pop()

    async def keep(self, job: Job, progress: Progress) -> bool:
        self.progress = progress
        return not self.lost

    async def requeue(self, job: Job) -> None:
        if self.lost:
            self.done.set()
        else:
            self._jobs.append(replace(job, progress=self.progress))

    async def end(self, job: Job) -> None:
        self.ended.append(job)
        self.done.set()

    async def release(self, job: Job, pause: timedelta, error: str, *, restart: bool) -> None:
        self.released.append((pause, error, restart))
        self.done.set()


class Refusing(MemoryCustody):
    """Cannot store one of the objects."""

    async def take_in(self, intake: Intake) -> TakenIn:
        if intake.key == cdr_key("BAD"):
            raise StoreError("cannot be stored")
        return await super().take_in(intake)


async def run(
    *pages: Exchange, store: OneJob | None = None, custody: MemoryCustody | None = None
) -> tuple[OneJob, MemoryCustody, ScriptedClient]:
    """Work off the job, until it is ended or released."""
    jobs, taken, client = store or OneJob(), custody or MemoryCustody(), ScriptedClient()
    client.will(*pages)
    catch_up = InboundCatchUp(
        jobs,
        ListedCdrs(taken, max_depth=64, holds=HoldLimits(), found=lambda: None),
        client,
        lambda: DIRECTORY,
        SystemClock(),
        timeout_s=5.0,
    )
    stop = asyncio.Event()
    loop = asyncio.ensure_future(catch_up.run(stop))
    waiting = asyncio.ensure_future(jobs.done.wait())
    await asyncio.wait({loop, waiting}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    waiting.cancel()
    await loop
    return jobs, taken, client


def page(*cdrs: dict[str, object], link: str = "") -> Answer:
    listed = f"[{','.join(map(text, cdrs))}]"
    return answer(data=listed, link=f'<{link}>; rel="next"') if link else answer(data=listed)


@pytest.mark.req("TF-37")
async def test_all_pages_from_the_last_contact_on_enter_custody() -> None:
    jobs, custody, client = await run(page(cdr("A"), cdr("B"), link="?offset=2"), page(cdr("C")))
    assert (len(jobs.ended), jobs.released) == (1, [])
    assert {key.object_id for key in custody.rows} == {"A", "B", "C"}
    row = custody.rows[cdr_key("A")]
    assert (row.state, row.receiver, row.body) == (DirectedState.PENDING, EMSP, text(cdr("A")))
    endpoint = "https://partner.example/sender/cdrs"
    assert [request.url for request in client.requests] == [
        f"{endpoint}?date_from=2026-10-01T08%3A00%3A00.000Z",
        f"{endpoint}?offset=2",
    ]
    assert client.requests[0].headers["OCPI-to-party-id"] == "CPO"
    assert client.requests[0].headers["OCPI-from-party-id"] == "HUB"


@pytest.mark.req("TF-19")
async def test_objects_that_cannot_be_taken_are_skipped() -> None:
    stranger = PartyId("FR", "OTH")
    broken: dict[str, object] = {"id": "no CDR"}
    jobs, custody, _ = await run(
        page(broken, cdr("S", owner=stranger), cdr("N", payer=stranger), cdr("BAD"), cdr("GOOD")),
        custody=Refusing(),
    )
    assert len(jobs.ended) == 1
    assert [key.object_id for key in custody.rows] == ["GOOD"]


@pytest.mark.req("TF-37")
async def test_a_cdr_for_a_receiver_that_is_not_connected_now_waits_for_it() -> None:
    jobs, custody, _ = await run(page(cdr("S", payer=SUSPENDED), cdr("P", payer=PLANNED)))
    assert (len(jobs.ended), jobs.progress.broken) == (1, 0)
    assert {(row.key.object_id, row.receiver, row.state) for row in custody.rows.values()} == {
        ("S", SUSPENDED, DirectedState.PENDING),
        ("P", PLANNED, DirectedState.PENDING),
    }


@pytest.mark.parametrize(
    "failure",
    [
        NoAnswer("silence"),
        answer(None),
        answer(2000, http=401),
        answer(3000),
        answer(data='{"a":1}'),
        page(cdr("A"), link="https://[x"),
        page(cdr("A"), link="https://elsewhere.example/sender/cdrs?offset=1"),
        page(cdr("A"), link="http://partner.example/sender/cdrs?offset=1"),
        page(cdr("A"), link="https://partner.example:1443/sender/cdrs?offset=1"),
        page(cdr("A"), link="?offset=1"),
    ],
)
async def test_a_list_that_cannot_be_read_is_tried_again_later(failure: Exchange) -> None:
    jobs, _, _ = await run(failure, store=OneJob(attempts=3))
    assert jobs.ended == []
    [(pause, error, _)] = jobs.released
    assert pause == timedelta(seconds=90)
    assert error


async def test_a_platform_that_is_gone_ends_its_catch_up() -> None:
    jobs, _, client = await run(answer(), store=OneJob(PlatformId("p-gone")))
    assert (len(jobs.ended), client.requests) == (1, [])


PAGE_2 = "https://partner.example/sender/cdrs?offset=2"


async def test_a_long_list_is_read_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_S", 1e-6)
    jobs, custody, _ = await run(
        page(cdr("A"), link="?offset=1"),
        page(cdr("B"), link="?offset=2"),
        page(cdr("C")),
    )
    assert {key.object_id for key in custody.rows} == {"A", "B", "C"}
    assert jobs.turns > 1


async def test_a_turn_goes_on_where_the_last_one_ended() -> None:
    begun = Progress(owner=CPO, url=PAGE_2, pages=1, seen=2)
    _, custody, client = await run(page(cdr("C")), store=OneJob(progress=begun))
    assert [request.url for request in client.requests] == [PAGE_2]
    assert [key.object_id for key in custody.rows] == ["C"]


async def test_a_stored_url_of_another_server_is_not_called() -> None:
    begun = Progress(owner=CPO, url="https://before.example/cdrs?offset=2", pages=1)
    _, _, client = await run(page(cdr("C")), store=OneJob(progress=begun))
    assert [request.url for request in client.requests] == [
        "https://partner.example/sender/cdrs?date_from=2026-10-01T08%3A00%3A00.000Z"
    ]


@pytest.mark.parametrize(
    ("failure", "restart"), [(answer(2000, http=404), True), (NoAnswer("silence"), False)]
)
async def test_a_stored_url_that_has_expired_is_given_up(failure: Exchange, restart: bool) -> None:
    begun = Progress(owner=CPO, url=PAGE_2, pages=1)
    jobs, _, _ = await run(failure, store=OneJob(progress=begun))
    assert [again for _, _, again in jobs.released] == [restart]


async def test_a_failure_after_good_pages_keeps_them() -> None:
    jobs, _, _ = await run(page(cdr("A"), link="?offset=2"), answer(3000))
    assert [again for _, _, again in jobs.released] == [False]
    assert jobs.progress.url == PAGE_2


async def test_who_lost_the_lease_stops_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_S", 0.0)
    store = OneJob()
    store.lost = True
    jobs, custody, client = await run(page(cdr("A"), link="?offset=2"), store=store)
    assert (len(client.requests), custody.rows, jobs.ended) == (1, {}, [])


async def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    pages = [page(cdr(f"C{n}"), link=f"?offset={n}") for n in range(4)]
    jobs, _, client = await run(*pages)
    assert (len(jobs.ended), len(client.requests)) == (1, 3)


async def test_a_stop_does_not_wait_for_a_page() -> None:
    jobs, client = OneJob(), ScriptedClient()
    client.will(asyncio.Event(), answer())
    catch_up = InboundCatchUp(
        jobs,
        ListedCdrs(MemoryCustody(), max_depth=64, holds=HoldLimits(), found=lambda: None),
        client,
        lambda: DIRECTORY,
        SystemClock(),
        timeout_s=5.0,
    )
    stop = asyncio.Event()
    loop = asyncio.ensure_future(catch_up.run(stop))
    await client.called(1)
    stop.set()
    async with asyncio.timeout(10):
        await loop
    assert (jobs.ended, jobs.released) == ([], [])
    assert await jobs.claim() is not None, "it was given back"


async def test_a_database_that_refuses_something_does_not_end_the_loop() -> None:
    class Refused(OneJob):
        async def claim(self) -> Job | None:
            if not self.turns:
                self.turns = 1
                raise StoreError("deadlock detected")
            return await super().claim()

    jobs, _, _ = await run(page(cdr("A")), store=Refused())
    assert len(jobs.ended) == 1
