"""Message records on a real PostgreSQL: written, paged, and dropped by the day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.domain.exchange import LegInfo, LegKind
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.message_record import (
    Direction,
    MessageFilter,
    MessageRecord,
    Outcome,
    SeenLeg,
)
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId
from ocpi_hub.store import messages
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.message_days import MessageDays
from ocpi_hub.store.messages import SQL, PostgresMessages, PostgresMessageWriter
from tests.support.directory import until
from tests.support.outage import outage
from tests.support.postgres import PostgresServer, make_settings
from tests.support.stores import execute, value

NOW = datetime.now(UTC)
CPO, EMSP, OTHER = PartyId("NL", "CPO"), PartyId("DE", "MSP"), PartyId("FR", "MSP")
SEEN = SeenLeg(
    LegInfo(LegKind.RELAY, None, None, None, "cdrs", None, MessageIds("r", "c")),
    "GET",
    "",
    NOW,
    0.0,
    Outcome.ANSWERED,
    200,
    1000,
    None,
    0,
    0,
)


def make_record(**overrides: Any) -> MessageRecord:
    record = MessageRecord(
        at=NOW,
        kind=LegKind.RELAY,
        platform_id=PlatformId("p-1"),
        sender=CPO,
        receiver=EMSP,
        module="cdrs",
        interface_role=InterfaceRole.RECEIVER,
        method="POST",
        path="/cdrs",
        http=200,
        ocpi=1000,
        ms=12.25,
        correlation_id="correlation-1",
        request_id="request-1",
        request_bytes=10,
        response_bytes=20,
        outcome=Outcome.ANSWERED,
    )
    return replace(record, **overrides)


class Writing:
    """A writer whose records a test makes up."""

    def __init__(self, database: Database, *, queue_rows: int = 100) -> None:
        self._records: list[MessageRecord] = []
        self.days = MessageDays(database, keep_days=30)
        contents = MessageDays(database, keep_days=7, table="message_content")
        store = PostgresMessageWriter(
            database, self.days, contents, lambda _: self._records.pop(0), queue_rows=queue_rows
        )
        self.writer = store.records

    def offer(self, *records: MessageRecord) -> None:
        for record in records:
            if self.writer.offer(SEEN):
                self._records.append(record)

    async def write(self, *records: MessageRecord) -> None:
        wanted = self.writer.written + len(records)
        self.offer(*records)
        await until(lambda: self.writer.written >= wanted)


@asynccontextmanager
async def writing(database: Database, *, queue_rows: int = 100) -> AsyncIterator[Writing]:
    stop = asyncio.Event()
    result = Writing(database, queue_rows=queue_rows)
    loop = asyncio.ensure_future(result.writer.run(stop))
    try:
        yield result
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await loop


async def write(database: Database, *records: MessageRecord) -> PostgresMessages:
    async with writing(database, queue_rows=10_000) as result:
        await result.write(*records)
    return PostgresMessages(database)


async def listed(store: PostgresMessages, **wanted: Any) -> list[str]:
    page = await store.page(100, MessageFilter(**wanted))
    return [record.request_id for record in page.items]


# Writing ------------------------------------------------------------------------------------------


async def test_records_are_read_as_they_were_written(database: Database) -> None:
    full = make_record(
        error="no such thing",
        request_body=b"\x00\xff",
        response_body=b"",
        request_headers=(("Accept", "x"), ("Accept", "y")),
        response_headers=(),
        cut=True,
    )
    sparse = make_record(
        at=NOW - timedelta(milliseconds=1),
        kind=LegKind.INBOUND,
        platform_id=None,
        sender=None,
        receiver=None,
        interface_role=None,
        http=None,
        ocpi=None,
        response_bytes=None,
        outcome=Outcome.NO_ANSWER,
    )
    store = await write(database, full, sparse)
    assert await store.legs("correlation-1") == [sparse, full]
    bare = replace(
        full, request_body=None, response_body=None, request_headers=None, response_headers=None
    )
    assert (await store.page(10)).items == [bare, sparse]


async def test_bodies_of_older_processes_are_read_too(database: Database) -> None:
    store = await write(database, make_record())
    await execute(database, "update message set request_body = 'old'")
    (leg,) = await store.legs("correlation-1")
    assert (leg.request_body, leg.request_headers) == (b"old", None)


async def test_bodies_of_a_correlation_id_are_read_as_far_as_memory_allows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "CONTENT_BYTES", 25)
    times = [NOW + timedelta(milliseconds=n) for n in range(4)]
    store = await write(database, *(make_record(at=at, request_body=b"ten bytes.") for at in times))
    found = await store.legs("correlation-1")
    assert [leg.request_body is not None for leg in found] == [True, True, False, False]


async def test_bodies_go_before_the_records_of_their_messages(database: Database) -> None:
    store = await write(database, make_record(request_body=b"body"), make_record())
    contents = MessageDays(database, keep_days=7, table="message_content")
    await add_day(database, 8, "message_content")
    await add_day(database, 7, "message_content")
    dropped = await contents.drop_old()
    assert dropped == [NOW.date() - timedelta(days=8)]
    assert len(await days_of(database, "message_content")) == 5
    assert await value(database, "select count(*) from message_content") == 1
    await execute(database, f"drop table message_content_{NOW:%Y%m%d}")
    assert [leg.request_body for leg in await store.legs("correlation-1")] == [None, None]


async def test_records_of_days_without_a_table_are_dropped_and_others_are_not(
    database: Database,
) -> None:
    async with writing(database) as result:
        far = [NOW + timedelta(days=400), NOW - timedelta(days=400)]
        result.offer(*(make_record(at=at) for at in far), make_record(request_id="today"))
        await until(lambda: result.writer.written == 1)
        assert result.writer.dropped == 2
        result.offer(make_record(at=far[0]))
        await until(lambda: result.writer.dropped == 3)
    assert await listed(PostgresMessages(database)) == ["today"]


async def test_a_day_whose_table_has_gone_is_made_when_it_is_needed(database: Database) -> None:
    async with database.connection() as connection:
        for table in ("message", "message_content"):
            for row in await connection.fetch(SQL.days, table):
                await connection.execute(f"drop table {table}_{row['day']:%Y%m%d}")
    assert await listed(await write(database, make_record())) == ["request-1"]


async def test_an_outage_costs_records_and_nothing_else(
    postgres_server: PostgresServer, address: DatabaseAddress
) -> None:
    settings = make_settings(database_acquire_timeout_s=1.0)
    database = await Database.open(address, settings)
    try:
        async with writing(database, queue_rows=5) as result:
            await result.write(make_record(request_id="before"))
            async with outage(postgres_server, address):
                result.offer(*(make_record(request_id="meanwhile") for _ in range(9)))
                assert result.writer.dropped >= 4
                await until(lambda: result.writer.dropped >= 9)
            await result.write(make_record(request_id="after"))
        assert await listed(PostgresMessages(database)) == ["after", "before"]
    finally:
        await database.close()


# Days ---------------------------------------------------------------------------------------------


async def days_of(database: Database, table: str = "message") -> list[date]:
    async with database.connection() as connection:
        return [row["day"] for row in await connection.fetch(SQL.days, table)]


async def add_day(database: Database, days_ago: int, table: str = "message") -> None:
    async with database.connection() as connection:
        await connection.execute(
            """do $$
            declare day date := (now() at time zone 'UTC')::date - """
            + str(int(days_ago))
            + """;
            begin
                execute format('create table %I partition of """
            + table
            + """ for values from (%L) to (%L)',
                    '"""
            + table
            + """_' || to_char(day, 'YYYYMMDD'), day::timestamp at time zone 'UTC',
                    (day + 1)::timestamp at time zone 'UTC');
            end $$"""
        )


async def test_days_are_made_ahead_and_dropped_when_too_old(database: Database) -> None:
    days = MessageDays(database, keep_days=7)
    for ago in (7, 8, 20):
        await add_day(database, ago)
    await days.make()
    dropped = await days.drop_old()
    left = await days_of(database)
    today = left[1]
    assert dropped == [today - timedelta(days=20), today - timedelta(days=8)]
    assert left == [today - timedelta(days=7), *(today + timedelta(days=n) for n in range(4))]
    assert days.has(datetime.now(UTC))
    assert not days.has(datetime.now(UTC) - timedelta(days=8))


async def test_several_processes_make_and_drop_days_at_once(database: Database) -> None:
    async with database.connection() as connection:
        for day in await days_of(database):
            await connection.execute(f"drop table message_{day:%Y%m%d}")
    for ago in range(40, 45):
        await add_day(database, ago)
    stop = asyncio.Event()
    processes = [MessageDays(database, keep_days=30) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for days in processes:
            group.create_task(days.run(stop))

        async def settled() -> bool:
            return len(await days_of(database)) == 4 and all(
                days.has(datetime.now(UTC)) for days in processes
            )

        await until(settled)
        stop.set()


# Reading ------------------------------------------------------------------------------------------


async def test_pages_are_newest_first_and_lose_nothing(database: Database) -> None:
    # Equal times: only the serial tells them apart.
    times = [NOW - timedelta(seconds=n // 3) for n in range(10)]
    store = await write(
        database, *(make_record(at=at, request_id=f"r{n}") for n, at in enumerate(times))
    )
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.page(4, after=cursor)
        seen += [record.request_id for record in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"r{n}" for n in range(10))
    assert [int(name[1:]) // 3 for name in seen] == sorted(n // 3 for n in range(10))
    assert len((await store.page(10)).items) == 10
    assert (await store.page(10)).next is None


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"platform_id": PlatformId("p-2")}, {"platform_id": "p-2"}),
        ({"sender": OTHER}, {"party": OTHER}),
        ({"receiver": OTHER}, {"party": OTHER}),
        ({"module": "tokens"}, {"module": "tokens"}),
        ({"kind": LegKind.INBOUND}, {"direction": Direction.IN}),
        ({"http": 503}, {"http_class": 5}),
        ({"outcome": Outcome.BUSY, "http": None}, {"outcome": Outcome.BUSY}),
        ({"outcome": Outcome.BUSY, "http": None, "ocpi": None}, {"failed": True}),
        ({"http": 404}, {"failed": True}),
        ({"ocpi": 2001}, {"failed": True}),
        ({"ocpi": 3002}, {"ocpi_class": 3}),
        ({"method": "PATCH"}, {"method": "PATCH"}),
        ({"correlation_id": "other"}, {"correlation_id": "other"}),
        ({"at": NOW + timedelta(seconds=5)}, {"since": NOW + timedelta(seconds=5)}),
        ({"at": NOW - timedelta(seconds=5)}, {"until": NOW}),
        (
            {"kind": LegKind.INBOUND, "module": "tokens", "sender": OTHER},
            {"direction": Direction.IN, "module": "tokens", "party": OTHER, "failed": False},
        ),
    ],
)
async def test_records_are_filtered(
    database: Database, fields: dict[str, Any], wanted: dict[str, Any]
) -> None:
    hit = make_record(request_id="hit", **fields)
    store = await write(database, make_record(), hit, make_record())
    assert await listed(store, **wanted) == ["hit"]


async def test_legs_of_a_correlation_id_come_in_the_order_in_which_they_began(
    database: Database,
) -> None:
    legs = [
        make_record(at=NOW, request_id="in", kind=LegKind.INBOUND),
        make_record(at=NOW + timedelta(milliseconds=1), request_id="out"),
    ]
    other = make_record(correlation_id="other")
    store = await write(database, legs[1], other, legs[0])
    assert await store.legs("correlation-1") == legs
    assert await store.legs("correlation-1", 1) == legs[:1]


@pytest.mark.parametrize(
    ("platform", "correlation", "failed", "index"),
    [(None, None, None, "_at_serial_idx"), ("p-7", None, None, "_platform_id_at_serial_idx"),
     (None, "c-7", None, "_correlation_id_idx"), (None, None, True, "_at_serial_idx1")],
)  # fmt: skip
async def test_lists_find_their_index(
    database: Database,
    platform: str | None,
    correlation: str | None,
    failed: bool | None,
    index: str,
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            """insert into message (at, kind, direction, platform_id, module, method, path, ms,
                   correlation_id, request_id, request_bytes, outcome, cut)
               select now(), 'relay', 'out', 'p-' || n % 500, 'cdrs', 'GET', '/', 1, 'c-' || n, 'r',
                   0, 'answered', false
               from generate_series(1, 5000) n"""
        )
        await connection.execute("analyze message")
    async with database.planned() as connection:
        arguments = [10, None, None, platform, *[None] * 5, failed, correlation, *[None] * 6]
        rows = await connection.fetch(f"explain {SQL.list_messages}", *arguments)
    assert any(index in row[0] for row in rows), rows


async def test_a_long_queue_is_written_in_several_batches(database: Database) -> None:
    store = await write(database, *(make_record(request_id=f"r{n}") for n in range(1200)))
    assert len((await store.page(2000)).items) == 1200


async def test_a_page_that_goes_through_so_many_records_leads_to_the_others(
    database: Database,
) -> None:
    store = await write(
        database,
        *(
            make_record(request_id=f"r{n}", module="cdrs" if n in (0, 1, 6) else "tokens")
            for n in range(9)
        ),
    )
    wanted = MessageFilter(module="cdrs")
    page = await store.page(2, wanted, looked_at=3)
    pages = [len(page.items)]
    found = [*page.items]
    while page.next is not None:
        page = await store.page(2, wanted, after=page.next, looked_at=3)
        pages.append(len(page.items))
        found += page.items
    assert found == (await store.page(9, wanted)).items
    assert pages == [1, 0, 2, 0]
    failures = await store.page(9, MessageFilter(failed=True), looked_at=1)
    assert (failures.items, failures.next) == ([], None)
