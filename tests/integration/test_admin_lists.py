"""The lists of the admin API over HTTP: shapes, filters, paging while rows come in."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest_asyncio
import structlog

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.feed.protocols import Gap, LaneId
from ocpi_hub.domain.objects import LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.domain.quality import Example, Tally, TallyKey
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.store.database import Database
from ocpi_hub.store.quality import PostgresQualityStore
from tests.support.admin import AdminHub, admin_hub
from tests.support.directory import insert_platform
from tests.support.directory import insert_token as insert_credentials
from tests.support.stores import custody_store, execute, feed_store, make_intake, taken
from tests.support.waiting import eventually

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    """A CPO and two eMSPs; only one of these is related to the CPO."""
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-3", state="disconnected", roles=(("EMSP", "FR*MSP"),))
    await execute(
        database,
        "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id,"
        " mode) values ('NL', 'CPO', 'DE', 'MSP', 'realtime'), ('NL', 'CPO', 'FR', 'MSP', 'none')",
    )
    async with admin_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def reader(hub: AdminHub) -> AsyncIterator[httpx.AsyncClient]:
    async with hub.client(await hub.make_key(Scope.READ)) as client:
        yield client


@pytest_asyncio.fixture
async def operator(hub: AdminHub) -> AsyncIterator[httpx.AsyncClient]:
    """Is shown who charged."""
    async with hub.client(await hub.make_key(Scope.OPERATE)) as client:
        yield client


async def items(reader: httpx.AsyncClient, path: str, **query: object) -> list[dict[str, Any]]:
    """The only page of a list."""
    answer = await reader.get(f"/admin/api/{path}", params={k: str(v) for k, v in query.items()})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next"] is None
    found: list[dict[str, Any]] = page["items"]
    return found


async def walk(
    reader: httpx.AsyncClient, path: str, limit: int, **query: object
) -> AsyncIterator[list[dict[str, Any]]]:
    """All pages of a list."""
    params = {"limit": str(limit)} | {name: str(value) for name, value in query.items()}
    while True:
        answer = await reader.get(f"/admin/api/{path}", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page["items"]
        if page["next"] is None:
            return
        params["next"] = page["next"]


async def test_platforms_are_listed_as_the_command_shows_them(reader: httpx.AsyncClient) -> None:
    found = await items(reader, "platforms")
    assert [item["platform"] for item in found] == ["p-1", "p-2", "p-3"]
    assert found[0] == {
        "platform": "p-1",
        "name": "p-1",
        "state": "connected",
        "version": "2.2.1",
        "parties": [{"party": "NL*CPO", "role": "CPO", "status": "CONNECTED"}],
        "quirks": [],
    }


async def test_platforms_are_filtered_and_paged(reader: httpx.AsyncClient) -> None:
    assert [i["platform"] for i in await items(reader, "platforms", party="de*msp")] == ["p-2"]
    assert [i["platform"] for i in await items(reader, "platforms", state="disconnected")] == [
        "p-3"
    ]
    assert await items(reader, "platforms", state="invited") == []
    pages = [page async for page in walk(reader, "platforms", 2)]
    assert [[item["platform"] for item in page] for page in pages] == [["p-1", "p-2"], ["p-3"]]


async def test_one_platform_is_shown_without_its_tokens(reader: httpx.AsyncClient) -> None:
    answer = await reader.get("/admin/api/platforms/p-1")
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["versions_url"] == "https://partner.example/v"
    assert "their-secret" not in answer.text
    assert shown["catch_up"] == "push"


async def test_mild_faults_of_a_platform_are_listed_with_an_example(
    hub: AdminHub, reader: httpx.AsyncClient
) -> None:
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    example = Example("", "", "name: must be a string(255), got a number")
    store = PostgresQualityStore(hub.database)
    await store.add(
        {
            TallyKey(PlatformId("p-1"), "tokens", "too_long"): Tally(
                3, at, at + timedelta(hours=1), Example("~5f0c", "issuer", "65 characters")
            ),
            TallyKey(PlatformId("p-1"), "cdrs", "skipped"): Tally(1, at, at, example),
            TallyKey(PlatformId("p-2"), "tokens", "stale"): Tally(1, at, at, example),
        }
    )
    found = await items(reader, "platforms/p-1/quality")
    assert [(item["module"], item["rule"]) for item in found] == [
        ("cdrs", "skipped"),
        ("tokens", "too_long"),
    ]
    assert found[0]["example"] == {"id": None, "field": None, "shape": example.shape}
    assert found[1] == {
        "platform": "p-1",
        "name": "p-1",
        "module": "tokens",
        "rule": "too_long",
        "count": 3,
        "first_at": "2026-11-01T12:00:00.000Z",
        "last_at": "2026-11-01T13:00:00.000Z",
        "example": {"id": "~5f0c", "field": "issuer", "shape": "65 characters"},
    }
    assert await items(reader, "platforms/p-3/quality") == []
    assert (await reader.get("/admin/api/platforms/p-9/quality")).status_code == 404


async def test_relations_are_filtered_and_paged(reader: httpx.AsyncClient) -> None:
    every = await items(reader, "relations", cpo="NL*CPO")
    assert [item["emsp"] for item in every] == ["DE*MSP", "FR*MSP"]
    assert every[0] == {
        "cpo": "NL*CPO",
        "emsp": "DE*MSP",
        "mode": "realtime",
        "fallback": "hub",
        "authorize_budget_ms": None,
        "whitelist_max_age_s": None,
        "fallback_max_age_s": None,
        "cdrs": "immediate",
        "cdr_schedule": None,
        "cdr_rules": {"hold": [], "flag": [], "off": [], "limits": {}},
    }
    assert [i["emsp"] for i in await items(reader, "relations", mode="none")] == ["FR*MSP"]
    assert await items(reader, "relations", emsp="DE*XXX") == []
    pages = [page async for page in walk(reader, "relations", 1)]
    assert [page[0]["emsp"] for page in pages] == ["DE*MSP", "FR*MSP"]


async def insert_decision(database: Database, at: datetime, uid: str, by: str = "emsp") -> None:
    await execute(
        database,
        "insert into authorization_decision (at, uid, token_type, cpo_country_code, cpo_party_id,"
        " emsp_country_code, emsp_party_id, decided_by, reason, allowed, http_status, status_code,"
        " total_ms, legs, correlation_id) values ($1, $2, 'RFID', 'NL', 'CPO', 'DE', 'MSP', $3,"
        " 'answered', 'ALLOWED', 200, 1000, 12.5, $4, 'c-1')",
        at,
        uid,
        by,
        json.dumps([{"emsp": "DE*MSP", "ms": 12.5, "outcome": "1000"}]),
    )


async def test_authorizations_are_paged_while_new_ones_come_in(
    hub: AdminHub, operator: httpx.AsyncClient
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(7):
        # Some in the same microsecond: the place in the list is not their time alone.
        await insert_decision(hub.database, start + timedelta(seconds=number // 3), f"U{number}")
    seen: list[str] = []
    late = start + timedelta(days=1)
    async for page in walk(operator, "authorizations", 2):
        seen += [item["uid"] for item in page]
        await insert_decision(hub.database, late, "LATE")
    assert seen == [f"U{number}" for number in reversed(range(7))]


async def test_who_looks_for_a_card_is_logged_without_it(operator: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        await items(operator, "authorizations", uid="04A1-SECRET")
        await items(operator, "authorizations", cpo="NL*CPO")
    (line,) = [each for each in lines if each["event"] == "personal_data_read"]
    assert (line["by"], line["clear"], line["found"]) == (("uid",), True, 0)
    assert "04A1-SECRET" not in str(lines)


async def test_authorizations_are_filtered(hub: AdminHub, operator: httpx.AsyncClient) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    await insert_decision(hub.database, start, "04A1")
    await insert_decision(hub.database, start + timedelta(hours=1), "04B2", by="nobody")

    async def uids(**query: object) -> list[str]:
        return [item["uid"] for item in await items(operator, "authorizations", **query)]

    assert await uids(uid="04a1") == ["04A1"]
    assert await uids(decided_by="nobody") == ["04B2"]
    assert await uids(since="2026-01-01T00:30:00Z") == ["04B2"]
    assert await uids(until="2026-01-01T01:30:00+01:00") == ["04A1"]
    assert await uids(cpo="NL*CPO", emsp="DE*MSP") == ["04B2", "04A1"]
    assert await uids(emsp="FR*MSP") == []


async def test_cdrs_are_paged_while_new_ones_come_in(
    hub: AdminHub, reader: httpx.AsyncClient
) -> None:
    async with custody_store(hub.database) as store:

        async def take(number: int) -> None:
            await taken(store, make_intake(f"CDR-{number}", body=f'{{"id":"Cdr-{number}"}}'))

        for number in range(5):
            await take(number)
        seen: list[str] = []
        new = 5
        async for page in walk(reader, "cdrs", 2):
            seen += [item["id"] for item in page]
            await take(new)
            new += 1
    assert seen == ["Cdr-4", "Cdr-3", "Cdr-2", "Cdr-1", "Cdr-0"]


async def test_cdrs_are_filtered_and_shown(hub: AdminHub, reader: httpx.AsyncClient) -> None:
    async with custody_store(hub.database) as store:
        await taken(store, make_intake("CDR/1", body='{"id":"cdr/1"}'))
        held = make_intake("CDR-2", body='{"id":"CDR-2"}', start=Start.HOLD, reason="too much")
        await store.take_in(held)
    (waiting,) = await items(reader, "cdrs", state="in_flight")
    assert waiting == {
        "owner": "NL*CPO",
        "id": "cdr/1",
        "receiver": "DE*MSP",
        "state": "in_flight",
        "attempts": waiting["attempts"],
        "next_attempt_at": None,
        "last_answer": None,
        "reason": None,
        "stage": "received",
        "disputed": False,
        "figures": None,
    }
    assert [item["id"] for item in await items(reader, "cdrs", state="held")] == ["CDR-2"]
    assert len(await items(reader, "cdrs", owner="NL*CPO", receiver="DE*MSP")) == 2
    assert await items(reader, "cdrs", receiver="FR*MSP") == []
    shown = (await reader.get("/admin/api/cdrs/nl*cpo/Cdr%2F1")).json()
    assert shown["body"] == '{"id":"cdr/1"}'
    assert shown["correlation_id"] == "correlation-of-CDR/1"


async def test_sessions_are_paged_filtered_and_shown(
    hub: AdminHub, reader: httpx.AsyncClient
) -> None:
    async with custody_store(hub.database) as store:
        for number in range(3):
            intake = make_intake(f"SES/{number}", body=f'{{"id":"Ses/{number}"}}')
            key = replace(intake.key, module="sessions")
            await store.take_in(replace(intake, key=key, start=Start.WAIT))
        await taken(store, make_intake("CDR-1", body='{"id":"CDR-1"}'))
    seen = [item["id"] async for page in walk(reader, "sessions", 2) for item in page]
    assert seen == ["Ses/2", "Ses/1", "Ses/0"]
    assert len(await items(reader, "sessions", owner="NL*CPO", state="pending")) == 3
    assert await items(reader, "sessions", receiver="FR*MSP") == []
    assert await items(reader, "sessions", state="dead") == []
    shown = (await reader.get("/admin/api/sessions/nl*cpo/ses%2F1")).json()
    assert (shown["id"], shown["state"], shown["body"]) == ("Ses/1", "pending", '{"id":"Ses/1"}')
    missing = await reader.get("/admin/api/sessions/NL*CPO/CDR-1")
    assert missing.status_code == 404
    assert "no session CDR-1" in missing.json()["error"]["message"]
    # A cursor belongs to its own list.
    of_cdrs = (await reader.get("/admin/api/cdrs?limit=1")).json()["next"] or "WyJjZHJzIiwxXQ"
    assert (await reader.get(f"/admin/api/sessions?next={of_cdrs}")).status_code == 400


async def insert_token(
    database: Database, uid: str, owner: str, position: int, *, audience: str = "*"
) -> None:
    """A token of the eMSP in this country, changed a minute ago."""
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " audience, position, body, last_updated, origin, correlation_id, changed_at) values"
        " ('tokens', $1, 'MSP', $2, 'RFID', $3, $4, '{}', now(), 'broadcast', 'c',"
        " now() - interval '1 minute')",
        owner,
        uid,
        audience,
        position,
    )


async def test_lanes_tell_what_their_receivers_may_see(
    hub: AdminHub, reader: httpx.AsyncClient
) -> None:
    for position, owner, audience in (
        (1, "DE", "*"), (2, "DE", "*"), (3, "FR", "*"), (4, "DE", "*"), (5, "DE", "NL*CPO"),
    ):  # fmt: skip
        await insert_token(hub.database, f"T{position}", owner, position, audience=audience)
    await execute(
        hub.database,
        "insert into lane (country_code, party_id, module, cursor, resting_since) values"
        " ('NL', 'CPO', 'tokens', 1, now()), ('NL', 'CP2', 'tokens', 4, null),"
        " ('AT', 'OLD', 'tokens', 0, null)",
    )
    old, second, first = await items(reader, "lanes")
    # Of the changes after position 1 one is of an eMSP that is not related, one is addressed.
    assert (first["receiver"], first["backlog"]) == ("NL*CPO", 2)
    assert 60 <= first["age_s"] < 300
    assert first["status"] == "CONNECTED"
    assert first["resting_since"] is not None
    assert (second["receiver"], second["backlog"], second["age_s"]) == ("NL*CP2", 0, 0.0)
    assert (old["status"], old["backlog"]) == (None, 0)
    assert [i["receiver"] for i in await items(reader, "lanes", behind="true")] == ["NL*CPO"]
    pages = [page async for page in walk(reader, "lanes", 2, module="tokens")]
    assert [len(page) for page in pages] == [2, 1]


async def test_gaps_tell_the_last_answer_and_are_paged(
    hub: AdminHub, reader: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    lane = LaneId(CPO, "tokens")
    await execute(
        hub.database,
        "insert into lane (country_code, party_id, module) values ('NL', 'CPO', 'tokens')",
    )
    async with feed_store(hub.database) as store:
        for number in range(3):
            await insert_token(hub.database, f"T{number}", "DE", number + 1)
            key = ObjectKey("tokens", EMSP, f"T{number}", "RFID")
            await store.open_gap(Gap(lane, key, 1, LastAnswer(200, 2001, "not mine"), None))
    pages = [page async for page in walk(operator, "lanes/NL*CPO/tokens/gaps", 2)]
    assert [[gap["id"] for gap in page] for page in pages] == [["T0", "T1"], ["T2"]]
    assert pages[0][0]["last_answer"] == {"http": 200, "ocpi": 2001, "message": "not mine"}
    assert pages[0][0]["next_attempt_at"] is None
    # The id of a Token names its driver, and so may what a receiver says about it.
    pages = [page async for page in walk(reader, "lanes/NL*CPO/tokens/gaps", 2)]
    assert [len(page) for page in pages] == [2, 1]
    assert all(gap["id"].startswith("~") for page in pages for gap in page)
    assert pages[0][0]["last_answer"] == {"http": 200, "ocpi": 2001, "message": "~"}
    first = await reader.get("/admin/api/lanes/NL*CPO/tokens/gaps", params={"limit": 1})
    place = first.json()["next"]
    assert b"T0" not in base64.urlsafe_b64decode(place + "===")
    for wrong in (place[:-4], cursor_text("gaps", "DE", "MSP", "T0", "RFID", "*")):
        refused = await reader.get("/admin/api/lanes/NL*CPO/tokens/gaps", params={"next": wrong})
        assert refused.status_code == 400
    (item,) = await items(reader, "lanes", receiver="NL*CPO", module="tokens")
    assert item["gaps"] == 3
    missing = await reader.get("/admin/api/lanes/NL*CPO/locations/gaps")
    assert missing.status_code == 404


async def test_messages_are_listed_and_the_legs_of_one_correlation_id_shown(
    hub: AdminHub, reader: httpx.AsyncClient
) -> None:
    token = await insert_credentials(hub.database, "of-p-1")
    async with hub.client() as partner:
        partner.headers["Authorization"] = authorization(token)
        for correlation_id in ("c-1", "c-2", "c-2"):
            ids = {"X-Correlation-ID": correlation_id}
            assert (await partner.get("/ocpi/versions", headers=ids)).status_code == 200

    async def both() -> bool:
        return len(await items(reader, "messages", correlation_id="c-2")) == 2

    await eventually(both, "the records are written")
    pages = [page async for page in walk(reader, "messages", 1)]
    assert len(pages) == 3
    legs = (await reader.get("/admin/api/messages/c-2")).json()
    assert [leg["http"] for leg in legs["items"]] == [200, 200]
    assert "of-p-1" not in json.dumps(legs)
    assert {"from", "to", "kind"} <= legs["items"][0].keys()
    assert (await reader.get("/admin/api/messages/nothing")).status_code == 404
