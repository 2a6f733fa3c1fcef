"""Custody on PostgreSQL: intakes, verdicts, claims."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ocpi_hub.delivery.custody import Attempt, Repeat, Start
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedState, LastAnswer
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from tests.support.factories import EMSP
from tests.support.postgres import make_settings
from tests.support.stores import (
    BROKEN,
    NO,
    NOTHING,
    OK,
    custody_store,
    ended,
    execute,
    insert_platform,
    make_intake,
    state_of,
    taken,
    value,
)

OTHER = PartyId("FR", "OTH")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def second(address: DatabaseAddress) -> AsyncIterator[PostgresCustodyStore]:
    """The store of another process: a pool of its own on the same database."""
    pool = await Database.open(address, make_settings(), application_name="second")
    async with custody_store(pool) as store:
        yield store
    await pool.close()


async def expire_leases(database: Database) -> None:
    await execute(
        database,
        "update directed_object set lease_until = now() - interval '1 s' where state = 'in_flight'",
    )


async def end_backoff(database: Database) -> None:
    await execute(
        database,
        "update receiver_backoff set next_attempt_at = now() - interval '1 s', probe_until = null",
    )


async def outcomes(database: Database, cdr_id: str = "CDR-1") -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select outcome from delivery_attempt where object_id = $1 order by ended_at", cdr_id
        )
    return [row["outcome"] for row in rows]


# Intakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "state", "sends", "due"),
    [
        (Start.SEND, DirectedState.IN_FLIGHT, True, False),
        (Start.WAIT, DirectedState.PENDING, False, True),
        (Start.PULL, DirectedState.PENDING, False, False),
        (Start.HOLD, DirectedState.HELD, False, False),
    ],
)
async def test_a_new_object_begins_as_told(
    store: PostgresCustodyStore, start: Start, state: DirectedState, sends: bool, due: bool
) -> None:
    intake = make_intake(start=start, reason="too expensive" if start is Start.HOLD else None)
    result = await store.take_in(intake)
    row = await store.find(intake.key)
    assert result.repeat is None
    assert (result.attempt is not None) is sends
    assert row is not None
    assert (row.state, row.next_attempt_at is not None, row.attempts) == (state, due, int(sends))
    assert (row.body, row.correlation_id, row.reason) == (
        intake.body,
        intake.correlation_id,
        intake.reason,
    )
    assert await store.due_receivers([EMSP, OTHER]) == ([EMSP] if due else [])


async def _bring_to(
    store: PostgresCustodyStore, database: Database, state: DirectedState
) -> Attempt | None:
    start = {DirectedState.PENDING: Start.WAIT, DirectedState.HELD: Start.HOLD}
    result = await store.take_in(make_intake(start=start.get(state, Start.SEND)))
    verdicts: dict[DirectedState, Verdict] = {
        DirectedState.DELIVERED: Delivered(OK),
        DirectedState.REFUSED: Refused(NO),
        DirectedState.UNCERTAIN: Refused(NO),
    }
    if state is DirectedState.UNCERTAIN:
        await execute(database, "update directed_object set unknown_outcomes = 1")
    if verdict := verdicts.get(state):
        assert result.attempt is not None
        assert await store.record(ended(result.attempt, verdict)) is state
    if state is DirectedState.DEAD:
        await execute(
            database, "update directed_object set state = 'dead', lease_until = null, attempts = 9"
        )
    return result.attempt


@pytest.mark.req("CD-08")
@pytest.mark.parametrize(
    ("state", "identical", "different"),
    [
        (DirectedState.DELIVERED, Repeat.UNCHANGED, Repeat.CONFLICT),
        (DirectedState.IN_FLIGHT, Repeat.IN_FLIGHT, Repeat.CONFLICT),
        (DirectedState.REFUSED, Repeat.SEND_AGAIN, Repeat.REPLACE),
        (DirectedState.PENDING, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.UNCERTAIN, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.HELD, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.DEAD, Repeat.SEND_AGAIN, Repeat.CONFLICT),
    ],
)
async def test_a_second_arrival(
    store: PostgresCustodyStore,
    database: Database,
    state: DirectedState,
    identical: Repeat,
    different: Repeat,
) -> None:
    await _bring_to(store, database, state)
    other = await store.take_in(make_intake(body='{"total":2.0}'))
    assert other.repeat is different
    if different is Repeat.CONFLICT:
        assert other.attempt is None
        assert await state_of(store) is state
        kept = "select body::text from directed_other_content where kind = 'conflict'"
        assert await value(database, kept) == '{"total":2.0}'
        same = await store.take_in(make_intake(body='{ "total": 1.00 }'))
        assert same.repeat is identical
        assert (same.attempt is not None) is (identical is Repeat.SEND_AGAIN)


@pytest.mark.req("CD-08")
async def test_refused_content_is_replaced_and_kept(
    store: PostgresCustodyStore, database: Database
) -> None:
    first = await taken(store, make_intake())
    await store.record(ended(first, Refused(NO), acknowledged=True))
    again = await taken(store, make_intake(body='{"total":2.0}'))
    row = await store.find(again.key)
    assert row is not None
    assert (again.version, again.body) == (2, '{"total":2.0}')
    assert (row.state, row.version, row.body) == (DirectedState.IN_FLIGHT, 2, '{"total":2.0}')
    assert row.refused_after_ack is False
    kept = await value(database, "select (version, kind, body::text) from directed_other_content")
    assert kept == (1, "replaced", '{"total":1.0}')
    # The verdict on the first content comes once more, and says nothing about the second.
    assert await store.record(ended(first, Delivered(OK))) is DirectedState.IN_FLIGHT


async def test_refused_content_again_is_the_same_version(store: PostgresCustodyStore) -> None:
    first = await taken(store, make_intake())
    await store.record(ended(first, Refused(NO)))
    again = await taken(store, make_intake())
    assert (again.version, again.attempt_id != first.attempt_id) == (1, True)
    assert await store.record(ended(again, Delivered(OK))) is DirectedState.DELIVERED


async def test_what_the_hub_found_itself_does_not_send_a_refused_object_again(
    store: PostgresCustodyStore,
) -> None:
    await store.record(ended(await taken(store, make_intake()), Refused(NO)))
    found = await store.take_in(make_intake(resend=False))
    assert (found.repeat, found.attempt) == (Repeat.KEPT, None)
    assert await state_of(store) is DirectedState.REFUSED


async def test_same_object_twice_in_one_batch_has_one_attempt(store: PostgresCustodyStore) -> None:
    same, twin, other = make_intake(), make_intake("cdr-1"), make_intake(body="{}")
    results = await asyncio.gather(*[store.take_in(intake) for intake in (same, twin, other)])
    assert [result.repeat for result in results] == [None, Repeat.IN_FLIGHT, Repeat.CONFLICT]
    assert [result.attempt is not None for result in results] == [True, False, False]


async def test_same_objects_in_two_processes_have_one_attempt_each(
    store: PostgresCustodyStore, second: PostgresCustodyStore
) -> None:
    intakes = [
        (process, make_intake(f"CDR-{number}")) for number in range(200)
        for process in (store, second)
    ]  # fmt: skip
    random.shuffle(intakes)
    results = await asyncio.gather(*[process.take_in(intake) for process, intake in intakes])
    attempts = [result.attempt.key for result in results if result.attempt is not None]
    assert len(attempts) == len(set(attempts)) == 200
    assert {result.repeat for result in results} == {None, Repeat.IN_FLIGHT}


async def test_an_object_that_cannot_be_stored_hurts_no_other(store: PostgresCustodyStore) -> None:
    bad = make_intake("BAD\0")
    results = await asyncio.gather(
        store.take_in(make_intake("A")),
        store.take_in(bad),
        store.take_in(make_intake("B")),
        return_exceptions=True,
    )
    assert isinstance(results[1], StoreError)
    assert await state_of(store, "A") is await state_of(store, "B") is DirectedState.IN_FLIGHT


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]
)
async def test_any_time_can_be_stored(store: PostgresCustodyStore, moment: datetime) -> None:
    intake = make_intake(last_updated=moment)
    await store.take_in(intake)
    row = await store.find(intake.key)
    assert row is not None
    assert row.last_updated == intake.last_updated


# Verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "state", "outcome"),
    [
        (Delivered(OK, "https://e.example/1"), DirectedState.DELIVERED, "delivered"),
        (Refused(NO), DirectedState.REFUSED, "refused"),
        (Failed(NOTHING), DirectedState.PENDING, "failed"),
        (Failed(LastAnswer(429, None, None), 60.0), DirectedState.PENDING, "failed"),
        (Unknown(BROKEN), DirectedState.PENDING, "unknown"),
    ],
)
async def test_a_verdict_is_recorded(
    store: PostgresCustodyStore,
    database: Database,
    verdict: Verdict,
    state: DirectedState,
    outcome: str,
) -> None:
    attempt = await taken(store, make_intake())
    assert await store.record(ended(attempt, verdict)) is state
    row = await store.find(attempt.key)
    assert row is not None
    assert (row.state, row.lease_until, row.last_answer) == (state, None, verdict.answer)
    assert row.unknown_outcomes == (outcome == "unknown")
    assert (row.sent_version == row.version) is (state is DirectedState.DELIVERED)
    assert await outcomes(database) == [outcome]
    delivered_at = await value(database, "select delivered_at from directed_object")
    assert (delivered_at is not None) is (state is DirectedState.DELIVERED)


async def test_a_late_verdict_replaces_unknown_and_takes_the_doubt_back(
    store: PostgresCustodyStore, database: Database
) -> None:
    first = await taken(store, make_intake())
    await expire_leases(database)
    [second_attempt] = await store.claim(EMSP, 10)
    assert await outcomes(database) == ["unknown"]
    assert await store.record(ended(first, Failed(NOTHING))) is DirectedState.IN_FLIGHT
    assert await outcomes(database) == ["failed"]
    row = await store.find(first.key)
    assert row is not None
    assert row.unknown_outcomes == 0
    assert await store.record(ended(second_attempt, Refused(NO))) is DirectedState.REFUSED


async def test_a_late_delivery_counts(store: PostgresCustodyStore, database: Database) -> None:
    first = await taken(store, make_intake())
    await expire_leases(database)
    [newer] = await store.claim(EMSP, 10)
    assert await store.record(ended(first, Delivered(OK))) is DirectedState.DELIVERED
    assert await store.record(ended(newer, Refused(NO))) is DirectedState.DELIVERED
    assert sorted(await outcomes(database)) == ["delivered", "refused"]


async def test_a_refusal_after_a_silent_attempt_is_uncertain_and_stays_so_when_written_twice(
    store: PostgresCustodyStore, database: Database
) -> None:
    await taken(store, make_intake())
    await expire_leases(database)
    [newer] = await store.claim(EMSP, 10)
    refused = ended(newer, Refused(NO))
    assert await store.record(refused) is DirectedState.UNCERTAIN
    assert await store.record(refused) is DirectedState.UNCERTAIN
    assert await store.record(ended(newer, Delivered(OK))) is DirectedState.DELIVERED


async def test_reports_of_one_batch_are_applied_in_order(
    store: PostgresCustodyStore, database: Database
) -> None:
    first = await taken(store, make_intake())
    await expire_leases(database)
    [newer] = await store.claim(EMSP, 10)
    states = await asyncio.gather(
        store.record(ended(newer, Refused(NO))), store.record(ended(first, Failed(NOTHING)))
    )
    assert set(states) == {DirectedState.REFUSED}
    assert sorted(await outcomes(database)) == ["failed", "refused"]


async def test_a_verdict_that_cannot_be_stored_is_a_store_error_and_hurts_no_other(
    store: PostgresCustodyStore,
) -> None:
    bad, good = await taken(store, make_intake("A")), await taken(store, make_intake("B"))
    too_large = Delivered(LastAnswer(2**40, 1000, None))
    results = await asyncio.gather(
        store.record(ended(bad, too_large)),
        store.record(ended(good, Delivered(OK))),
        return_exceptions=True,
    )
    assert isinstance(results[0], StoreError)
    assert results[1] is DirectedState.DELIVERED


async def test_a_verdict_on_an_object_that_is_gone_is_a_store_error(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake())
    await execute(database, "delete from directed_object")
    with pytest.raises(StoreError, match="not in custody"):
        await store.record(ended(attempt, Delivered(OK)))


# Claims ------------------------------------------------------------------------------------------


async def test_a_lease_that_ran_out_is_claimed_and_its_attempt_recorded_as_unknown(
    store: PostgresCustodyStore, database: Database
) -> None:
    silent = await taken(store, make_intake())
    assert await store.due_receivers([EMSP]) == []
    assert await store.claim(EMSP, 10) == []
    await expire_leases(database)
    assert await store.due_receivers([OTHER, EMSP]) == [EMSP]
    [attempt] = await store.claim(EMSP, 10)
    row = await store.find(silent.key)
    assert row is not None
    assert (attempt.key, attempt.body, attempt.version) == (silent.key, silent.body, 1)
    assert attempt.attempt_id == row.attempt_id != silent.attempt_id
    assert (row.unknown_outcomes, row.attempts, row.next_attempt_at) == (1, 2, None)
    assert await outcomes(database) == ["unknown"]


async def test_two_claimers_never_get_the_same_object(
    store: PostgresCustodyStore, second: PostgresCustodyStore
) -> None:
    await asyncio.gather(
        *[store.take_in(make_intake(f"CDR-{n}", start=Start.WAIT)) for n in range(300)]
    )
    claims = await asyncio.gather(
        *[process.claim(EMSP, 20) for _ in range(10) for process in (store, second)]
    )
    keys = [attempt.key for claimed in claims for attempt in claimed]
    assert len(keys) == len(set(keys))
    assert max(len(claimed) for claimed in claims) == 20
    while claimed := await store.claim(EMSP, 20):
        keys += [attempt.key for attempt in claimed]
    assert len(keys) == len(set(keys)) == 300


async def test_the_object_due_longest_is_claimed_first(
    store: PostgresCustodyStore, database: Database
) -> None:
    for number in range(3):
        await store.take_in(make_intake(f"CDR-{number}", start=Start.WAIT))
    await execute(
        database,
        "update directed_object set next_attempt_at = now() - interval '1 h'"
        " where object_id = 'CDR-2'",
    )
    assert next(a.key.object_id for a in await store.claim(EMSP, 2)) == "CDR-2"


async def test_what_waits_to_be_pulled_is_never_claimed(store: PostgresCustodyStore) -> None:
    await store.take_in(make_intake(start=Start.PULL))
    assert await store.due_receivers([EMSP]) == []
    assert await store.claim(EMSP, 10) == []


async def test_a_receiver_in_backoff_is_tried_with_one_object_by_one_process(
    store: PostgresCustodyStore, second: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake())
    for number in range(5):
        await store.take_in(make_intake(f"W-{number}", start=Start.WAIT))
    await store.record(ended(attempt, Failed(NOTHING)))
    assert await store.due_receivers([EMSP]) == []
    assert await store.claim(EMSP, 10) == []
    await end_backoff(database)
    assert await store.due_receivers([EMSP]) == [EMSP]
    claims = await asyncio.gather(*[process.claim(EMSP, 10) for process in (store, second) * 3])
    [probe] = [attempt for claimed in claims for attempt in claimed]
    assert await second.due_receivers([EMSP]) == []
    await store.record(ended(probe, Delivered(OK)))
    assert await second.due_receivers([EMSP]) == [EMSP]
    assert len(await second.claim(EMSP, 10)) == 5


async def test_backoff_grows_one_step_per_round(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempts = [await taken(store, make_intake(f"CDR-{n}")) for n in range(8)]
    failures = "select failures from receiver_backoff"
    await asyncio.gather(*[store.record(ended(a, Failed(NOTHING))) for a in attempts[:3]])
    await store.record(ended(attempts[3], Failed(NOTHING)))
    assert await value(database, failures) == 1
    for step, attempt in enumerate(attempts[4:7], start=2):
        await end_backoff(database)
        await store.record(ended(attempt, Failed(NOTHING)))
        assert await value(database, failures) == step
    within = "select next_attempt_at - now() <= interval '40 s' from receiver_backoff"
    assert await value(database, within) is True
    await end_backoff(database)
    await store.record(ended(attempts[7], Failed(LastAnswer(503, None, None), 300.0)))
    asked = "select next_attempt_at - now() > interval '290 s' from receiver_backoff"
    assert await value(database, asked) is True


async def test_what_was_not_sent_is_no_attempt_and_no_reason_to_back_off(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake())
    crowded = NotSent(LastAnswer(None, None, "too many requests in flight"))
    assert await store.record(ended(attempt, crowded)) is DirectedState.PENDING
    assert await value(database, "select attempts from directed_object") == 0
    assert await value(database, "select count(*) from receiver_backoff") == 0
    assert await outcomes(database) == []
    soon = "select next_attempt_at between now() and now() + interval '6 s' from directed_object"
    assert await value(database, soon)


async def test_what_was_not_sent_takes_back_the_doubt_of_who_took_it_over(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake())
    await expire_leases(database)
    [again] = await store.claim(EMSP, 1)
    crowded = NotSent(LastAnswer(None, None, "too many requests in flight"))
    await store.record(ended(attempt, crowded))
    assert await outcomes(database) == ["failed"]
    assert await store.record(ended(again, Refused(NO))) is DirectedState.REFUSED


async def test_a_probe_that_fails_makes_room_for_the_next_round(
    store: PostgresCustodyStore, database: Database
) -> None:
    await store.record(ended(await taken(store, make_intake()), Failed(NOTHING)))
    await end_backoff(database)
    [probe] = await store.claim(EMSP, 10)
    await store.record(ended(probe, Failed(NOTHING)))
    assert await value(database, "select (failures, probe_until) from receiver_backoff") == (
        2,
        None,
    )
    await execute(database, "update receiver_backoff set next_attempt_at = now()")
    assert len(await store.claim(EMSP, 10)) == 1


async def test_the_verdict_of_a_receiver_that_was_away_makes_its_objects_due(
    store: PostgresCustodyStore, database: Database
) -> None:
    waiting = await taken(store, make_intake("WAITS"))
    await store.record(ended(waiting, Failed(LastAnswer(503, None, None), 3000.0)))
    await execute(
        database,
        "update receiver_backoff set failures = 3, next_attempt_at = now() - interval '1 s'",
    )
    assert await store.due_receivers([EMSP]) == []
    fresh = await taken(store, make_intake("FRESH"))
    await store.record(ended(fresh, Refused(NO)))
    assert await value(database, "select count(*) from receiver_backoff") == 0
    assert [a.key.object_id for a in await store.claim(EMSP, 10)] == ["WAITS"]


# Lists -------------------------------------------------------------------------------------------


async def test_what_a_receiver_fetched_is_delivered(
    store: PostgresCustodyStore, database: Database
) -> None:
    for cdr_id, start in {
        "PULL": Start.PULL,
        "LATER": Start.PULL,
        "WAIT": Start.WAIT,
        "SENT": Start.SEND,
    }.items():
        await store.take_in(make_intake(cdr_id, start=start))
    async with database.connection() as connection:
        rows = await connection.fetch("select object_id, serial from directed_object")
    serials = {row["object_id"]: row["serial"] for row in rows}
    await store.pulled("cdrs", OTHER, [serials["LATER"]])
    served = [serials[name] for name in ("PULL", "WAIT", "SENT")]
    await store.pulled("cdrs", EMSP, [*served, 999])
    assert await state_of(store, "PULL") is DirectedState.DELIVERED
    assert await state_of(store, "LATER") is DirectedState.PENDING
    # It has it, whether it was to fetch it or not; what is on its way right now gets its verdict.
    assert await state_of(store, "WAIT") is DirectedState.DELIVERED
    assert await state_of(store, "SENT") is DirectedState.IN_FLIGHT
    assert await store.due_receivers([EMSP]) == []


@pytest.mark.parametrize(("announces", "due"), [("RECEIVER", [EMSP]), ("SENDER", [])])
async def test_what_an_operator_sends_again_is_due_only_where_it_can_be_pushed(
    store: PostgresCustodyStore, database: Database, announces: str, due: list[PartyId]
) -> None:
    await insert_platform(database, "p-1", parties=[EMSP])
    await execute(database, "update endpoint set interface_role = $1", announces)
    await store.take_in(make_intake(start=Start.HOLD))
    await store.take_in(make_intake("OTHERS", start=Start.HOLD, receiver=OTHER))
    released = await CustodyAdmin(database, "cdrs").send_again([DirectedState.HELD], by="a test")
    assert len(released) == 2
    assert await state_of(store) is DirectedState.PENDING
    assert await store.due_receivers([EMSP, OTHER]) == due


@pytest.mark.parametrize(
    "change",
    [
        "state = 'delivered', lease_until = null",
        "lease_until = null",
        "state = 'pending'",
        "attempt_id = null",
        "state = 'lost', lease_until = null",
        "sent_version = 2",
        "version = 0",
        "module = 'tokens'",
    ],
)
async def test_impossible_states_are_refused(
    store: PostgresCustodyStore, database: Database, change: str
) -> None:
    await store.take_in(make_intake())
    with pytest.raises(StoreError) as caught:
        await execute(database, f"update directed_object set {change}")  # noqa: S608 - test's own
    assert isinstance(caught.value.__cause__, asyncpg.CheckViolationError)


# Several processes -------------------------------------------------------------------------------


async def test_processes_that_write_the_same_objects_never_deadlock(
    store: PostgresCustodyStore, second: PostgresCustodyStore, database: Database
) -> None:
    receivers = [PartyId("DE", f"R{n:02}") for n in range(8)]
    choice = random.Random(7)  # noqa: S311 - reproducible
    verdicts: list[Verdict] = [Delivered(OK), Refused(NO), Failed(NOTHING), Unknown(BROKEN)]

    async def bring(store: PostgresCustodyStore) -> None:
        number = choice.randrange(60)
        body = f'{{"total":{choice.randrange(2)}}}'
        start = choice.choice([Start.SEND, Start.SEND, Start.WAIT, Start.PULL])
        intake = make_intake(
            f"CDR-{number}", body=body, start=start, receiver=receivers[number % 8]
        )
        result = await store.take_in(intake)
        if result.attempt is not None:
            await store.record(ended(result.attempt, choice.choice(verdicts)))

    async def work(store: PostgresCustodyStore) -> None:
        for receiver in choice.sample(receivers, len(receivers)):
            for attempt in await store.claim(receiver, 5):
                await store.record(ended(attempt, choice.choice(verdicts)))
            await store.pulled("cdrs", receiver, choice.sample(range(1, 200), 50))

    for _ in range(12):
        await asyncio.gather(
            *[bring(process) for _ in range(60) for process in (store, second)],
            *[work(process) for _ in range(3) for process in (store, second)],
        )
        await execute(
            database,
            "update directed_object set state = 'pending', next_attempt_at = now()"
            " where state in ('refused', 'delivered') and serial % 2 = 0",
        )
        await end_backoff(database)
        await expire_leases(database)
    in_flight = "select count(*) from directed_object where state = 'in_flight' and attempts = 0"
    assert await value(database, in_flight) == 0
    assert await value(database, "select deadlocks from pg_stat_database where datname ="
                                 " current_database()") == 0  # fmt: skip


async def test_lease_is_as_long_as_configured(database: Database) -> None:
    async with custody_store(database, lease=timedelta(hours=2)) as store:
        await store.take_in(make_intake())
        left = await value(database, "select lease_until - now() from directed_object")
    assert timedelta(minutes=119) < left <= timedelta(hours=2)
