"""Contacts, absences and catch-ups on PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.verdict import Failed
from ocpi_hub.directory.protocols import ProcessRow
from ocpi_hub.domain.objects import LastAnswer
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.liveness import (
    PostgresCatchUpStore,
    PostgresLivenessStore,
    forget_withdrawn_lists,
    request_first_lists,
)
from ocpi_hub.store.platform_admin import PlatformAdmin
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import (
    custody_store,
    ended,
    execute,
    insert_platform,
    make_intake,
    taken,
    value,
)

HERE = PlatformId("p-here")
THERE = PlatformId("p-there")
OVERLAP = timedelta(minutes=5)
FAR = Progress(CPO, "https://partner.example/cdrs?offset=9", pages=9, seen=90, taken=8, broken=1)


def liveness_on(database: Database) -> PostgresLivenessStore:
    return PostgresLivenessStore(database, check_every=timedelta(minutes=1), overlap=OVERLAP)


@pytest.fixture
def store(database: Database) -> PostgresLivenessStore:
    return liveness_on(database)


@pytest.fixture
async def second(address: DatabaseAddress) -> AsyncIterator[PostgresLivenessStore]:
    """The store of another process."""
    pool = await Database.open(address, make_settings(), application_name="second")
    yield liveness_on(pool)
    await pool.close()


@pytest.fixture
def catch_up(database: Database) -> PostgresCatchUpStore:
    return PostgresCatchUpStore(database, lease=timedelta(minutes=10))


async def last_contact(database: Database, platform: PlatformId = HERE) -> datetime:
    found: datetime = await value(
        database, "select last_contact_at from platform_contact where platform_id = $1", platform
    )
    return found


async def online(database: Database) -> bool:
    return bool(await value(database, "select online from platform where platform_id = $1", HERE))


# Contacts ----------------------------------------------------------------------------------------


async def test_a_contact_never_moves_back_and_clears_failed_checks(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    before = await last_contact(database)
    await store.note_failed_check(HERE, offline_after=5)
    await store.note_contacts({HERE: 10.0, PlatformId("p-gone"): 0.0})
    noted = await last_contact(database)
    assert noted > before
    await store.note_contacts({HERE: 500.0})
    assert await last_contact(database) == noted
    assert await value(database, "select failed_checks from platform_contact") == 0


async def test_a_first_contact_is_noted(store: PostgresLivenessStore, database: Database) -> None:
    await insert_platform(database, HERE, contact_ago=None)
    await store.note_contacts({HERE: 1.0})
    assert await last_contact(database) < datetime.now(UTC)


async def test_contacts_of_many_platforms_from_two_processes_do_not_block_each_other(
    store: PostgresLivenessStore, second: PostgresLivenessStore, database: Database
) -> None:
    platforms = [PlatformId(f"p-{n}") for n in range(60)]
    for platform in platforms:
        await insert_platform(database, platform, contact_ago=None)
    seen = dict.fromkeys(platforms, 1.0)
    backwards = dict(reversed(seen.items()))
    for _ in range(20):
        await asyncio.gather(
            store.note_contacts(seen), second.note_contacts(backwards), store.claim_silent(0.0)
        )


@pytest.mark.req("HC-13")
async def test_a_silent_platform_is_given_to_one_process_once_per_interval(
    store: PostgresLivenessStore, second: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE, contact_ago=None)
    await insert_platform(database, THERE, contact_ago=timedelta(seconds=5))
    claims = await asyncio.gather(
        *[each.claim_silent(300.0) for _ in range(4) for each in (store, second)]
    )
    assert [who for claimed in claims for who in claimed] == [HERE]
    assert await store.claim_silent(300.0) == []
    await execute(database, "update platform_contact set checked_at = now() - interval '2 min'")
    assert await second.claim_silent(300.0) == [HERE]


async def test_platforms_that_are_not_connected_are_not_checked(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await execute(database, "update platform set state = 'suspended', resume_state = 'connected'")
    assert await store.claim_silent(300.0) == []


# OFFLINE and back --------------------------------------------------------------------------------


@pytest.mark.req("HC-14")
async def test_a_platform_is_offline_after_so_many_failed_checks_and_told_once(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    told = [await store.note_failed_check(HERE, offline_after=3) for _ in range(4)]
    assert told == [False, False, True, False]
    assert await online(database) is False


async def test_return_is_noticed_once_and_catches_up_from_the_last_contact(
    store: PostgresLivenessStore,
    second: PostgresLivenessStore,
    catch_up: PostgresCatchUpStore,
    database: Database,
) -> None:
    await insert_platform(database, HERE, modules=("cdrs", "commands"), online=False)
    before = await last_contact(database)
    # A process that has not heard of the absence yet must not move the beginning of the catch-up.
    await second.note_contacts({HERE: 0.0})
    marked = await asyncio.gather(*[each.mark_online(HERE) for each in (store, second) * 2])
    assert sorted(marked) == [False, False, False, True]
    assert await online(database) is True
    job = await catch_up.claim()
    assert job is not None
    assert (job.platform_id, job.module, job.attempts) == (HERE, "cdrs", 1)
    assert job.progress == Progress()
    assert job.date_from == before - OVERLAP
    assert await catch_up.claim() is None
    await store.note_contacts({HERE: 0.0})
    assert await last_contact(database) > before


@pytest.mark.req("TF-37")
async def test_return_makes_waiting_objects_due_and_ends_the_backoff(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE, parties=[EMSP], online=False)
    async with custody_store(database) as custody:
        busy = LastAnswer(503, None, None)
        attempt = await taken(custody, make_intake("LATER"))
        await custody.record(ended(attempt, Failed(busy, 3000.0)))
        await custody.take_in(make_intake("PULL", start=Start.PULL))
        assert await custody.due_receivers([EMSP]) == []
        assert await store.mark_online(HERE) is True
        assert await custody.due_receivers([EMSP]) == [EMSP]
        assert [a.key.object_id for a in await custody.claim(EMSP, 10)] == ["LATER"]


async def test_return_while_verdicts_are_written_never_deadlocks(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE, parties=[EMSP, CPO])
    async with custody_store(database) as custody:

        async def fail(number: int) -> None:
            receiver = (EMSP, CPO)[number % 2]
            attempt = await taken(custody, make_intake(f"C{number}", receiver=receiver))
            await custody.record(ended(attempt, Failed(LastAnswer(500, None, None), 99.0)))

        for step in range(15):
            await execute(database, "update platform set online = false")
            numbers = range(step * 20, step * 20 + 20)
            await asyncio.gather(*map(fail, numbers), *[store.mark_online(HERE) for _ in range(3)])
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert await value(database, deadlocks) == 0


# Catch-ups ---------------------------------------------------------------------------------------


async def _requested(store: PostgresLivenessStore, database: Database) -> None:
    await execute(database, "update platform set online = false where platform_id = $1", HERE)
    assert await store.mark_online(HERE) is True


async def _claimed(catch_up: PostgresCatchUpStore) -> Job:
    job = await catch_up.claim()
    assert job is not None
    return job


async def test_downtime_asks_everybody_from_the_last_contact_on(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await insert_platform(database, THERE, contact_ago=None)
    await store.request_catch_up()
    assert await value(database, "select count(*) from inbound_catch_up") == 2


async def test_of_processes_that_start_at_once_the_first_one_finds_nobody(
    store: PostgresLivenessStore, database: Database
) -> None:
    alive = timedelta(seconds=10)
    gone, first, second = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    for number, process in enumerate((gone, first, second)):
        await execute(
            database, "insert into process (process_id, host, pid) values ($1, 'h', $2)",
            process, number,
        )  # fmt: skip
    await execute(
        database, "update process set heartbeat_at = now() - interval '1 min' where pid = 0"
    )
    assert await store.earlier_processes(first, alive) == []
    assert await store.earlier_processes(second, alive) == [ProcessRow(first, "h", 1)]


async def test_lanes_of_a_process_that_runs_no_more_are_free(
    store: PostgresLivenessStore, database: Database
) -> None:
    gone, running = uuid.uuid4(), uuid.uuid4()
    for number, process in enumerate((gone, running)):
        await execute(
            database,
            "insert into lane (country_code, party_id, module, process_id, lease_until)"
            " values ('NL', $2, 'tokens', $1, now() + interval '1 hour')",
            process,
            f"CP{number}",
        )
    await store.free_lanes([ProcessRow(gone, "h", 1)])
    free = "select lease_until < now() from lane where party_id = $1"
    assert await value(database, free, "CP0")
    assert not await value(database, free, "CP1")


async def test_an_outage_asks_everybody_from_its_beginning_on(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await insert_platform(database, THERE, online=False)
    await store.note_contacts({HERE: 0.0})
    await store.request_catch_up_since(60.0)
    job = await _claimed(catch_up)
    assert job.platform_id == HERE
    ago = await value(database, "select now() - $1::timestamptz", job.date_from)
    assert timedelta(seconds=60) < ago - OVERLAP < timedelta(seconds=90)
    await store.request_catch_up_since(10.0)
    await catch_up.end(job, complete=True)
    assert (await _claimed(catch_up)).date_from == job.date_from


async def test_a_catch_up_that_ended_is_gone(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    await catch_up.end(await _claimed(catch_up), complete=True)
    assert await value(database, "select count(*) from inbound_catch_up") == 0


async def test_a_failed_catch_up_waits_and_begins_where_it_did(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    job = await _claimed(catch_up)
    await catch_up.release(job, timedelta(minutes=1), "HTTP 500", restart=False)
    assert await catch_up.claim() is None
    assert await value(database, "select last_error from inbound_catch_up") == "HTTP 500"
    await execute(database, "update inbound_catch_up set next_attempt_at = now()")
    again = await _claimed(catch_up)
    assert (again.date_from, again.attempts) == (job.date_from, 2)


async def test_a_request_that_comes_while_one_runs_is_worked_off_next(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    job = await _claimed(catch_up)
    await store.note_contacts({HERE: 0.0})
    await _requested(store, database)
    assert await catch_up.claim() is None
    await catch_up.keep(job, FAR)
    await catch_up.end(job, complete=True)
    again = await _claimed(catch_up)
    assert (again.date_from, again.progress) == (job.date_from, Progress())


async def test_a_request_that_comes_while_one_fails_does_not_wait_for_its_pause(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    job = await _claimed(catch_up)
    await _requested(store, database)
    await catch_up.release(job, timedelta(hours=1), "HTTP 500", restart=False)
    await _claimed(catch_up)


async def test_a_catch_up_whose_process_fell_silent_is_begun_again(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    await _claimed(catch_up)
    assert await catch_up.claim() is None
    await execute(database, "update inbound_catch_up set lease_until = now() - interval '1 s'")
    assert (await _claimed(catch_up)).attempts == 2


async def test_a_turn_goes_on_where_the_last_one_ended_and_behind_who_waits(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await insert_platform(database, THERE)
    for platform in (HERE, THERE):
        await execute(database, "update platform set online = false")
        assert await store.mark_online(platform) is True
    await execute(database, "update platform set online = true")
    for expected in (HERE, THERE, HERE, THERE):
        job = await _claimed(catch_up)
        assert (job.platform_id, job.attempts) == (expected, 1)
        assert await catch_up.keep(job, FAR) is True
        await catch_up.requeue(job)
    assert (await _claimed(catch_up)).progress == FAR


@pytest.mark.parametrize("restart", [False, True])
async def test_a_failure_keeps_what_was_read_unless_it_is_of_no_use(
    store: PostgresLivenessStore,
    catch_up: PostgresCatchUpStore,
    database: Database,
    restart: bool,
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    job = await _claimed(catch_up)
    await catch_up.keep(job, FAR)
    await catch_up.release(job, timedelta(), "HTTP 500", restart=restart)
    assert (await _claimed(catch_up)).progress == (Progress() if restart else FAR)


async def test_who_lost_the_lease_changes_nothing(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    late = await _claimed(catch_up)
    await execute(database, "update inbound_catch_up set lease_until = now() - interval '1 s'")
    job = await _claimed(catch_up)
    assert await catch_up.keep(late, FAR) is False
    await catch_up.requeue(late)
    await catch_up.end(late, complete=True)
    await catch_up.release(late, timedelta(), "late", restart=True)
    assert await catch_up.claim() is None
    assert await catch_up.keep(job, FAR) is True


async def test_progress_renews_the_lease(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    job = await _claimed(catch_up)
    await execute(database, "update inbound_catch_up set lease_until = now() - interval '1 s'")
    assert await catch_up.keep(job, FAR) is True
    assert await catch_up.claim() is None


async def test_a_platform_that_is_offline_is_not_asked(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE)
    await _requested(store, database)
    await execute(database, "update platform set online = false")
    assert await catch_up.claim() is None


# What is known of owners' lists -----------------------------------------------------------------

SHARED = ("tokens", "locations", "tariffs")


async def _all_claimed(catch_up: PostgresCatchUpStore) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    while (job := await catch_up.claim()) is not None:
        jobs[job.module] = job
    return jobs


async def _knows(database: Database, module: str) -> None:
    await execute(
        database, "insert into owner_knowledge (platform_id, module) values ($1, $2)", HERE, module
    )


async def test_downtime_asks_for_every_module_and_from_the_beginning_where_nothing_is_known(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=(*SHARED, "cdrs", "commands"))
    await _knows(database, "locations")
    await store.request_catch_up()
    jobs = await _all_claimed(catch_up)
    since = await last_contact(database) - OVERLAP
    assert {name: job.date_from for name, job in jobs.items()} == {
        "tokens": None,
        "tariffs": None,
        "locations": since,
        "cdrs": since,
    }
    assert next(iter(jobs)) == "tokens", "what may be revoked comes first"


async def test_a_platform_that_is_to_catch_up_nothing_is_never_read_in_full(
    store: PostgresLivenessStore, catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=(*SHARED, "cdrs"))
    await _knows(database, "locations")
    await execute(database, "update platform set catch_up = 'none'")
    await _first_lists(database)
    assert await catch_up.claim() is None
    await store.request_catch_up()
    assert set(await _all_claimed(catch_up)) == {"locations", "cdrs"}


async def _first_lists(database: Database) -> None:
    async with database.transaction() as connection:
        await request_first_lists(connection, HERE)
    await execute(database, "update inbound_catch_up set next_attempt_at = now()")


async def test_a_new_platform_is_read_in_full_once(
    catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=(*SHARED, "cdrs"))
    await _first_lists(database)
    jobs = await _all_claimed(catch_up)
    assert {name: job.date_from for name, job in jobs.items()} == dict.fromkeys(SHARED)
    for job in jobs.values():
        await catch_up.end(job, complete=True)
    await _first_lists(database)
    assert await catch_up.claim() is None


async def test_a_platform_that_is_to_catch_up_after_all_is_read_in_full(
    catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=("tokens", "cdrs"))
    admin = PlatformAdmin(database, overlap=OVERLAP)
    await admin.configure(HERE, catch_up="none")
    assert await value(database, "select count(*) from inbound_catch_up") == 0
    await admin.configure(HERE, catch_up="pull")
    await execute(database, "update inbound_catch_up set next_attempt_at = now()")
    assert set(await _all_claimed(catch_up)) == {"tokens"}


async def test_what_was_not_read_to_its_end_is_not_known(
    catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=SHARED)
    await _first_lists(database)
    for job in (await _all_claimed(catch_up)).values():
        await catch_up.end(job, complete=False)
    assert await value(database, "select count(*) from owner_knowledge") == 0
    assert await value(database, "select count(*) from inbound_catch_up") == 0


async def test_what_was_read_is_known_as_of_the_beginning_of_the_reading(
    catch_up: PostgresCatchUpStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=("tokens",))
    await _first_lists(database)
    job = await _claimed(catch_up)
    began = await value(database, "select began_at from inbound_catch_up")
    await catch_up.requeue(job)
    await catch_up.end(await _claimed(catch_up), complete=True)
    assert await value(database, "select pulled_at from owner_knowledge") == began


async def test_interfaces_that_are_not_announced_any_more_are_not_waited_for(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=("tokens", "tariffs"))
    await store.request_catch_up()
    await execute(database, "delete from endpoint where module = 'tokens'")
    async with database.transaction() as connection:
        await forget_withdrawn_lists(connection, HERE)
    assert await value(database, "select array_agg(module) from inbound_catch_up") == ["tariffs"]


async def test_what_is_known_is_as_old_as_the_contact_before_the_first_of_two_absences(
    store: PostgresLivenessStore, database: Database
) -> None:
    await insert_platform(database, HERE, modules=("tokens",))
    before = await last_contact(database)
    await store.request_catch_up()
    await store.note_contacts({HERE: 0.0})
    await store.request_catch_up()
    await store.request_catch_up_since(1.0)
    assert await value(database, "select known_at from inbound_catch_up") == before
