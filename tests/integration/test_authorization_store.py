"""Token look-ups and evidence on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord, LegRecord
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import Overloaded
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.authorization import (
    SQL,
    DecisionFilter,
    PostgresDecisionStore,
    PostgresTokenLookup,
)
from ocpi_hub.store.database import Database
from tests.support.postgres import make_settings
from tests.support.stores import writing

CPO = PartyId("NL", "CPO")
OTHER_CPO = PartyId("BE", "CPO")
EMSP = PartyId("DE", "MSP")
OTHER = PartyId("FR", "MSP")
AT = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)


async def put_token(
    database: Database,
    owner: PartyId = EMSP,
    uid: str = "04a1",
    *,
    token_type: str = "RFID",  # noqa: S107 - a TokenType, not a secret
    audience: str = "*",
    deleted: bool = False,
    changed_at: datetime | None = None,
    **fields: object,
) -> str:
    """Store a token; returns its text."""
    text = json.dumps({"uid": uid, "valid": True, "whitelist": "ALLOWED", "n": 1.50, **fields})
    async with database.connection() as connection:
        await connection.execute(
            """insert into shared_object (module, country_code, party_id, object_id, object_type,
                   audience, position, body, last_updated, origin, correlation_id, deleted,
                   changed_at)
               values ('tokens', $1, $2, $3, $4, $5, nextval('shared_object_position'), $6::json,
                   now(), 'broadcast', 'c', $7, coalesce($8, now()))""",
            owner.country_code,
            owner.party_id,
            uid.upper(),
            token_type,
            audience,
            text,
            deleted,
            changed_at,
        )
    return text


async def put_platform(
    database: Database, party: PartyId, *, last_contact_at: datetime | None
) -> None:
    async with database.transaction() as connection:
        platform_id = f"p-{party}"
        await connection.execute(
            "insert into platform (platform_id, name, state) values ($1, $1, 'invited')",
            platform_id,
        )
        await connection.execute(
            "insert into party (country_code, party_id, platform_id) values ($1, $2, $3)",
            party.country_code,
            party.party_id,
            platform_id,
        )
        await connection.execute(
            "insert into platform_contact (platform_id, last_contact_at) values ($1, $2)",
            platform_id,
            last_contact_at,
        )


def make_decision(**overrides: Any) -> DecisionRecord:
    record = DecisionRecord(
        at=AT,
        uid="04a1B2",
        token_type="RFID",
        cpo=CPO,
        emsp=EMSP,
        location='{"location_id" : "LOC1", "n": 1.50}',
        decided_by=DecidedBy.EMSP,
        reason="answered",
        allowed="ALLOWED",
        reference="ref-1",
        http_status=200,
        status_code=1000,
        total_ms=12.5,
        legs=(LegRecord(EMSP, 11.25, "ALLOWED"), LegRecord(OTHER, 12.0, "cancelled")),
        correlation_id="correlation-1",
    )
    return replace(record, **overrides)


@pytest_asyncio.fixture
async def lookup(database: Database) -> AsyncIterator[PostgresTokenLookup]:
    found = PostgresTokenLookup(database, batch_rows=100, batch_queue_rows=100)
    async with writing(found.questions):
        yield found


@asynccontextmanager
async def running_store(database: Database) -> AsyncIterator[PostgresDecisionStore]:
    store = PostgresDecisionStore(database, batch_rows=100, batch_queue_rows=100)
    async with writing(store.decisions):
        yield store


# Look-ups -----------------------------------------------------------------------------------------


async def test_a_token_is_found_whatever_the_case_of_its_uid(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    text = await put_token(database, uid="04aB", valid=False, whitelist="NEVER")
    for uid in ("04aB", "04AB", "04ab"):
        (found,) = await lookup.find(uid, "RFID", CPO)
        assert (found.owner, found.valid, found.whitelist) == (EMSP, False, "NEVER")
        assert found.body == text


async def test_the_type_counts(database: Database, lookup: PostgresTokenLookup) -> None:
    await put_token(database, uid="1", token_type="APP_USER")
    assert await lookup.find("1", "RFID", CPO) == []
    assert len(await lookup.find("1", "APP_USER", CPO)) == 1


async def test_a_withdrawn_token_is_known_as_not_valid(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, uid="2", deleted=True)
    (found,) = await lookup.find("2", "RFID", CPO)
    assert (found.owner, found.valid, json.loads(found.body)["valid"]) == (EMSP, False, False)


async def test_a_live_token_stands_in_front_of_a_withdrawn_one_of_another_owner(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, uid="3", deleted=True)
    await put_token(database, owner=CPO, uid="3")
    (found,) = await lookup.find("3", "RFID", CPO)
    assert (found.owner, found.valid) == (CPO, True)


async def test_what_was_addressed_to_the_cpo_stands_in_front_of_a_broadcast(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, valid=True)
    await put_token(database, valid=False, audience=str(CPO))
    (for_cpo,) = await lookup.find("04a1", "RFID", CPO)
    (for_other,) = await lookup.find("04a1", "RFID", OTHER_CPO)
    assert (for_cpo.valid, for_other.valid) == (False, True)


async def test_what_was_addressed_to_another_cpo_is_not_seen(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, audience=str(OTHER_CPO))
    assert await lookup.find("04a1", "RFID", CPO) == []


async def test_every_owner_of_a_uid_is_found_once(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database)
    await put_token(database, OTHER)
    await put_token(database, OTHER, audience=str(CPO))
    found = await lookup.find("04a1", "RFID", CPO)
    assert [token.owner for token in found] == [EMSP, OTHER]


async def test_fields_of_another_kind_count_as_not_valid_and_not_storable(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, valid=None, whitelist=None)
    (found,) = await lookup.find("04a1", "RFID", CPO)
    assert (found.valid, found.whitelist) == (False, "")


async def age_of(lookup: PostgresTokenLookup) -> float:
    (found,) = await lookup.find("04a1", "RFID", CPO)
    assert found.knowledge_age_s is not None
    return found.knowledge_age_s


async def test_the_age_of_knowledge_counts_from_the_last_contact(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    now = datetime.now(UTC)
    await put_token(database, changed_at=now - timedelta(days=30))
    await put_platform(database, EMSP, last_contact_at=now - timedelta(hours=1))
    assert 3599 <= await age_of(lookup) < 3900


@pytest.mark.parametrize("contact_days_ago", [None, 30])
async def test_the_arrival_of_the_token_is_a_contact_too(
    database: Database, lookup: PostgresTokenLookup, contact_days_ago: int | None
) -> None:
    now = datetime.now(UTC)
    await put_token(database, changed_at=now - timedelta(hours=1))
    contact = None if contact_days_ago is None else now - timedelta(days=contact_days_ago)
    await put_platform(database, EMSP, last_contact_at=contact)
    assert 3599 <= await age_of(lookup) < 3900


async def put_knowledge(
    database: Database, *, pushes: bool = False, pulled_at: datetime | None = None
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into owner_knowledge values ($1, 'tokens', $2, $3)",
            f"p-{EMSP}",
            pushes,
            pulled_at,
        )


async def pulled(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("update shared_object set origin = 'pull'")


async def test_of_an_owner_that_never_pushes_the_last_pull_counts_and_no_contact(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    now = datetime.now(UTC)
    await put_token(database, changed_at=now - timedelta(days=30))
    await put_platform(database, EMSP, last_contact_at=now)
    await pulled(database)
    assert await age_of(lookup) > 86_400
    await put_knowledge(database, pulled_at=now - timedelta(hours=1))
    assert 3599 <= await age_of(lookup) < 3900


async def test_what_an_owner_does_not_push_anew_is_as_young_as_its_last_contact(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    now = datetime.now(UTC)
    await put_token(database, changed_at=now - timedelta(days=30))
    await put_platform(database, EMSP, last_contact_at=now - timedelta(hours=1))
    await pulled(database)
    await put_knowledge(database, pushes=True, pulled_at=now - timedelta(days=20))
    assert 3599 <= await age_of(lookup) < 3900


async def test_while_a_list_is_still_to_be_read_only_the_contact_before_the_absence_counts(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    now = datetime.now(UTC)
    await put_token(database, changed_at=now - timedelta(days=30))
    await put_platform(database, EMSP, last_contact_at=now)
    async with database.connection() as connection:
        await connection.execute(
            "insert into inbound_catch_up (platform_id, module, date_from, known_at)"
            " values ($1, 'tokens', '-infinity', $2)",
            f"p-{EMSP}",
            now - timedelta(hours=1),
        )
    assert 3599 <= await age_of(lookup) < 3900
    async with database.connection() as connection:
        await connection.execute("update inbound_catch_up set known_at = null")
    assert await age_of(lookup) > 86_400
    async with database.connection() as connection:
        await connection.execute("delete from inbound_catch_up")
    assert await age_of(lookup) < 3000


async def test_questions_asked_at_once_are_answered_each(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    await put_token(database, uid="1")
    await put_token(database, uid="2", valid=False, audience=str(CPO))
    await put_token(database, OTHER, uid="2")
    asked = [("1", CPO), ("none", CPO), ("2", CPO), ("2", OTHER_CPO), ("1", CPO)]
    found = await asyncio.gather(*(lookup.find(uid, "RFID", cpo) for uid, cpo in asked))
    owners = [[token.owner for token in each] for each in found]
    assert owners == [[EMSP], [], [EMSP, OTHER], [OTHER], [EMSP]]


async def test_the_lookup_uses_its_index(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            """insert into shared_object (module, country_code, party_id, object_id, object_type,
                   position, body, last_updated, origin, correlation_id)
               select 'tokens', 'DE', 'MSP', 'T' || n, 'RFID', n, '{}', now(), 'broadcast', 'c'
               from generate_series(1, 5000) n"""
        )
        await connection.execute("analyze shared_object")
        rows = await connection.fetch(f"explain {SQL.find_tokens}", ["T7"], ["RFID"], [str(CPO)])
    assert any("shared_object_search" in row[0] for row in rows), rows


# Evidence -----------------------------------------------------------------------------------------


async def test_decisions_are_read_as_they_were_recorded(database: Database) -> None:
    full = make_decision()
    sparse = make_decision(
        at=AT - timedelta(seconds=1),
        emsp=None,
        location=None,
        decided_by=DecidedBy.NOBODY,
        reason="unknown_token",
        allowed=None,
        reference=None,
        http_status=404,
        status_code=2004,
        legs=(),
    )
    # Random enough for no index to compress it.
    long = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
    lavish = make_decision(at=AT - timedelta(seconds=2), reference=long)
    async with running_store(database) as store:
        await asyncio.gather(*map(store.record, (full, sparse, lavish)))
        assert await store.list_decisions(10) == [full, sparse, lavish]


async def test_decisions_are_listed_newest_first_and_limited(database: Database) -> None:
    async with running_store(database) as store:
        times = [AT, AT + timedelta(hours=2), AT + timedelta(hours=1)]
        await asyncio.gather(*(store.record(make_decision(at=at)) for at in times))
        listed = await store.list_decisions(2)
    assert [decision.at for decision in listed] == sorted(times, reverse=True)[:2]


@pytest.mark.parametrize(
    "wanted",
    [
        DecisionFilter(uid="FEED"),
        DecisionFilter(cpo=OTHER_CPO),
        DecisionFilter(emsp=OTHER),
        DecisionFilter(since=AT + timedelta(minutes=1)),
        DecisionFilter("feed", OTHER_CPO, OTHER, AT),
    ],
)
async def test_decisions_are_filtered(database: Database, wanted: DecisionFilter) -> None:
    hit = make_decision(uid="feed", cpo=OTHER_CPO, emsp=OTHER, at=AT + timedelta(hours=1))
    async with running_store(database) as store:
        await asyncio.gather(store.record(make_decision()), store.record(hit))
        assert await store.list_decisions(10, wanted) == [hit]


async def test_one_record_that_cannot_be_written_costs_no_other(database: Database) -> None:
    async with running_store(database) as store:
        results = await asyncio.gather(
            store.record(make_decision(uid="1")),
            store.record(make_decision(uid="2", reason="a\x00b")),
            store.record(make_decision(uid="3")),
            return_exceptions=True,
        )
        assert [isinstance(result, Exception) for result in results] == [False, True, False]
        listed = await store.list_decisions(10)
    assert {decision.uid for decision in listed} == {"1", "3"}


async def test_more_records_than_fit_are_refused(database: Database) -> None:
    store = PostgresDecisionStore(database, batch_rows=10, batch_queue_rows=1)
    store.record(make_decision())
    with pytest.raises(Overloaded):
        store.record(make_decision())


async def test_records_wait_for_a_database_that_is_away(address: DatabaseAddress) -> None:
    """Nothing is lost when all connections break."""
    database = await Database.open(address, make_settings())
    try:
        async with running_store(database) as store:
            await store.record(make_decision(uid="before"))
            async with database.connection() as connection:
                own = await connection.fetchval("select pg_backend_pid()")
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> $1",
                    own,
                )
            await store.record(make_decision(uid="after"))
            assert len(await store.list_decisions(10)) == 2
    finally:
        await database.close()
