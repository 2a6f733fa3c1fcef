"""Reading owners' lists after an absence."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery import inbound_catch_up as module
from ocpi_hub.delivery import owner_lists
from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.custody import Intake, TakenIn
from ocpi_hub.delivery.full_lists import Absent, FullLists
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp
from ocpi_hub.delivery.kinds import KINDS
from ocpi_hub.delivery.listed import ListedObjects
from ocpi_hub.delivery.listed_cdrs import ListedCdrs
from ocpi_hub.delivery.listed_shared import ListedShared
from ocpi_hub.delivery.shared import Change, Changed, Deletion
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer
from ocpi_hub.domain.objects import EVERYBODY, DirectedState, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, PlatformId, PlatformState, Role
from ocpi_hub.errors import Overloaded, StoreError, StoreUnavailable
from tests.support.examining import make_examiner
from tests.support.factories import CPO, EMSP, cdr, make_directory, make_platform, text, token
from tests.support.party import make_location
from tests.support.quality import make_quality
from tests.support.scripted import MemoryCustody, ScriptedClient, answer
from tests.support.stores import cdr_key

FROM = datetime(2026, 10, 1, 8, tzinfo=UTC)
SECOND, GUEST = PartyId("DE", "TWO"), PartyId("DE", "NSP")
PLATFORM = make_platform((CPO, Role.CPO))
RECEIVER = make_platform((EMSP, Role.EMSP), (SECOND, Role.OTHER), (GUEST, Role.NSP))
SUSPENDED, PLANNED = PartyId("BE", "SUS"), PartyId("BE", "PLA")
MUTE = make_platform((PartyId("BE", "MUT"), Role.CPO), endpoints={})
DIRECTORY = make_directory(
    PLATFORM,
    RECEIVER,
    MUTE,
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
        module: str = "cdrs",
        date_from: datetime | None = FROM,
    ) -> None:
        begun = progress or Progress()
        self._jobs = [Job(platform_id, module, date_from, uuid.uuid4(), attempts, begun)]
        self.progress = begun
        self.turns = 0
        self.lost = False
        self.known: list[ObjectKey] = []
        self.missing = Absent([], 0, FROM, repeated=False)
        self.compared: list[Sequence[PartyId]] = []
        self.again = 0
        self.ended: list[Job] = []
        self.complete: bool | None = None
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

    async def listed(self, keys: Sequence[ObjectKey]) -> None:
        self.known += keys

    async def absent(self, job: Job, owners: Sequence[PartyId]) -> Absent | None:
        self.compared.append(owners)
        return None if self.lost else self.missing

    async def read_again(self, job: Job) -> None:
        self.again += 1

    async def end(self, job: Job, *, complete: bool) -> None:
        self.ended.append(job)
        self.complete = complete
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


class Keeping:
    """A shared store that takes a batch at a time; what it answers about an id can be told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.deletions: list[Deletion] = []
        self.answers: dict[str, Changed | Exception] = {}
        self.most_at_once = 0
        self._waiting = 0

    async def delete(self, deletion: Deletion) -> Changed:
        self.deletions.append(deletion)
        told = self.answers.get(deletion.key.object_id)
        if isinstance(told, Exception):
            raise told
        return Changed.DELETED

    async def change_each(self, changes: Sequence[Change]) -> list[Changed | StoreError]:
        self._waiting += len(changes)
        self.most_at_once = max(self.most_at_once, self._waiting)
        await asyncio.sleep(0)
        self._waiting -= len(changes)
        results = [self.answers.get(each.key.object_id, Changed.CREATED) for each in changes]
        stored: list[Changed | StoreError] = []
        for change, told in zip(changes, results, strict=True):
            if isinstance(told, Changed):
                self.changes.append(change)
                stored.append(told)
            elif isinstance(told, StoreError) and not isinstance(told, StoreUnavailable):
                stored.append(told)
        for told in results:
            if isinstance(told, StoreUnavailable | Overloaded):
                raise told
        return stored


async def run(
    *pages: Exchange,
    store: OneJob | None = None,
    custody: MemoryCustody | None = None,
    shared: Keeping | None = None,
) -> tuple[OneJob, MemoryCustody, ScriptedClient]:
    """Work off the job, until it is ended or released."""
    jobs, taken, client = store or OneJob(), custody or MemoryCustody(), ScriptedClient()
    client.will(*pages)
    catch_up = reading(jobs, taken, client, shared or Keeping())
    stop = asyncio.Event()
    loop = asyncio.ensure_future(catch_up.run(stop))
    waiting = asyncio.ensure_future(jobs.done.wait())
    await asyncio.wait({loop, waiting}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    waiting.cancel()
    await loop
    return jobs, taken, client


def reading(
    jobs: OneJob, custody: MemoryCustody, client: ScriptedClient, shared: Keeping
) -> InboundCatchUp:
    quality = make_quality()
    objects: dict[str, ListedObjects] = {
        name: ListedShared(shared, kind, quality, max_depth=64, max_bytes=1_000)
        for name, kind in KINDS.items()
    }
    objects["cdrs"] = ListedCdrs(
        custody, max_depth=64, examiner=make_examiner(), found=lambda: None, quality=quality
    )
    return InboundCatchUp(
        jobs,
        objects,
        client,
        lambda: DIRECTORY,
        SystemClock(),
        FullLists(jobs, shared),
        timeout_s=5.0,
        poll_s=0.01,
    )


def page(*objects: dict[str, object], link: str = "") -> Answer:
    listed = f"[{','.join(map(text, objects))}]"
    return answer(data=listed, link=f'<{link}>; rel="next"') if link else answer(data=listed)


@pytest.mark.req("TF-37")
async def test_all_pages_from_the_last_contact_on_enter_custody() -> None:
    jobs, custody, client = await run(page(cdr("A"), cdr("B"), link="?offset=2"), page(cdr("C")))
    assert (len(jobs.ended), jobs.complete, jobs.released) == (1, True, [])
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
    assert pause == timedelta(seconds=8)
    assert error


@pytest.mark.parametrize(
    ("platform", "of"),
    [("p-unheard-of", "cdrs"), (MUTE.platform_id, "cdrs"), (PLATFORM.platform_id, "sessions")],
    ids=["unknown platform", "without endpoints", "without sessions"],
)
async def test_what_the_directory_does_not_show_yet_is_looked_at_again_soon(
    platform: str, of: str
) -> None:
    jobs, _, client = await run(answer(), store=OneJob(PlatformId(platform), module=of))
    assert (jobs.ended, client.requests) == ([], [])
    [(pause, _, restart)] = jobs.released
    assert (pause, restart) == (timedelta(seconds=1), False)


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
    assert (len(jobs.ended), jobs.complete, len(client.requests)) == (1, False, 3)


async def test_a_stop_does_not_wait_for_a_page() -> None:
    jobs, client = OneJob(), ScriptedClient()
    client.will(asyncio.Event(), answer())
    catch_up = reading(jobs, MemoryCustody(), client, Keeping())
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


# Shared objects ----------------------------------------------------------------------------------


def tokens_job(date_from: datetime | None = FROM) -> OneJob:
    return OneJob(RECEIVER.platform_id, module="tokens", date_from=date_from)


async def test_the_tokens_of_every_owner_are_written_like_a_broadcast() -> None:
    listed, shared = token("T1"), Keeping()
    jobs, _, client = await run(
        page(listed), page(token("T2", owner=SECOND)), store=tokens_job(), shared=shared
    )
    assert len(jobs.ended) == 1
    assert [request.headers["OCPI-to-party-id"] for request in client.requests] == ["MSP", "TWO"]
    first, second = shared.changes
    assert first.key == ObjectKey("tokens", EMSP, "T1", "RFID", EVERYBODY)
    assert (first.body, first.partial, first.origin) == (text(listed), False, Origin.PULL)
    assert second.key.owner == SECOND
    assert first.correlation_id != second.correlation_id


async def test_without_a_date_the_whole_list_is_asked_for() -> None:
    _, _, client = await run(page(), page(), store=tokens_job(None))
    assert client.requests[0].url == "https://partner.example/sender/tokens"


@pytest.mark.parametrize("of", ["locations", "tariffs"])
async def test_a_list_of_what_cpos_own_is_asked_of_its_cpos_only(of: str) -> None:
    jobs, _, client = await run(page(), store=OneJob(RECEIVER.platform_id, module=of))
    assert (len(jobs.ended), client.requests) == (1, [])
    _, _, client = await run(page(), store=OneJob(PLATFORM.platform_id, module=of))
    assert [request.headers["OCPI-to-party-id"] for request in client.requests] == ["CPO"]


@pytest.mark.req("TF-19")
async def test_shared_objects_that_cannot_be_kept_are_skipped() -> None:
    shared = Keeping()
    shared.answers = {
        "KNOWN": Changed.UNCHANGED,
        "OLDER": Changed.STALE,
        "LARGE": Changed.TOO_LARGE,
        "FAULT": StoreError("cannot be stored"),
    }
    stranger = token("S", owner=PartyId("FR", "OTH"))
    broken: dict[str, object] = {"uid": "no token"}
    names = [*shared.answers, "X" * 300, "GOOD"]
    jobs, _, _ = await run(
        page(broken, stranger, *map(token, names)), page(), store=tokens_job(), shared=shared
    )
    assert len(jobs.ended) == 1
    assert (jobs.progress.seen, jobs.progress.taken, jobs.progress.broken) == (8, 1, 5)


async def test_the_objects_of_a_page_share_commits_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    shared = Keeping()
    await run(page(*(token(f"T{n}") for n in range(25))), page(), store=tokens_job(), shared=shared)
    assert [change.key.object_id for change in shared.changes] == [f"T{n}" for n in range(25)]
    assert shared.most_at_once == 10


@pytest.mark.parametrize(
    ("name", "most"), [("MOST_OBJECTS", 2), ("MOST_VALUES", 20)], ids=["objects", "values"]
)
async def test_a_page_made_to_keep_its_reader_busy_is_not_read(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(owner_lists, name, most)
    shared = Keeping()
    listed = page(token("A"), token("B"), token("C"))
    jobs, _, _ = await run(listed, store=tokens_job(), shared=shared)
    assert shared.changes == []
    [(_, error, _)] = jobs.released
    assert str(most) in error


async def test_a_list_of_rubbish_does_not_fill_the_log() -> None:
    rubbish = answer(data=f"[{','.join(['{}'] * 2 * module.AT_ONCE)}]")
    with capture_logs() as logs:
        await run(rubbish, page(), store=tokens_job())
    lines = [line for line in logs if line["event"] == "listed_objects_skipped"]
    assert [line["objects"] for line in lines] == [module.AT_ONCE] * 2
    assert all(len(line["reasons"]) == 1 for line in lines)


async def test_others_have_their_turn_while_a_page_of_rubbish_is_read() -> None:
    turns = 0
    rubbish = answer(data=f"[{','.join(['{}'] * 20 * module.AT_ONCE)}]")

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.ensure_future(others())
    jobs, _, _ = await run(rubbish, page(), store=tokens_job())
    task.cancel()
    assert jobs.progress.broken == 20 * module.AT_ONCE
    assert turns > 20


@pytest.mark.parametrize("away", [StoreUnavailable("away"), Overloaded("full")])
async def test_a_page_that_could_not_be_kept_is_read_again(away: Exception) -> None:
    shared = Keeping()
    shared.answers = {"T2": away}
    jobs, client = tokens_job(), ScriptedClient()
    client.will(page(token("T1"), token("T2"), token("T3")))
    catch_up = reading(jobs, MemoryCustody(), client, shared)
    job = await jobs.claim()
    assert job is not None
    await catch_up._work(job, asyncio.Event())
    assert (jobs.ended, jobs.progress) == ([], Progress())
    assert [change.key.object_id for change in shared.changes] == ["T1", "T3"]


GONE = ObjectKey("locations", CPO, "GONE")


def of_locations(date_from: datetime | None = None) -> OneJob:
    jobs = OneJob(module="locations", date_from=date_from)
    jobs.missing = Absent([GONE], 1, FROM, repeated=False)
    return jobs


def site(name: str) -> dict[str, object]:
    return make_location(name, owner=str(CPO), evses=[])


@pytest.mark.req("LO-08")
async def test_a_full_list_is_compared_with_what_the_hub_holds() -> None:
    shared = Keeping()
    shared.answers = {site_key("A"): Changed.UNCHANGED}
    jobs, _, _ = await run(page(site("A"), site("B")), store=of_locations(), shared=shared)
    assert [key.object_id for key in jobs.known] == [site_key("A")]
    assert (jobs.compared, jobs.again) == ([[CPO]], 1)
    assert [each.key for each in shared.deletions] == [GONE]
    assert {(each.origin, each.untouched_since) for each in shared.deletions} == {
        (Origin.PULL, FROM)
    }


@pytest.mark.req("LO-08")
@pytest.mark.parametrize(
    ("objects", "date_from"),
    [([site("A")], FROM), ([site("A"), {"id": "B"}], None)],
    ids=["since a date", "with something broken"],
)
async def test_other_lists_take_nothing_away(
    objects: list[dict[str, object]], date_from: datetime | None
) -> None:
    shared = Keeping()
    jobs, _, _ = await run(page(*objects), store=of_locations(date_from), shared=shared)
    assert (len(jobs.ended), jobs.compared, shared.deletions) == (1, [], [])


async def test_what_cannot_be_withdrawn_now_is_tried_again() -> None:
    shared = Keeping()
    shared.answers = {GONE.object_id: Overloaded("busy")}
    jobs, _, _ = await run(page(site("A")), store=of_locations(), shared=shared)
    assert (len(jobs.ended), len(jobs.released), jobs.again) == (0, 1, 0)


def site_key(name: str) -> str:
    return ObjectKey("locations", CPO, name).object_id
