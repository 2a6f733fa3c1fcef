"""Sessions on PostgreSQL: changes, verdicts, claims, pages."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.delivery.custody import Attempt, Start
from ocpi_hub.delivery.session_change import Arrival, SessionChange, SessionRead, Taken
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused, Unknown
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, StoreError
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import SQL as CUSTODY_SQL
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.session_rows import SQL
from ocpi_hub.store.sessions import PostgresSessionStore
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import (
    NO,
    NOTHING,
    OK,
    custody_store,
    ended,
    execute,
    session_store,
    value,
)

OTHER = PartyId("FR", "OTH")
BEGIN = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)
S = DirectedState


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresSessionStore]:
    async with session_store(database) as store:
        yield store


@pytest.fixture
async def custody(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def second(address: DatabaseAddress) -> AsyncIterator[PostgresSessionStore]:
    """The store of another process: a pool of its own on the same database."""
    pool = await Database.open(address, make_settings(), application_name="second")
    async with session_store(pool) as store:
        yield store
    await pool.close()


def read(text: str) -> SessionRead:
    fields = json.loads(text)
    if fields.get("kwh") is None:
        raise InvalidRequest("kwh: is required")
    return SessionRead(
        PartyId.parse(fields.get("emsp", str(EMSP))),
        datetime.fromisoformat(fields["last_updated"]),
    )


def key(session_id: str = "S1") -> ObjectKey:
    return ObjectKey("sessions", CPO, session_id)


def make_change(
    number: int = 0,
    *,
    session_id: str = "S1",
    partial: bool = False,
    start: Start = Start.SEND,
    receiver: PartyId = EMSP,
    moment: datetime | None = None,
    **fields: Any,
) -> SessionChange:
    """A PUT or PATCH with one charging period, `number`, made in that minute."""
    moment = moment or BEGIN + timedelta(minutes=number)
    body = {
        "kwh": number,
        "charging_periods": [number],
        "last_updated": moment.isoformat(),
        "emsp": str(receiver),
        **fields,
    }
    if partial:
        del body["emsp"]
    return SessionChange(
        key=key(session_id),
        receiver=receiver,
        path=("nl", "cpo", session_id),
        body=json.dumps(body),
        partial=partial,
        last_updated=moment,
        correlation_id=f"correlation-{number}",
        start=start,
        attempt_id=uuid.uuid4(),
        read=read,
        max_bytes=10_000,
    )


def patch(number: int, **options: Any) -> SessionChange:
    return make_change(number, partial=True, **options)


async def begun(store: PostgresSessionStore, change: SessionChange) -> Attempt:
    taken = await store.take(change)
    assert taken.attempt is not None
    return taken.attempt


async def delivered(
    store: PostgresSessionStore, custody: PostgresCustodyStore, change: SessionChange
) -> Attempt:
    attempt = await begun(store, change)
    assert await custody.record(ended(attempt, Delivered(OK))) is S.DELIVERED
    return attempt


async def row_of(store: PostgresSessionStore, session_id: str = "S1") -> DirectedObject:
    row = await store.find(key(session_id))
    assert row is not None
    return row


def periods(row: DirectedObject | Attempt) -> list[int]:
    return list(json.loads(row.body)["charging_periods"])


# Changes -----------------------------------------------------------------------------------------


async def test_a_new_session_is_leased_to_the_request_that_brings_it(
    store: PostgresSessionStore,
) -> None:
    change = make_change()
    taken = await store.take(change)
    row = await row_of(store)
    assert (taken.arrival, row.state, row.version, row.sent_version) == (
        Arrival.CREATED,
        S.IN_FLIGHT,
        1,
        0,
    )
    assert taken.attempt is not None
    assert (taken.attempt.patch, taken.attempt.path) == (None, ("nl", "cpo", "S1"))
    assert row.body == change.body


@pytest.mark.req("SE-04", "TF-21")
async def test_a_patch_of_what_the_receiver_has_goes_out_as_it_came(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    change = patch(1, total="1.10")
    attempt = await begun(store, change)
    assert attempt.patch == change.body
    row = await row_of(store)
    assert (row.version, row.sent_version, periods(row)) == (2, 1, [0, 1])
    assert json.loads(row.body)["total"] == "1.10"
    await custody.record(ended(attempt, Delivered(OK)))
    row = await row_of(store)
    assert (row.state, row.sent_version) == (S.DELIVERED, 2)


@pytest.mark.req("SE-03")
async def test_a_put_replaces_the_periods_too(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    await delivered(store, custody, patch(1))
    attempt = await begun(store, make_change(2, charging_periods=[]))
    assert attempt.patch is None
    assert periods(await row_of(store)) == []


async def test_what_comes_during_an_attempt_is_merged_and_goes_out_whole(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    first = await begun(store, patch(1))
    for number in (2, 3):
        assert (await store.take(patch(number))).attempt is None
    assert await custody.record(ended(first, Delivered(OK))) is S.PENDING
    row = await row_of(store)
    assert (row.version, row.sent_version) == (4, 2)
    (attempt,) = await custody.claim(EMSP, 10)
    assert (attempt.patch, attempt.version, periods(attempt)) == (None, 4, [0, 1, 2, 3])
    assert await custody.record(ended(attempt, Delivered(OK))) is S.DELIVERED


async def test_changes_of_one_batch_are_applied_in_order(store: PostgresSessionStore) -> None:
    changes = [make_change(), *(patch(number) for number in range(1, 6))]
    taken = await asyncio.gather(*[store.take(change) for change in changes])
    assert [one.attempt is not None for one in taken] == [True] + [False] * 5
    row = await row_of(store)
    assert (row.version, periods(row)) == (6, [0, 1, 2, 3, 4, 5])


async def test_two_processes_bring_the_same_new_session(
    store: PostgresSessionStore, second: PostgresSessionStore
) -> None:
    changes = [
        (process, make_change(session_id=f"S{number}"))
        for number in range(100)
        for process in (store, second)
    ]
    random.shuffle(changes)
    taken = await asyncio.gather(*[process.take(change) for process, change in changes])
    leased = [one.attempt.key for one in taken if one.attempt is not None]
    assert len(leased) == len(set(leased)) == 100
    assert {one.arrival for one in taken} == {Arrival.CREATED, Arrival.REPEATED}


async def test_patches_of_two_processes_are_all_kept(
    store: PostgresSessionStore, second: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    changes = [
        (process, patch(number, moment=BEGIN + timedelta(hours=1)))
        for number, process in enumerate([store, second] * 20, start=1)
    ]
    taken = await asyncio.gather(*[process.take(change) for process, change in changes])
    assert sum(one.attempt is not None for one in taken) == 1
    row = await row_of(store)
    assert sorted(periods(row)) == list(range(41))


@pytest.mark.parametrize("partial", [False, True])
async def test_the_same_change_again_is_not_applied_again(
    store: PostgresSessionStore, custody: PostgresCustodyStore, partial: bool
) -> None:
    await delivered(store, custody, make_change())
    change = make_change(1, partial=partial)
    await delivered(store, custody, change)
    before = await row_of(store)
    again = await store.take(replace(change, attempt_id=uuid.uuid4()))
    assert (again.arrival, again.attempt) == (Arrival.REPEATED, None)
    assert await row_of(store) == before


async def test_changes_of_the_same_moment_are_told_apart(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    put, first, other = make_change(), patch(1, moment=BEGIN), patch(2, moment=BEGIN)
    for change in (put, first, other):
        await delivered(store, custody, change)
    for change in (put, first, other):
        again = await store.take(replace(change, attempt_id=uuid.uuid4()))
        assert again.arrival is Arrival.REPEATED
    assert periods(await row_of(store)) == [0, 1, 2]


@pytest.mark.parametrize("partial", [False, True])
async def test_something_older_is_dropped(
    store: PostgresSessionStore, custody: PostgresCustodyStore, partial: bool
) -> None:
    await delivered(store, custody, make_change(5))
    before = await row_of(store)
    taken = await store.take(make_change(4, partial=partial))
    assert (taken.arrival, taken.attempt) == (Arrival.STALE, None)
    assert await row_of(store) == before


async def test_a_list_brings_only_what_is_newer(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change(1))
    same = replace(make_change(1, kwh=7), listed=True, start=Start.WAIT)
    assert (await store.take(same)).arrival is Arrival.REPEATED
    newer = replace(make_change(2), listed=True, start=Start.WAIT)
    assert (await store.take(newer)).arrival is Arrival.CHANGED
    assert (await row_of(store)).state is S.PENDING


@pytest.mark.req("ER-10")
async def test_a_patch_of_an_unknown_session_keeps_nothing(store: PostgresSessionStore) -> None:
    assert await store.take(patch(1)) == Taken(Arrival.MISSING, None)
    assert await store.find(key()) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"kwh": None},
        {"charging_periods": "none"},
        {"note": "x" * 10_000},
        {"emsp": str(OTHER)},
    ],
)
async def test_a_patch_that_leads_to_what_cannot_be_kept_is_refused(
    store: PostgresSessionStore, custody: PostgresCustodyStore, fields: dict[str, Any]
) -> None:
    await delivered(store, custody, make_change())
    before = await row_of(store)
    body = {"last_updated": (BEGIN + timedelta(minutes=1)).isoformat(), **fields}
    refused = replace(patch(1), body=json.dumps(body))
    good = patch(2)
    results = await asyncio.gather(store.take(refused), store.take(good), return_exceptions=True)
    assert isinstance(results[0], InvalidRequest)
    assert isinstance(results[1], Taken)
    assert (await row_of(store)).version == before.version + 1


async def test_a_session_that_cannot_be_stored_hurts_no_other(store: PostgresSessionStore) -> None:
    results = await asyncio.gather(
        store.take(make_change(session_id="A")),
        store.take(make_change(session_id="BAD\0")),
        store.take(make_change(session_id="B")),
        return_exceptions=True,
    )
    assert isinstance(results[1], StoreError)
    assert (await row_of(store, "A")).state is (await row_of(store, "B")).state is S.IN_FLIGHT


async def test_another_emsp_gets_the_whole_session(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    old = await begun(store, make_change())
    attempt = await begun(store, make_change(1, receiver=OTHER))
    assert (attempt.receiver, attempt.patch) == (OTHER, None)
    # What the former receiver says is nothing to the new one.
    assert await custody.record(ended(old, Delivered(OK))) is S.IN_FLIGHT
    assert (await row_of(store)).sent_version == 0
    assert await custody.record(ended(attempt, Delivered(OK))) is S.DELIVERED


# Verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Failed(NOTHING), Unknown(NOTHING)])
async def test_after_a_failure_the_whole_session_goes_out(
    store: PostgresSessionStore, custody: PostgresCustodyStore, verdict: Failed | Unknown
) -> None:
    await delivered(store, custody, make_change())
    attempt = await begun(store, patch(1))
    assert await custody.record(ended(attempt, verdict)) is S.PENDING
    again = await begun(store, patch(2))
    assert (again.patch, periods(again)) == (None, [0, 1, 2])


async def test_a_refusal_that_its_sender_hears_takes_the_change_back(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    before = await row_of(store)
    change = patch(1)
    attempt = await begun(store, change)
    assert await custody.record(ended(attempt, Refused(NO))) is S.DELIVERED
    row = await row_of(store)
    assert (row.body, row.version, row.sent_version) == (before.body, 1, 1)
    # The corrected change goes out as it comes, and so would the same one.
    again = await begun(store, replace(change, attempt_id=uuid.uuid4()))
    assert (again.patch, periods(again)) == (change.body, [0, 1])


async def test_a_refusal_after_the_1000_takes_nothing_back(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    await delivered(store, custody, make_change())
    attempt = await begun(store, patch(1))
    report = ended(attempt, Refused(NO), acknowledged=True)
    assert await custody.record(report) is S.REFUSED
    row = await row_of(store)
    assert (periods(row), row.refused_after_ack) == ([0, 1], True)
    again = await begun(store, patch(2))
    assert (again.patch, periods(again)) == (None, [0, 1, 2])


async def test_a_refused_change_brought_again_is_sent_again(
    store: PostgresSessionStore, custody: PostgresCustodyStore
) -> None:
    change = make_change()
    attempt = await begun(store, change)
    assert await custody.record(ended(attempt, Refused(NO))) is S.REFUSED
    again = await begun(store, replace(change, attempt_id=uuid.uuid4()))
    assert (again.version, again.body) == (1, change.body)
    assert await custody.record(ended(again, Delivered(OK))) is S.DELIVERED


async def test_a_process_that_dies_leaves_a_put_for_the_worker(
    store: PostgresSessionStore, custody: PostgresCustodyStore, database: Database
) -> None:
    """Killed between commit and send, or after it: nobody knows."""
    await delivered(store, custody, make_change())
    await begun(store, patch(1))
    await _expire_leases(database)
    (attempt,) = await custody.claim(EMSP, 10)
    assert (attempt.patch, attempt.version, periods(attempt)) == (None, 2, [0, 1])
    known = "select outcome from delivery_attempt where version = 2"
    assert await value(database, known) == "unknown"


async def test_a_late_delivery_sends_the_newest_state_once_more(
    store: PostgresSessionStore, custody: PostgresCustodyStore, database: Database
) -> None:
    await delivered(store, custody, make_change())
    late = await begun(store, patch(1))
    await _expire_leases(database)
    (attempt,) = await custody.claim(EMSP, 10)
    await store.take(patch(2))
    assert await custody.record(ended(attempt, Delivered(OK))) is S.PENDING
    (newest,) = await custody.claim(EMSP, 10)
    await _end_doubts(database)
    assert await custody.record(ended(newest, Delivered(OK))) is S.DELIVERED
    # The old PATCH was only now applied by the receiver: it has one period twice.
    assert await custody.record(ended(late, Delivered(OK))) is S.PENDING
    (again,) = await custody.claim(EMSP, 10)
    assert (again.patch, periods(again)) == (None, [0, 1, 2])
    assert await custody.record(ended(again, Delivered(OK))) is S.DELIVERED
    # The same report again, because its commit was not confirmed, means nothing.
    assert await custody.record(ended(late, Delivered(OK))) is S.DELIVERED


async def test_while_a_receiver_may_act_late_the_session_is_sent_again_at_the_end(
    store: PostgresSessionStore, custody: PostgresCustodyStore, database: Database
) -> None:
    await delivered(store, custody, make_change())
    attempt = await begun(store, patch(1))
    await custody.record(ended(attempt, Unknown(NOTHING)))
    whole = await begun(store, patch(2))
    assert await custody.record(ended(whole, Delivered(OK))) is S.PENDING
    row = await row_of(store)
    assert (row.sent_version, row.next_attempt_at) == (3, row.doubted_until)
    assert await custody.claim(EMSP, 10) == []
    await _end_doubts(database)
    (again,) = await custody.claim(EMSP, 10)
    assert (again.patch, periods(again)) == (None, [0, 1, 2])
    assert await custody.record(ended(again, Delivered(OK))) is S.DELIVERED
    assert (await begun(store, patch(3))).patch is not None


async def test_a_late_failure_changes_nothing(
    store: PostgresSessionStore, custody: PostgresCustodyStore, database: Database
) -> None:
    late = await begun(store, make_change())
    await _expire_leases(database)
    (attempt,) = await custody.claim(EMSP, 10)
    await _end_doubts(database)
    assert await custody.record(ended(attempt, Delivered(OK))) is S.DELIVERED
    assert await custody.record(ended(late, Failed(NOTHING))) is S.DELIVERED


async def _end_doubts(database: Database) -> None:
    """The time is over in which a slow receiver may still act."""
    await execute(
        database,
        "update directed_object set doubted_until = now() - interval '1 s',"
        " next_attempt_at = least(next_attempt_at, now() - interval '1 s')"
        " where doubted_until is not null",
    )


async def _expire_leases(database: Database) -> None:
    await execute(
        database,
        "update directed_object set lease_until = now() - interval '1 s' where state = 'in_flight'",
    )


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.req("RT-39")
async def test_a_page_shows_the_readers_sessions_alone(store: PostgresSessionStore) -> None:
    for number, receiver in enumerate([EMSP, OTHER, EMSP]):
        await store.take(make_change(number, session_id=f"S{number}", receiver=receiver))
    shown = await store.page(EMSP, PageRequest(BEGIN, None, 0, 10))
    assert [json.loads(text)["kwh"] for text in shown.page.texts] == [0, 2]
    assert shown.versions == (1, 1)


async def test_what_was_fetched_is_delivered_in_the_version_that_was_shown(
    store: PostgresSessionStore,
) -> None:
    for session_id in ("OLD", "NEW"):
        await store.take(make_change(session_id=session_id, start=Start.PULL))
    shown = await store.page(EMSP, PageRequest(BEGIN, None, 0, 10))
    await store.take(patch(1, session_id="NEW", start=Start.PULL))
    await store.fetched(EMSP, shown)
    old, new = await row_of(store, "OLD"), await row_of(store, "NEW")
    assert (old.state, old.sent_version) == (S.DELIVERED, 1)
    assert (new.state, new.sent_version) == (S.PENDING, 0)


async def test_sessions_are_found_by_their_id_alone(store: PostgresSessionStore) -> None:
    await store.take(make_change(session_id="Some/Id"))
    other = ObjectKey("sessions", OTHER, "some/id")
    await store.take(replace(make_change(), key=other))
    assert {row.key.owner for row in await store.called("sOmE/iD")} == {CPO, OTHER}


async def test_looking_up_an_id_follows_its_index(database: Database) -> None:
    await execute(
        database,
        "insert into directed_object (module, country_code, party_id, object_id,"
        " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
        " correlation_id, state, sent_version)"
        " select case when n % 2 = 0 then 'cdrs' else 'sessions' end, 'NL', 'CPO', 'ID-' || n,"
        " 'DE', 'MSP', '{}', 'x', now(), 'c', 'delivered', 1 from generate_series(1, 20000) n",
    )
    await execute(database, "analyze directed_object")
    async with database.transaction() as connection:
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        rows = await connection.fetch(f"explain {SQL.called}", "ID-7")
        fetch = await connection.fetch(f"explain {SQL.fetched}", "DE", "MSP", [1], [1])
        page = await connection.fetch(
            f"explain {CUSTODY_SQL.page}", "sessions", "DE", "MSP", 0, None, None, 0, 100, None
        )
    assert "directed_object_session" in "\n".join(row[0] for row in rows)
    for plan in (rows, fetch, page):
        assert "Seq Scan on directed_object" not in "\n".join(row[0] for row in plan)
