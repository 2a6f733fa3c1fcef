"""Runs that start by themselves, and what is said when knowledge becomes too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.whitelist_lists import Withdrawing
from ocpi_hub.delivery.whitelist_runs import Extent, Run, RunState, Schedule
from ocpi_hub.delivery.whitelist_scheduler import Periods, WhitelistScheduler
from ocpi_hub.delivery.whitelist_staleness import Freshness, Judged
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Platform, PlatformId, PlatformState, Role
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.database import Database
from ocpi_hub.store.whitelist_alarms import PostgresWhitelistAlarms
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.stores import execute, value
from tests.support.whitelist import PLATFORM, Exchanging, directory, exchanging

PERIODS = Periods(splay=timedelta(), full_every=timedelta(days=7), overlap=timedelta(minutes=5))
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[Exchanging]:
    async with exchanging(database) as running:
        yield running


async def sweep(hub: Exchanging, known: Directory | None = None, *, processes: int = 1) -> None:
    """Processes look for what is due, at the same time."""
    seen = known or directory()
    schedulers = [
        WhitelistScheduler(
            hub.admin, Withdrawing(hub.store(), hub.shared), lambda: seen, PERIODS, poll_s=1.0
        )
        for _ in range(processes)
    ]
    await asyncio.gather(*(each.sweep(asyncio.Event()) for each in schedulers))


async def due(hub: Exchanging, pull: str = "* * * * *") -> None:
    await hub.admin.set_schedule(Schedule(PLATFORM, pull, PAST))


async def runs(hub: Exchanging) -> Sequence[Run]:
    return await hub.admin.list(PLATFORM, 10)


async def test_what_is_due_starts_once_whoever_looks(hub: Exchanging) -> None:
    await due(hub)
    await sweep(hub, processes=4)
    (run,) = await runs(hub)
    assert (run.state, run.extent) == (RunState.RUNNING, Extent.FULL)
    (schedule,) = await hub.admin.schedules()
    now = await value(hub.database, "select now()")
    assert now < schedule.next_at <= now + timedelta(minutes=1)


async def test_a_run_follows_the_last_one_with_some_overlap(hub: Exchanging) -> None:
    hub.lister.has("A", "B")
    await hub.read()
    await due(hub)
    await sweep(hub)
    run = (await runs(hub))[0]
    began = await value(hub.database, "select min(began_at) from whitelist_run")
    assert (run.extent, run.date_from) == (Extent.PARTIAL, began - timedelta(minutes=5))
    assert (await hub.work(run.run_id)).state is RunState.DONE


async def test_a_full_list_is_read_when_the_next_run_would_be_too_late(hub: Exchanging) -> None:
    await hub.read()
    await execute(hub.database, "update whitelist_run set began_at = now() - interval '6 days 1 h'")
    await due(hub, "0 0 * * *")
    await execute(hub.database, "update whitelist_schedule set pull = '0 0 1 * *'")
    await sweep(hub)
    assert (await runs(hub))[0].extent is Extent.FULL


async def test_a_run_that_is_not_over_is_not_started_again(hub: Exchanging) -> None:
    run_id = await hub.start()
    await due(hub)
    await sweep(hub)
    assert [run.run_id for run in await runs(hub)] == [run_id]
    (schedule,) = await hub.admin.schedules()
    assert schedule.next_at > PAST


@pytest.mark.parametrize(
    "platform",
    [
        make_platform((EMSP, Role.EMSP), state=PlatformState.SUSPENDED),
        make_platform((EMSP, Role.EMSP), endpoints={}),
        None,
    ],
    ids=["suspended", "without a list", "unknown"],
)
async def test_nothing_is_started_where_nothing_can_be_read(
    hub: Exchanging, platform: Platform | None
) -> None:
    await due(hub)
    known = make_directory()
    if platform is not None:
        known = make_directory(replace(platform, platform_id=PLATFORM))
    await sweep(hub, known)
    assert await runs(hub) == []


async def test_a_schedule_that_cannot_be_read_stops_nobody(hub: Exchanging) -> None:
    await due(hub, "nonsense")
    await sweep(hub)
    assert await runs(hub) == []
    (schedule,) = await hub.admin.schedules()
    assert schedule.next_at > PAST


async def test_a_schedule_needs_a_platform(hub: Exchanging) -> None:
    with pytest.raises(NoSuchObject):
        await hub.admin.set_schedule(Schedule(PlatformId("p-0"), "* * * * *", PAST))
    await due(hub)
    await hub.admin.drop_schedule(PLATFORM)
    assert await hub.admin.schedules() == []


# Alarms -------------------------------------------------------------------------------------------


def judged(freshness: Freshness, cpo: str = str(CPO)) -> Judged:
    return Judged(cpo, EMSP, freshness, 1.0, 2.0)


async def test_a_change_is_said_by_one_process_alone(database: Database) -> None:
    alarms = PostgresWhitelistAlarms(database)
    pair = (str(CPO), str(EMSP))
    assert await alarms.note([judged(Freshness.FRESH)]) == [], "that is how it should be"
    for state in (Freshness.NEAR, Freshness.STALE, Freshness.FRESH):
        said = await asyncio.gather(*(alarms.note([judged(state)]) for _ in range(3)))
        assert sorted(map(list, said)) == [[], [], [pair]]
    assert await alarms.note([judged(Freshness.UNKNOWN, "*")]) == [("*", str(EMSP))]
    assert await value(database, "select count(*) from whitelist_alarm") == 1


async def test_what_is_known_is_as_old_as_the_last_run_or_contact(hub: Exchanging) -> None:
    alarms = PostgresWhitelistAlarms(hub.database)
    assert await alarms.ages_s() == {EMSP: None}
    await hub.read()
    await execute(hub.database, "update owner_knowledge set pulled_at = now() - interval '3 hours'")
    assert 10_700 < ((await alarms.ages_s())[EMSP] or 0) < 11_000
    await hub.push("A")
    await execute(
        hub.database,
        "insert into platform_contact (platform_id, last_contact_at)"
        " values ('p-1', now() - interval '1 hour') on conflict (platform_id)"
        " do update set last_contact_at = excluded.last_contact_at",
    )
    assert 3_500 < ((await alarms.ages_s())[EMSP] or 0) < 3_700
