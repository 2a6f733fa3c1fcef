"""CDRs that go to their eMSP together at the end of a period."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.custody import Intake, Start
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused
from ocpi_hub.domain.objects import DirectedObject, DirectedState
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.cdr_batches import CdrBatches
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.liveness import PostgresLivenessStore
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import (
    NO,
    NOTHING,
    OK,
    cdr_key,
    custody_store,
    ended,
    execute,
    make_intake,
    state_of,
)

Run = Callable[..., Awaitable[Any]]

SET = ("relation", "set", str(CPO), str(EMSP), "--mode", "whitelist")
MONTHLY = "0 0 1 * *"


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest_asyncio.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    """The hub's commands; the eMSP takes pushes of CDRs."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(
        database,
        "p-msp",
        roles=(("EMSP", str(EMSP)),),
        endpoints=(("cdrs", "RECEIVER", "https://partner.example/cdrs"),),
    )

    async def command(*arguments: str) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        settings = make_settings(
            database_url=address.as_dsn(), secret_key=base64.b64encode(KEY).decode()
        )
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


def waiting(cdr_id: str, *, due: timedelta = timedelta(days=10), **fields: Any) -> Intake:
    """A CDR that came within a period."""
    at = (datetime.now(UTC) + due).replace(microsecond=0)
    body = json.dumps({"id": cdr_id})
    return make_intake(cdr_id, **{"body": body, "start": Start.WAIT, "batch_due_at": at, **fields})


async def row_of(store: PostgresCustodyStore, cdr_id: str = "CDR-1") -> DirectedObject:
    row = await store.find(cdr_key(cdr_id))
    assert row is not None
    return row


async def end_period(database: Database) -> None:
    await execute(
        database,
        "update directed_object set batch_due_at = now() - interval '1 s',"
        " next_attempt_at = now() - interval '1 s' where batch_due_at is not null",
    )


async def test_a_cdr_waits_for_the_end_of_its_period(
    store: PostgresCustodyStore, database: Database
) -> None:
    intake = waiting("CDR-1")
    assert (await store.take_in(intake)).attempt is None
    row = await row_of(store)
    assert (row.state, row.next_attempt_at) == (DirectedState.PENDING, intake.batch_due_at)
    assert await store.due_receivers([EMSP]) == []
    assert await store.claim(EMSP, 10) == []
    await end_period(database)
    assert await store.due_receivers([EMSP]) == [EMSP]
    assert len(await store.claim(EMSP, 10)) == 1


async def test_a_receiver_that_returns_gets_nothing_early(
    store: PostgresCustodyStore, database: Database, run: Run
) -> None:
    await store.take_in(waiting("CDR-1"))
    now = await store.take_in(make_intake("CDR-2"))
    assert now.attempt is not None
    attempt = now.attempt
    for _ in range(3):
        await store.record(ended(attempt, Failed(NOTHING)))
        await execute(
            database,
            "update receiver_backoff set next_attempt_at = now() - interval '1 s',"
            " probe_until = null",
        )
        (attempt,) = await store.claim(EMSP, 5)
    await store.record(ended(attempt, Delivered(OK)))
    liveness = PostgresLivenessStore(
        database, check_every=timedelta(minutes=1), overlap=timedelta(minutes=1)
    )
    await execute(database, "update platform set online = false where platform_id = 'p-msp'")
    assert await liveness.mark_online(PlatformId("p-msp"))
    row = await row_of(store)
    assert row.next_attempt_at == row.batch_due_at
    assert await store.due_receivers([EMSP]) == []


async def test_a_cdr_that_had_to_be_pulled_still_waits_when_it_can_be_pushed(
    store: PostgresCustodyStore,
) -> None:
    await store.take_in(waiting("CDR-1", start=Start.PULL))
    assert await store.make_announced_due([("cdrs", EMSP)]) == 1
    row = await row_of(store)
    assert row.next_attempt_at == row.batch_due_at


async def test_a_refused_cdr_goes_again_with_the_next_batch(store: PostgresCustodyStore) -> None:
    first = make_intake("CDR-1")
    taken = await store.take_in(first)
    assert taken.attempt is not None
    await store.record(ended(taken.attempt, Refused(NO)))
    again = waiting("CDR-1", body=first.body)
    assert (await store.take_in(again)).attempt is None
    assert (await row_of(store)).next_attempt_at == again.batch_due_at


async def test_a_released_cdr_goes_with_its_batch_and_a_redriven_one_at_once(
    store: PostgresCustodyStore, run: Run
) -> None:
    await store.take_in(waiting("CDR-1", start=Start.HOLD, reason="too much"))
    await run("cdr", "release", str(CPO), "CDR-1", "--reason", "a truck")
    row = await row_of(store)
    assert (row.state, row.next_attempt_at) == (DirectedState.PENDING, row.batch_due_at)
    await run("cdr", "redrive", str(CPO), "CDR-1")
    assert await store.due_receivers([EMSP]) == [EMSP]
    assert await run("cdr", "runs") == []


async def test_the_list_says_why_a_cdr_waits(store: PostgresCustodyStore, run: Run) -> None:
    await store.take_in(waiting("CDR-1"))
    (item,) = await run("cdr", "list")
    assert item["reason"] == f"goes with the others of its period at {item['next_attempt_at']}"


async def test_switching_back_makes_what_waits_due_now(
    store: PostgresCustodyStore, run: Run
) -> None:
    relation = await run(*SET, "--cdrs", "batch", "--cdr-schedule", MONTHLY)
    assert (relation["cdrs"], relation["cdr_schedule"]) == ("batch", MONTHLY)
    await store.take_in(waiting("CDR-1"))
    await store.take_in(waiting("CDR-2", start=Start.PULL))
    await store.take_in(waiting("CDR-3", start=Start.HOLD, reason="too much"))
    await run(*SET, "--cdrs", "immediate")
    assert await store.due_receivers([EMSP]) == [EMSP]
    assert [attempt.key.object_id for attempt in await store.claim(EMSP, 10)] == ["CDR-1"]
    assert (await row_of(store, "CDR-2")).next_attempt_at is None
    assert await state_of(store, "CDR-3") is DirectedState.HELD


async def test_another_schedule_moves_what_waits(store: PostgresCustodyStore, run: Run) -> None:
    await run(*SET, "--cdrs", "batch", "--cdr-schedule", MONTHLY)
    await store.take_in(waiting("CDR-1", due=timedelta(days=300)))
    await run(*SET, "--cdr-schedule", "0 0 * * *")
    due_at = (await row_of(store)).next_attempt_at
    assert due_at is not None
    assert (due_at.hour, due_at.minute) == (0, 0)
    assert due_at - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize(
    "options",
    [
        ("--cdrs", "batch"),
        ("--cdrs", "batch", "--cdr-schedule", "every month"),
        ("--cdrs", "batch", "--cdr-schedule", "0 0 31 2 *"),
    ],
)
async def test_batches_need_a_schedule(run: Run, options: tuple[str, ...]) -> None:
    with pytest.raises(OperatorError, match=r"schedule|cron"):
        await run(*SET, *options)
    assert await run("relation", "list") == []


async def test_a_run_counts_what_became_of_its_cdrs(
    store: PostgresCustodyStore, database: Database, run: Run
) -> None:
    for number in range(4):
        await store.take_in(waiting(f"CDR-{number}"))
    await store.take_in(waiting("CDR-9", start=Start.HOLD, reason="too much"))
    (gathering,) = await run("cdr", "runs", "--cpo", str(CPO), "--emsp", str(EMSP))
    assert (gathering["state"], gathering["cdrs"], gathering["waiting"]) == ("gathering", 5, 4)
    await end_period(database)
    first, second, third, _ = await store.claim(EMSP, 4)
    await store.record(ended(first, Delivered(OK)))
    await store.record(ended(second, Refused(NO), acknowledged=True))
    await store.record(ended(third, Delivered(OK)))
    (running,) = await run("cdr", "runs")
    figures = ("delivered", "refused", "waiting", "held", "stuck")
    assert [running[name] for name in figures] == [2, 1, 1, 1, 0]
    assert running["state"] == "running"
    assert (await CdrBatches(database).runs(EMSP, None, 10)) == []
