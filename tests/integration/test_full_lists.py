"""What an owner's full lists do not show any more, on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.full_lists import FullLists
from ocpi_hub.delivery.shared import Change, Changed, Deletion
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.database import Database
from ocpi_hub.store.liveness import PostgresCatchUpStore
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import CPO, EMSP
from tests.support.stores import UPDATED, execute, insert_platform, shared_store, value

ALL = PageRequest(None, None, 0, 100, None)
OTHER = PartyId("NL", "OTH")


@dataclass(frozen=True, slots=True)
class Scene:
    """A CPO's platform, whose full lists are read."""

    database: Database
    shared: PostgresSharedStore
    catch_up: PostgresCatchUpStore
    lists: FullLists
    module: str

    async def begin(self) -> Job:
        """A full reading begins; it is wanted already if another one has asked for it."""
        await execute(
            self.database,
            "insert into inbound_catch_up (platform_id, module, date_from) "
            "values ('p-1', $1, '-infinity') on conflict (platform_id, module) "
            "do update set next_attempt_at = now()",
            self.module,
        )
        job = await self.catch_up.claim()
        assert job is not None
        return job

    async def show(self, job: Job, *names: str) -> None:
        """The list of the CPO shows these, as they are known or new."""
        known = []
        for name in names:
            change = self.change(name, Origin.PULL)
            if await self.shared.change(change) is Changed.UNCHANGED:
                known.append(change.key)
        await self.lists.listed(job, known)

    async def end(self, job: Job, *, broken: int = 0, owners: Sequence[PartyId] = (CPO,)) -> bool:
        again = await self.lists.compare(job, owners, broken)
        await self.catch_up.end(job, complete=True)
        if again:
            await self.lists.read_again(job)
        return again

    async def read(self, *names: str, broken: int = 0) -> bool:
        """A whole reading; whether there is to be another one."""
        job = await self.begin()
        await self.show(job, *names)
        return await self.end(job, broken=broken)

    def change(
        self, name: str, origin: Origin, audience: str = EVERYBODY, owner: PartyId = CPO
    ) -> Change:
        key = ObjectKey(self.module, owner, name, audience=audience)
        return Change(key, f'{{"id":"{name}","evses":[]}}', False, UPDATED, origin, "c")

    async def shown(self) -> set[str]:
        """What an eMSP sees in the hub's list."""
        page = await self.shared.page(self.module, EMSP, [CPO, OTHER], ALL)
        return {text.split('"')[3] for text in page.texts}

    async def waiting(self) -> int:
        found: int = await value(self.database, "select count(*) from inbound_catch_up")
        return found


@pytest_asyncio.fixture(params=["locations", "tariffs"])
async def scene(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    await insert_platform(database, "p-1", parties=[CPO])
    catch_up = PostgresCatchUpStore(database, lease=timedelta(minutes=10))
    async with shared_store(database) as shared:
        yield Scene(database, shared, catch_up, FullLists(catch_up, shared), request.param)


@pytest.mark.req("LO-08")
async def test_what_two_full_lists_lack_goes_and_comes_back_by_a_list(scene: Scene) -> None:
    assert not await scene.read("A", "B", "C")
    await execute(scene.database, "update owner_knowledge set pulled_at = '2026-01-01'")
    assert await scene.read("A", "C")
    assert (await scene.shown(), await scene.waiting()) == ({"A", "B", "C"}, 1)
    assert not await scene.read("A", "C")
    assert (await scene.shown(), await scene.waiting()) == ({"A", "C"}, 0)
    await scene.read("A", "B", "C")
    assert await scene.shown() == {"A", "B", "C"}


async def test_what_slips_through_one_list_stays(scene: Scene) -> None:
    for names in ("AB", "A", "AB", "A"):
        await scene.read(*names)
    assert await scene.shown() == {"A", "B"}


async def test_a_list_that_lacks_now_this_and_now_that_is_not_read_over_and_over(
    scene: Scene,
) -> None:
    await scene.read("A", "B")
    assert [await scene.read("A"), await scene.read("B"), await scene.read("A")] == [False] * 3


@pytest.mark.parametrize("origin", [Origin.BROADCAST, Origin.DIRECT])
async def test_what_was_pushed_does_not_go_by_lists(scene: Scene, origin: Origin) -> None:
    audience = EVERYBODY if origin is Origin.BROADCAST else str(EMSP)
    await scene.read("A", "B")
    pushed = scene.change("B", origin, audience)
    await scene.shared.change(Change(pushed.key, '{"id":"B"}', False, UPDATED, origin, "c"))
    for _ in range(3):
        await scene.read("A")
    assert await scene.shown() == {"A", "B"}


async def test_a_push_between_the_comparison_and_the_deletion_saves_an_object(
    scene: Scene,
) -> None:
    await scene.read("A", "B")
    await scene.read("A")
    job = await scene.begin()
    await scene.show(job, "A")
    absent = await scene.catch_up.absent(job, [CPO])
    assert absent is not None
    assert [key.object_id for key in absent.gone] == [scene.change("B", Origin.PULL).key.object_id]
    newer = '{"id":"B","evses":[],"x":1}'
    push = scene.change("B", Origin.BROADCAST)
    await scene.shared.change(Change(push.key, newer, False, UPDATED, push.origin, "c"))
    await scene.end(job)
    assert await scene.shown() == {"A", "B"}


async def test_a_list_with_something_broken_takes_nothing_away(scene: Scene) -> None:
    for names, broken in (("AB", 0), ("A", 1), ("A", 1)):
        await scene.read(*names, broken=broken)
    assert await scene.shown() == {"A", "B"}


async def test_owners_whose_list_was_not_read_keep_what_they_have(scene: Scene) -> None:
    await scene.shared.change(scene.change("O", Origin.PULL, owner=OTHER))
    for _ in range(3):
        await scene.read("A")
    assert await scene.shown() == {"A", "O"}


async def test_a_reading_that_compares_twice_counts_once(scene: Scene) -> None:
    await scene.read("A", "B")
    job = await scene.begin()
    await scene.show(job, "A")
    for _ in range(2):
        await scene.lists.compare(job, [CPO], 0)
    assert await scene.shown() == {"A", "B"}
    await scene.end(job)
    job = await scene.begin()
    await scene.show(job, "A")
    for _ in range(2):
        found = await scene.catch_up.absent(job, [CPO])
        assert found is not None
        assert len(found.gone) == 1, "what goes is known until it is gone"
    await scene.end(job)
    assert await scene.shown() == {"A"}


async def test_a_reading_that_lost_its_lease_takes_nothing_away(scene: Scene) -> None:
    await scene.read("A", "B")
    job = await scene.begin()
    await execute(scene.database, "update inbound_catch_up set lease_id = gen_random_uuid()")
    assert await scene.catch_up.absent(job, [CPO]) is None


async def test_pages_that_an_older_process_read_do_not_count(scene: Scene) -> None:
    """It did not note what they show; a rolling upgrade takes nothing away."""
    await scene.read("A")
    for _ in range(2):
        job = await scene.begin()
        await execute(scene.database, "update inbound_catch_up set pages = pages + 1")
        assert await scene.catch_up.keep(job, Progress(CPO, "https://cpo.example/?page=3", 2))
        assert not await scene.end(job)
    assert await scene.shown() == {"A"}
    for _ in range(2):
        job = await scene.begin()
        assert await scene.catch_up.keep(job, Progress(CPO, "https://cpo.example/?page=2", 1))
        await scene.end(job)
    assert await scene.shown() == set(), "these are known to lack it"


async def test_a_list_of_less_than_was_asked_for_meanwhile_takes_nothing_away(scene: Scene) -> None:
    await scene.read("A")
    for _ in range(2):
        job = await scene.begin()
        await execute(
            scene.database, "update inbound_catch_up set requested_at = clock_timestamp()"
        )
        assert not await scene.end(job)
    assert await scene.shown() == {"A"}


async def test_what_is_addressed_to_somebody_after_the_comparison_stays(scene: Scene) -> None:
    await scene.read("A")
    job = await scene.begin()
    await scene.end(job)
    job = await scene.begin()
    absent = await scene.catch_up.absent(job, [CPO])
    assert absent is not None
    [key] = absent.gone
    await scene.shared.change(scene.change("A", Origin.DIRECT, audience=str(EMSP)))
    gone = Deletion(key, Origin.PULL, "c", untouched_since=absent.since)
    assert await scene.shared.delete(gone) is Changed.DELETED
    assert await scene.shown() == {"A"}
