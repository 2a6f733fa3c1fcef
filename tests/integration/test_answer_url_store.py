"""The hub's URLs for asynchronous answers on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery import answer_url as module
from ocpi_hub.delivery.answer_url import AnswerUrl, AnswerUrlSweep
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.addressees import PostgresAddressees
from ocpi_hub.store.answer_url import PostgresAnswerUrlStore
from ocpi_hub.store.database import Database
from tests.support.factories import CPO, EMSP
from tests.support.stores import eventually, execute, value, writing

KEEP = timedelta(hours=1)
LONGEST = timedelta(days=30)
OTHER = PartyId("FR", "MSP")
SOON = "expires_at between now() + interval '55 minutes' and now() + interval '65 minutes'"


@asynccontextmanager
async def answer_urls(database: Database) -> AsyncIterator[PostgresAnswerUrlStore]:
    """The store of one process."""
    store = PostgresAnswerUrlStore(
        database, keep=KEEP, longest=LONGEST, batch_rows=100, batch_queue_rows=1000
    )
    async with writing(store.writes):
        yield store


def make_answer(
    answer_id: str = "A1",
    *,
    module: str = "commands",
    action: str = "RESERVE_NOW",
    subject: str = "",
    requester: PartyId = EMSP,
    receiver: PartyId = CPO,
    until: datetime | None = None,
) -> AnswerUrl:
    return AnswerUrl(
        answer_id,
        "https://msp.example/r?id=ü%20&x=1",
        module,
        action,
        subject,
        requester,
        receiver,
        "correlation-1",
        until,
    )


async def lives(database: Database, condition: str, answer_id: str = "A1") -> bool:
    query = f"select {condition} from answer_url where answer_id = $1"  # noqa: S608 - our own
    return bool(await value(database, query, answer_id))


@pytest.mark.req("CM-04", "CP-14")
async def test_another_process_finds_what_was_kept(database: Database) -> None:
    async with answer_urls(database) as one, answer_urls(database) as other:
        await one.keep(make_answer())
        assert await other.find("A1") == make_answer()
        assert await other.find("A2") is None
    async with answer_urls(database) as restarted:
        assert await restarted.find("A1") == make_answer()


@pytest.mark.req("CM-09")
async def test_a_mapping_lives_for_a_while_or_until_the_reservation_ends_and_longer(
    database: Database,
) -> None:
    now = datetime.now(UTC)
    async with answer_urls(database) as store:
        await store.keep(make_answer())
        await store.keep(make_answer("PAST", until=now - timedelta(days=1)))
        await store.keep(make_answer("RESERVED", until=now + timedelta(days=2)))
        await store.keep(make_answer("ENDLESS", until=datetime(9999, 1, 1, tzinfo=UTC)))
    assert await lives(database, SOON)
    assert await lives(database, SOON, "PAST")
    assert await lives(database, "expires_at > now() + interval '48 hours 55 minutes'", "RESERVED")
    assert await lives(database, "expires_at < now() + interval '31 days'", "ENDLESS")


@pytest.mark.req("CM-09")
async def test_a_long_timeout_of_the_receiver_keeps_a_mapping_for_longer(
    database: Database,
) -> None:
    async with answer_urls(database) as store:
        await store.keep(make_answer())
        await store.extend("A1", 7200)
        assert await lives(database, "expires_at > now() + interval '2 hours 55 minutes'")
        await store.extend("A1", 10)
        assert await lives(database, "expires_at > now() + interval '2 hours 50 minutes'")
        await store.extend("A1", 10**30)
        assert await lives(database, "expires_at < now() + interval '31 days'")


@pytest.mark.req("CM-10")
async def test_what_has_ended_is_not_found(database: Database) -> None:
    async with answer_urls(database) as store:
        await asyncio.gather(*(store.keep(make_answer(f"A{n}")) for n in range(3)))
        await asyncio.gather(store.end("A0"), store.end("A2"), store.end("NONE"))
        assert [await store.find(f"A{n}") is not None for n in range(3)] == [False, True, False]


@pytest.mark.req("CM-09")
async def test_expired_mappings_are_not_found_and_are_removed_in_small_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    async with answer_urls(database) as store:
        await asyncio.gather(*(store.keep(make_answer(f"A{n}")) for n in range(6)))
        await execute(
            database,
            "update answer_url set created_at = now() - interval '2 hours',"
            " expires_at = now() - interval '1 second' where answer_id <> 'A3'",
        )
        assert await store.find("A1") is None
        assert await store.find("A3") is not None
        await asyncio.gather(*(AnswerUrlSweep(store).sweep(asyncio.Event()) for _ in range(3)))
        assert await value(database, "select array_agg(answer_id) from answer_url") == ["A3"]


async def test_a_stop_ends_the_loop(database: Database) -> None:
    async with answer_urls(database) as store:
        await store.keep(make_answer())
        await execute(
            database,
            "update answer_url set created_at = now() - interval '2 hours',"
            " expires_at = now() - interval '1 second'",
        )
        stop = asyncio.Event()
        loop = asyncio.ensure_future(AnswerUrlSweep(store).run(stop))

        async def swept() -> bool:
            return not await value(database, "select count(*) from answer_url")

        await eventually(swept)
        stop.set()
        async with asyncio.timeout(10):
            await loop


@pytest.mark.req("RT-37")
async def test_reservations_and_profiles_tell_who_was_asked(database: Database) -> None:
    second = PartyId("BE", "TWO")
    addressees = PostgresAddressees(database)
    async with answer_urls(database) as store:
        await store.keep(make_answer("A1", subject="RES1"))
        await store.keep(make_answer("A2", subject="RES1", receiver=second, requester=OTHER))
        await store.keep(make_answer("A3"))
        for number, (action, who) in enumerate([("PUT", EMSP), ("PUT", EMSP), ("GET", OTHER)]):
            await store.keep(
                make_answer(
                    f"P{number}",
                    module="chargingprofiles",
                    action=action,
                    subject="S1",
                    requester=who,
                )
            )
    assert await addressees.with_reservation("res1", EMSP) == {CPO}
    assert await addressees.with_reservation("res1", OTHER) == {second}
    assert await addressees.with_reservation("", EMSP) == set()
    assert await addressees.with_profile("s1", CPO) == {EMSP}
    assert await addressees.with_profile("s1", second) == set()
