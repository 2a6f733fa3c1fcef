"""Stores with running writers, and rows that tests need around them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpi_hub.delivery.custody import Attempt, AttemptReport, Intake, Patience, Start
from ocpi_hub.delivery.verdict import Verdict
from ocpi_hub.domain.objects import DirectedState, LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from ocpi_hub.store.sessions import PostgresSessionStore
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.writer import BatchWriter
from tests.support.factories import CPO, EMSP

PATIENCE = Patience(5.0, 3600.0, timedelta(days=90))
LEASE = timedelta(seconds=40)
UPDATED = datetime(2026, 10, 1, 9, 31, tzinfo=UTC)

OK = LastAnswer(201, 1000, None)
NO = LastAnswer(200, 2001, "not mine")
NOTHING = LastAnswer(None, None, "connection refused")
BROKEN = LastAnswer(500, None, "the answer is no OCPI envelope")


@asynccontextmanager
async def writing(*writers: BatchWriter[Any, Any]) -> AsyncIterator[None]:
    """The loops of writers."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.run(stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def custody_store(
    database: Database, *, lease: timedelta = LEASE, patience: Patience = PATIENCE
) -> AsyncIterator[PostgresCustodyStore]:
    """A custody store of one process."""
    store = PostgresCustodyStore(
        database, lease=lease, patience=patience, batch_rows=1000, batch_queue_rows=20_000
    )
    async with writing(store.intakes, store.reports):
        yield store


@asynccontextmanager
async def session_store(
    database: Database, *, lease: timedelta = LEASE
) -> AsyncIterator[PostgresSessionStore]:
    """A store of sessions of one process."""
    store = PostgresSessionStore(database, lease=lease, batch_rows=1000, batch_queue_rows=20_000)
    async with writing(store.changes):
        yield store


@asynccontextmanager
async def shared_store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    """A shared store of one process."""
    store = PostgresSharedStore(
        database, relay_time=LEASE, batch_rows=1000, batch_queue_rows=20_000
    )
    async with writing(store.changes):
        yield store


@asynccontextmanager
async def feed_store(
    database: Database, *, gap_lease: timedelta = LEASE
) -> AsyncIterator[PostgresFeedStore]:
    """A feed store of one process."""
    store = PostgresFeedStore(database, gap_lease=gap_lease, batch_rows=100, batch_queue_rows=1000)
    async with writing(store.questions, store.gaps):
        yield store


def cdr_key(cdr_id: str = "CDR-1", *, owner: PartyId = CPO) -> ObjectKey:
    return ObjectKey("cdrs", owner, cdr_id)


def make_intake(
    cdr_id: str = "CDR-1",
    *,
    body: str = '{"total":1.0}',
    start: Start = Start.SEND,
    receiver: PartyId = EMSP,
    owner: PartyId = CPO,
    last_updated: datetime = UPDATED,
    reason: str | None = None,
    resend: bool = True,
    batch_due_at: datetime | None = None,
) -> Intake:
    return Intake(
        key=cdr_key(cdr_id, owner=owner),
        receiver=receiver,
        body=body,
        fingerprint=fingerprint(body),
        last_updated=last_updated,
        correlation_id=f"correlation-of-{cdr_id}",
        start=start,
        attempt_id=uuid.uuid4(),
        reason=reason,
        resend=resend,
        batch_due_at=batch_due_at,
    )


def ended(attempt: Attempt, verdict: Verdict, *, acknowledged: bool = False) -> AttemptReport:
    return AttemptReport(attempt, verdict, acknowledged)


async def taken(store: PostgresCustodyStore, intake: Intake) -> Attempt:
    """Take an object in; the caller gets the attempt."""
    result = await store.take_in(intake)
    assert result.attempt is not None
    return result.attempt


async def state_of(store: PostgresCustodyStore, cdr_id: str = "CDR-1") -> DirectedState:
    row = await store.find(cdr_key(cdr_id))
    assert row is not None
    return row.state


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition that other tasks or processes bring about holds."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110  # it comes true in the database
            await asyncio.sleep(0.01)


async def insert_platform(
    database: Database,
    platform_id: str,
    *,
    parties: Iterable[PartyId] = (),
    modules: Iterable[str] = ("cdrs",),
    online: bool = True,
    contact_ago: timedelta | None = timedelta(hours=1),
) -> None:
    """A connected platform that announced SENDER interfaces and was heard from a while ago."""
    async with database.transaction() as connection:
        await connection.execute(
            "insert into platform (platform_id, name, state, online, ocpi_version, versions_url,"
            " our_token_sealed, connected_at) values ($1, $1, 'connected', $2, '2.2.1',"
            " 'https://p.example/versions', 'sealed', now() - interval '1 day')",
            platform_id,
            online,
        )
        for party in parties:
            await connection.execute(
                "insert into party (country_code, party_id, platform_id) values ($1, $2, $3)",
                party.country_code,
                party.party_id,
                platform_id,
            )
        for module in modules:
            await connection.execute(
                "insert into endpoint values ($1, '2.2.1', $2, 'SENDER', 'https://p.example/x')",
                platform_id,
                module,
            )
        if contact_ago is not None:
            await connection.execute(
                "insert into platform_contact (platform_id, last_contact_at)"
                " values ($1, now() - $2::interval)",
                platform_id,
                contact_ago,
            )


async def execute(database: Database, sql: str, *arguments: object) -> None:
    async with database.connection() as connection:
        await connection.execute(sql, *arguments)


async def value(database: Database, sql: str, *arguments: object) -> Any:
    """The first value of a query's result."""
    async with database.connection() as connection:
        return await connection.fetchval(sql, *arguments)
