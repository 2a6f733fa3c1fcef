"""Reading owners' lists after an absence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.clearing.holds import HoldLimits
from ocpi_hub.delivery.custody import Intake, TakenIn
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp, Job
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId, PlatformId, Role
from ocpi_hub.errors import StoreError
from tests.support.factories import CPO, EMSP, cdr, make_directory, make_platform, text
from tests.support.scripted import MemoryCustody, ScriptedClient, answer
from tests.support.stores import cdr_key

FROM = datetime(2026, 10, 1, 8, tzinfo=UTC)
PLATFORM = make_platform((CPO, Role.CPO))
RECEIVER = make_platform((EMSP, Role.EMSP))
DIRECTORY = make_directory(PLATFORM, RECEIVER)


class OneJob:
    """A store with one catch-up."""

    def __init__(self, platform_id: PlatformId = PLATFORM.platform_id, attempts: int = 1) -> None:
        self._jobs = [Job(platform_id, "cdrs", FROM, FROM, attempts)]
        self.ended: list[Job] = []
        self.released: list[tuple[timedelta, str]] = []
        self.done = asyncio.Event()

    async def claim(self) -> Job | None:
        return self._jobs.pop() if self._jobs else None

    async def end(self, job: Job) -> None:
        self.ended.append(job)
        self.done.set()

    async def release(self, job: Job, pause: timedelta, error: str) -> None:
        self.released.append((pause, error))
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
        taken,
        client,
        lambda: DIRECTORY,
        timeout_s=5.0,
        max_depth=64,
        holds=HoldLimits(),
        found=lambda: None,
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


@pytest.mark.parametrize(
    "failure",
    [
        NoAnswer("silence"),
        answer(None),
        answer(2000, http=401),
        answer(3000),
        answer(data='{"a":1}'),
        page(cdr("A"), link="https://[x"),
    ],
)
async def test_a_list_that_cannot_be_read_is_tried_again_later(failure: Exchange) -> None:
    jobs, _, _ = await run(failure, store=OneJob(attempts=3))
    assert jobs.ended == []
    [(pause, error)] = jobs.released
    assert pause == timedelta(seconds=90)
    assert error


async def test_a_platform_that_is_gone_ends_its_catch_up() -> None:
    jobs, _, client = await run(answer(), store=OneJob(PlatformId("p-gone")))
    assert (len(jobs.ended), client.requests) == (1, [])
