"""Lists of directed objects, and the plans of the hot queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.shared import Page
from ocpi_hub.delivery.verdict import Refused
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.paging import Cursor, PageRequest
from ocpi_hub.store.custody import SQL, PostgresCustodyStore
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.shared import SQL as SHARED_SQL
from tests.support.factories import EMSP
from tests.support.stores import (
    NO,
    UPDATED,
    custody_store,
    ended,
    execute,
    make_intake,
    taken,
    value,
)

OTHER = PartyId("FR", "OTH")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


def ask(*, limit: int = 100, offset: int = 0, after: Page | None = None) -> PageRequest:
    cursor = None
    if after is not None:
        assert after.last_serial is not None
        cursor = Cursor(after.last_serial, after.total)
    return PageRequest(None, None, offset, limit, cursor)


@pytest.mark.req("TF-15")
async def test_pages_are_stable_while_objects_are_added(store: PostgresCustodyStore) -> None:
    for number in range(7):
        await store.take_in(make_intake(f"C{number}", body=f"[{number}]"))
    first = await store.page("cdrs", EMSP, ask(limit=3))
    await store.take_in(make_intake("NEW", body="[7]"))
    second = await store.page("cdrs", EMSP, ask(limit=3, offset=3, after=first))
    by_offset = await store.page("cdrs", EMSP, ask(limit=3, offset=3))
    third = await store.page("cdrs", EMSP, ask(limit=3, offset=6, after=second))
    assert first.texts + second.texts + third.texts == tuple(f"[{n}]" for n in range(8))
    assert by_offset.texts == second.texts
    assert [page.total for page in (first, second, by_offset, third)] == [7, 7, 8, 7]
    assert first.last_serial == first.serials[-1]
    assert third.last_serial is None


@pytest.mark.req("CD-09")
async def test_a_page_shows_the_readers_objects_and_none_that_is_held(
    store: PostgresCustodyStore,
) -> None:
    await store.take_in(make_intake("MINE", body="1"))
    await store.take_in(make_intake("HELD", body="2", start=Start.HOLD))
    await store.take_in(make_intake("PULL", body="3", start=Start.PULL))
    await store.take_in(make_intake("THEIRS", body="4", receiver=OTHER))
    page = await store.page("cdrs", EMSP, ask())
    assert (page.texts, page.total, page.last_serial) == (("1", "3"), 2, None)
    assert (await store.page("sessions", EMSP, ask())).total == 0


async def seen_since_forever(database: Database) -> None:
    """Only `last_updated` counts then."""
    await execute(database, "update directed_object set visible_at = '-infinity'")


@pytest.mark.req("TF-13")
async def test_the_date_window_includes_its_beginning_and_excludes_its_end(
    store: PostgresCustodyStore, database: Database
) -> None:
    for hours in range(4):
        updated = UPDATED + timedelta(hours=hours)
        await store.take_in(make_intake(f"C{hours}", body=f"{hours}", last_updated=updated))
    await seen_since_forever(database)
    window = PageRequest(UPDATED + timedelta(hours=1), UPDATED + timedelta(hours=3), 0, 10)
    page = await store.page("cdrs", EMSP, window)
    assert (page.texts, page.total) == (("1", "2"), 2)


async def test_whoever_asks_for_news_only_sees_what_became_visible_late(
    store: PostgresCustodyStore, database: Database
) -> None:
    await store.take_in(make_intake("OLD", body="1"))
    await store.take_in(make_intake("HELD", body="2", start=Start.HOLD))
    await store.take_in(make_intake("DEAD", body="3"))
    await seen_since_forever(database)
    await execute(
        database,
        "update directed_object set state = 'dead', lease_until = null where object_id = 'DEAD'",
    )
    polled_before: datetime = await value(database, "select now()")
    since = PageRequest(polled_before, None, 0, 10)
    assert (await store.page("cdrs", EMSP, since)).total == 0
    # Its owner changed it months ago and brings it only now.
    await store.take_in(make_intake("LATE", body="4", start=Start.PULL))
    admin = CustodyAdmin(database, "cdrs")
    again = [DirectedState.HELD, DirectedState.DEAD]
    assert len(await admin.send_again(again, by="a test", reason="looked at")) == 2
    page = await store.page("cdrs", EMSP, since)
    assert (page.texts, page.total) == (("2", "4"), 2)
    # In a window that is over they are not: nobody saw them in it.
    over = PageRequest(UPDATED, polled_before, 0, 10)
    assert (await store.page("cdrs", EMSP, over)).texts == ("1", "3")


async def test_new_content_after_a_refusal_is_news(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake("AGAIN", body="1"))
    await store.record(ended(attempt, Refused(NO)))
    await seen_since_forever(database)
    since = PageRequest(await value(database, "select now()"), None, 0, 10)
    await store.take_in(make_intake("AGAIN", body="2"))
    assert (await store.page("cdrs", EMSP, since)).texts == ("2",)


async def test_a_page_ends_with_its_bytes_but_shows_one_object_at_least(
    store: PostgresCustodyStore,
) -> None:
    heavy = {"A": 10, "B": 500, "C": 10, "D": 10}
    for name, size in heavy.items():
        await store.take_in(make_intake(name, body=f'"{name * (size - 2)}"'))
    first = PageRequest(None, None, 0, 10, max_bytes=100)
    shown: list[list[str]] = []
    page = await store.page("cdrs", EMSP, first)
    while True:
        shown.append([text[1] for text in page.texts])
        if page.last_serial is None:
            break
        assert page.last_serial == page.serials[-1]
        after = Cursor(page.last_serial, page.total)
        page = await store.page("cdrs", EMSP, replace(first, cursor=after))
    assert shown == [["A"], ["B"], ["C", "D"]]
    skipped = await store.page("cdrs", EMSP, replace(first, offset=2))
    assert (len(skipped.texts), skipped.total) == (2, 4)


# Plans -------------------------------------------------------------------------------------------


async def _fill(database: Database) -> None:
    """50,000 objects of 100 receivers, most of them delivered long ago."""
    await execute(
        database,
        "insert into directed_object (module, country_code, party_id, object_id,"
        " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
        " correlation_id, state, sent_version, next_attempt_at)"
        " select 'cdrs', 'NL', 'CPO', 'CDR-' || n, 'DE', 'R' || lpad((n % 100)::text, 2, '0'),"
        " '{}', 'x', now(), 'c', case when n % 50 = 0 then 'pending' else 'delivered' end,"
        " (n % 50 <> 0)::int, case when n % 50 = 0 then now() end"
        " from generate_series(1, 50000) n",
    )
    await execute(database, "analyze directed_object")


async def _plan(connection: Connection, sql: str, *arguments: object) -> str:
    """The plan that is used in the long run, after the first executions of a statement."""
    await connection.execute("set local plan_cache_mode = force_generic_plan")
    rows = await connection.fetch(f"explain {sql}", *arguments)
    return "\n".join(row[0] for row in rows)


async def test_hot_queries_of_custody_use_their_indexes(database: Database) -> None:
    await _fill(database)
    receivers = [f"R{n:02}" for n in range(100)]
    async with database.transaction() as connection:
        due = await _plan(connection, SQL.due_receivers, ["DE"] * 100, receivers)
        wait = await _plan(
            connection, SQL.make_announced_due, ["cdrs"] * 100, ["DE"] * 100, receivers
        )
        claim = await _plan(connection, SQL.claim, "DE", "R50", 16, timedelta(seconds=40))
        page = await _plan(
            connection, SQL.page, "cdrs", "DE", "R50", 9000, None, None, 0, 100, None
        )
        count = await _plan(connection, SQL.count, "cdrs", "DE", "R50", None, None)
        keys = [["cdrs"] * 3, ["NL"] * 3, ["CPO"] * 3, ["CDR-1", "CDR-2", "CDR-3"]]
        lock = await _plan(connection, SQL.lock_rows, *keys)
    assert "directed_object_due" in due
    assert "directed_object_due" in claim
    assert "directed_object_to_pull" in wait
    assert "directed_object_inbox" in page
    assert "Seq Scan" not in count
    assert "directed_object_pkey" in lock
    for plan in (due, wait, claim, page, lock):
        assert "Seq Scan on directed_object" not in plan, plan


async def test_a_page_of_shared_objects_follows_the_list_index(database: Database) -> None:
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, position, body,"
        " last_updated, origin, correlation_id)"
        " select 'tokens', 'DE', 'MSP', 'T' || n, nextval('shared_object_position'), '{}', now(),"
        " 'broadcast', 'c' from generate_series(1, 50000) n",
    )
    await execute(database, "analyze shared_object")
    async with database.transaction() as connection:
        page = await _plan(
            connection, SHARED_SQL.page,
            "tokens", "NL*CPO", ["DE"], ["MSP"], 40_000, None, None, 0, 1000, None, False,
        )  # fmt: skip
    assert "shared_object_list" in page, page
    assert "Sort" not in page, page


async def test_claims_stay_right_under_the_generic_plan(store: PostgresCustodyStore) -> None:
    for number in range(40):
        await store.take_in(make_intake(f"C{number}", start=Start.WAIT))
    claimed = [await store.claim(EMSP, 3) for _ in range(12)]
    assert [len(attempts) for attempts in claimed] == [3] * 12
    more = await asyncio.gather(*[store.claim(EMSP, 3) for _ in range(3)])
    assert sum(len(attempts) for attempts in more) == 4


async def test_who_polls_is_answered_without_a_look_at_all_that_came_before(
    database: Database, store: PostgresCustodyStore
) -> None:
    await _fill(database)
    everything = (PartyId("DE", "R01"), PageRequest(None, None, 0, 10))
    await execute(
        database,
        "update directed_object set receiver_party_id = 'R01',"
        " last_updated = now() - serial * interval '1 min',"
        " visible_at = now() - serial * interval '1 min'",
    )
    await execute(database, "analyze directed_object")
    # A plan for whatever is asked for is made after some times.
    for _ in range(10):
        assert (await store.page("cdrs", *everything)).total == 50_000
    since = await value(database, "select now() - interval '30 min'")
    lately = await store.page("cdrs", everything[0], PageRequest(since, None, 0, 100))
    assert 28 <= lately.total == len(lately.texts) <= 30
    async with database.planned() as connection:
        for query, arguments in (
            (SQL.count, ["cdrs", "DE", "R01", since, None]),
            (SQL.page, ["cdrs", "DE", "R01", 0, since, None, 0, 100, None]),
        ):
            rows = await connection.fetch(f"explain {query}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert "directed_object_window" in plan, plan
