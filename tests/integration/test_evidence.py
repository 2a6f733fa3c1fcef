"""Evidence afterwards: what it belongs to, what came late, how it is found and how it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.authorization.protocols import (
    DecidedBy,
    DecisionRecord,
    LateAnswer,
    LateRecord,
    LegRecord,
)
from ocpi_hub.cli.main import build_parser
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.authorization import DecisionFilter, PostgresDecisionStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.evidence import EvidenceRetention, LinkedBy
from ocpi_hub.store.secret_key import Keyring
from ocpi_hub.store.token_admin import ERASED, SQL, TokenAdmin, TokenFilter
from tests.support.admin import AdminHub, admin_hub, fault_of
from tests.support.directory import KEY, insert_platform
from tests.support.stores import custody_store, execute, make_intake, taken, value, writing
from tests.support.waiting import eventually

CPO, EMSP, OTHER = PartyId("NL", "CPO"), PartyId("DE", "MSP"), PartyId("FR", "MSP")
AT = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)


def decision(**overrides: Any) -> DecisionRecord:
    return DecisionRecord(
        **{
            "at": AT,
            "uid": "04a1b2c3",
            "token_type": "RFID",
            "cpo": CPO,
            "emsp": EMSP,
            "location": '{"location_id":"LOC1","evse_uids":[]}',
            "decided_by": DecidedBy.HUB_FALLBACK,
            "reason": "timeout",
            "allowed": "ALLOWED",
            "reference": "REF-1",
            "http_status": 200,
            "status_code": 1000,
            "total_ms": 12.0,
            "legs": (LegRecord(EMSP, 10.0, "timeout"),),
            "correlation_id": "correlation-1",
            **overrides,
        }
    )


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresDecisionStore]:
    decisions = PostgresDecisionStore(database, batch_rows=100, batch_queue_rows=1000)
    async with writing(decisions.decisions, decisions.late):
        yield decisions


def cdr_body(cdr_id: str = "CDR-1", **overrides: object) -> str:
    return json.dumps(
        {
            "id": cdr_id,
            "start_date_time": "2026-10-01T08:02:00Z",
            "cdr_token": {"uid": "04A1B2C3", "type": "RFID", "contract_id": "C"},
            "cdr_location": {"id": "loc1"},
            "authorization_reference": "REF-1",
            **overrides,
        }
    )


async def keep_cdr(database: Database, cdr_id: str = "CDR-1", **overrides: object) -> ObjectKey:
    """A CDR in custody."""
    async with custody_store(database) as custody:
        await taken(custody, make_intake(cdr_id, body=cdr_body(cdr_id, **overrides)))
    return ObjectKey("cdrs", CPO, cdr_id)


# Late answers -------------------------------------------------------------------------------------


async def test_a_late_answer_is_shown_with_its_decision(store: PostgresDecisionStore) -> None:
    await store.record(decision())
    await store.record(decision(correlation_id="correlation-2"))
    store.record_late(LateRecord(AT, "correlation-1", LateAnswer(EMSP, 3200.5, "BLOCKED")))

    async def told() -> bool:
        found = await store.list_decisions(10)
        late = {each.correlation_id: each.late for each in found}
        return late == {
            "correlation-1": (LateAnswer(EMSP, 3200.5, "BLOCKED"),),
            "correlation-2": (),
        }

    await eventually(told, "the late answer is there")


# What belongs to it -------------------------------------------------------------------------------


async def test_a_cdr_leads_to_its_decision_by_the_reference(
    database: Database, store: PostgresDecisionStore
) -> None:
    await store.record(decision())
    await store.record(decision(emsp=OTHER, reason="another eMSP's reference"))
    await store.record(decision(cpo=PartyId("NL", "XXX"), reason="another CPO's"))
    key = await keep_cdr(database, start_date_time="2026-10-05T08:00:00Z")
    (linked,) = await store.of(key)
    assert (linked.linked_by, linked.decision.reason) == (LinkedBy.REFERENCE, "timeout")


async def test_without_a_reference_token_place_and_time_tell(
    database: Database, store: PostgresDecisionStore
) -> None:
    await store.record(decision(reason="the one", at=AT))
    await store.record(decision(reason="earlier", at=AT - timedelta(minutes=10)))
    await store.record(decision(reason="a no", allowed="BLOCKED", at=AT + timedelta(minutes=1)))
    await store.record(decision(reason="elsewhere", location='{"location_id":"LOC2"}'))
    await store.record(decision(reason="another type", token_type="OTHER"))
    await store.record(decision(reason="another token", uid="04a1b2c4"))
    await store.record(decision(reason="long after", at=AT + timedelta(hours=1)))
    key = await keep_cdr(database, authorization_reference=None)
    (linked,) = await store.of(key)
    assert (linked.linked_by, linked.decision.reason) == (LinkedBy.INFERRED, "the one")


@pytest.mark.parametrize(
    "overrides",
    [
        {"start_date_time": "2026-10-01T12:00:00Z"},
        {"start_date_time": "yesterday"},
        {"start_date_time": "9999-12-31T23:59:59-10:00"},
        {"cdr_token": None},
        {"cdr_token": {"uid": ["04A1B2C3"], "type": 3}},
        {"cdr_location": "LOC2"},
    ],
    ids=["hours-later", "no-time", "end-of-time", "no-token", "odd-token", "no-location"],
)
async def test_what_does_not_fit_is_not_linked(
    database: Database, store: PostgresDecisionStore, overrides: dict[str, Any]
) -> None:
    await store.record(decision())
    key = await keep_cdr(database, authorization_reference="unknown", **overrides)
    assert await store.of(key) == []


async def test_what_is_not_in_custody_leads_nowhere(store: PostgresDecisionStore) -> None:
    with pytest.raises(NoSuchObject):
        await store.of(ObjectKey("sessions", CPO, "SES-1"))


# Its end ------------------------------------------------------------------------------------------


async def test_old_evidence_is_removed_with_what_came_late(
    database: Database, store: PostgresDecisionStore
) -> None:
    old = datetime.now(UTC) - timedelta(days=11)
    await store.record(decision(at=old))
    await store.record(decision(at=old + timedelta(days=2)))
    store.record_late(LateRecord(old, "correlation-1", LateAnswer(EMSP, 1.0, "ALLOWED")))
    counting = "select count(*) from authorization_late_answer"

    async def written() -> bool:
        return bool(await value(database, counting))

    await eventually(written, "the late answer is there")
    retention = EvidenceRetention(database, keep=timedelta(days=10))
    assert await retention.sweep() == 1
    assert await retention.sweep() == 0
    assert await value(database, "select count(*) from authorization_decision") == 1
    assert await value(database, counting) == 0


# Tokens -------------------------------------------------------------------------------------------


async def insert_token(database: Database, uid: str, owner: PartyId = EMSP, **fields: Any) -> None:
    body = {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"C-{uid}",
        "issuer": "An Issuer",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-01-01T00:00:00Z",
        **fields,
    }
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id) values ('tokens', $1, $2, $3,"
        " 'RFID', nextval('shared_object_position'), $4, now(), 'broadcast', 'x')",
        owner.country_code,
        owner.party_id,
        uid.upper(),
        json.dumps(body),
    )


@pytest_asyncio.fixture
async def tokens(database: Database) -> Database:
    """Two eMSPs with the same uid, and a card of a fleet."""
    await insert_token(database, "04a1", visual_number="DF000-2001", group_id="FLEET-7")
    await insert_token(database, "04A1", OTHER, contract_id="FR-1")
    await insert_token(database, "04a2", group_id="fleet-7", issuer="x" * 5000)
    return database


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TokenFilter(uid="04A1"), ["DE*MSP 04a1", "FR*MSP 04A1"]),
        (TokenFilter(uid="04a1", emsp=OTHER), ["FR*MSP 04A1"]),
        (TokenFilter(visual_number="df000-2001"), ["DE*MSP 04a1"]),
        (TokenFilter(contract_id="fr-1"), ["FR*MSP 04A1"]),
        (TokenFilter(group_id="Fleet-7"), ["DE*MSP 04a1", "DE*MSP 04a2"]),
        (TokenFilter(group_id="Fleet-7", uid="04a2"), ["DE*MSP 04a2"]),
        (TokenFilter(issuer="an issuer"), ["DE*MSP 04a1", "FR*MSP 04A1"]),
        (TokenFilter(issuer="x" * 5000), ["DE*MSP 04a2"]),
        (TokenFilter(issuer="x" * 4999), []),
        (TokenFilter(uid="0a41"), []),
    ],
    ids=lambda each: "-".join(each.names) if isinstance(each, TokenFilter) else str(len(each)),
)
async def test_tokens_are_found_by_what_is_known_of_them(
    tokens: Database, wanted: TokenFilter, found: list[str]
) -> None:
    shown = [
        f"{token.emsp} {token.fields['uid']}"
        for token in await TokenAdmin(tokens).search(wanted, 9)
    ]
    assert shown == found


async def test_a_search_among_many_tokens_uses_an_index(database: Database) -> None:
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id)"
        " select 'tokens', 'DE', 'MSP', 'U' || n, 'RFID', nextval('shared_object_position'),"
        " json_build_object('uid', 'U' || n, 'contract_id', 'C' || n, 'visual_number', 'V' || n,"
        " 'group_id', 'G' || n / 10, 'issuer', 'I' || n / 100), now(), 'broadcast', 'x'"
        " from generate_series(1, 20000) n",
    )
    await execute(database, "analyze shared_object")
    for column, text in (("visual_number", "V7"), ("contract_id", "C7"), ("group_id", "G7")):
        wanted: dict[str, Any] = {column: text}
        arguments = TokenFilter(**wanted)
        async with database.planned() as connection:
            plan = await connection.fetch(
                f"explain {SQL.search}",
                None,
                arguments.visual_number,
                arguments.contract_id,
                arguments.group_id,
                None,
                None,
                None,
                None,
                100,
            )
        lines = "\n".join(row[0] for row in plan)
        assert "Seq Scan" not in lines
        assert f"shared_object_{column.removesuffix('_id')}" in lines


# Operators ----------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def hub(tokens: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(tokens, "p-2", roles=(("EMSP", "DE*MSP"),))
    async with admin_hub(tokens) as running:
        yield running


async def get(hub: AdminHub, scope: Scope, path: str, **query: str) -> httpx.Response:
    async with hub.client(await hub.make_key(scope)) as client:
        return await client.get(f"/admin/api/{path}", params=query)


async def test_a_uid_is_shown_in_clear_to_the_right_scope_only(hub: AdminHub) -> None:
    clear = (await get(hub, Scope.OPERATE, "tokens", group_id="FLEET-7")).json()["items"]
    hidden = (await get(hub, Scope.READ, "tokens", group_id="FLEET-7")).json()["items"]
    assert [item["uid"] for item in clear] == ["04a1", "04a2"]
    assert [item["emsp"] for item in hidden] == ["DE*MSP", "DE*MSP"]
    for name in ("uid", "contract_id", "visual_number", "group_id"):
        assert all(item[name] is None or item[name].startswith("~") for item in hidden)
    mask = Keyring(KEY).mac("token uid", "04A1")
    assert hidden[0]["uid"] == f"~{mask}"
    assert clear[0].keys() == hidden[0].keys()


async def test_a_search_goes_page_by_page_and_needs_a_criterion(hub: AdminHub) -> None:
    first = (await get(hub, Scope.OPERATE, "tokens", uid="04a1", limit="1")).json()
    second = (
        await get(hub, Scope.OPERATE, "tokens", uid="04a1", limit="1", next=first["next"])
    ).json()
    assert [item["emsp"] for item in first["items"] + second["items"]] == ["DE*MSP", "FR*MSP"]
    assert second["next"] is None
    answer = await get(hub, Scope.OPERATE, "tokens", emsp="DE*MSP")
    assert fault_of(answer)["field"] == "uid"


async def test_the_api_tells_what_a_cdr_rests_on(
    hub: AdminHub, store: PostgresDecisionStore
) -> None:
    await store.record(decision())
    await keep_cdr(hub.database)
    answer = await get(hub, Scope.READ, "authorizations", cdr="NL*CPO/CDR-1")
    (item,) = answer.json()["items"]
    assert (item["linked_by"], item["decided_by"]) == ("reference", "hub_fallback")
    (item,) = (await get(hub, Scope.READ, "authorizations", reference="REF-1")).json()["items"]
    assert item["linked_by"] is None
    assert (await get(hub, Scope.READ, "authorizations", session="NL*CPO/1")).status_code == 404
    for wrong in ("NL*CPO", "CDR-1", "NL*CPO/", "/"):
        answer = await get(hub, Scope.READ, "authorizations", cdr=wrong)
        assert fault_of(answer)["field"] == "cdr"


async def test_a_cdr_leads_to_session_authorization_and_who_decided(
    hub: AdminHub, store: PostgresDecisionStore
) -> None:
    await store.record(decision())
    await keep_cdr(hub.database, session_id="SES-1")
    story = (await get(hub, Scope.READ, "cdrs/NL*CPO/CDR-1")).json()
    assert story["session"] == {"id": "SES-1", "state": None}
    (item,) = story["authorizations"]
    assert (item["decided_by"], item["reason"], item["linked_by"]) == (
        "hub_fallback",
        "timeout",
        "reference",
    )


async def test_the_records_of_one_token_are_erased_on_request(
    hub: AdminHub, store: PostgresDecisionStore
) -> None:
    """What money needs stays: the decision itself, and the CDR."""
    database, mask = hub.database, Keyring(KEY).mac("token uid", "04A1")
    await store.record(decision(uid="04a1"))
    await store.record(decision(uid="04A1", token_type="OTHER", correlation_id="c-2"))
    await store.record(decision(uid="04a2", correlation_id="c-3"))
    key = await keep_cdr(database)
    await note_message(database, f"/ocpi/2.2.1/sender/tokens/~{mask}/authorize")
    await note_message(database, "/ocpi/2.2.1/sender/tokens/~else/authorize", body=mask)
    await note_message(database, "/ocpi/2.2.1/sender/tokens/~else/authorize", body="something else")
    await execute(
        database,
        "insert into message_content (at, serial, response_body)"
        " values (now(), 1, $1), (now(), 2, '')",
        f'{{"uid":"~{mask}"}}'.encode(),
    )
    await execute(
        database,
        "insert into quality values ('p-2', 'tokens', 'rule', 1, now(), now(), $1, 'f', 's')",
        f"~{mask}",
    )
    async with hub.client(await hub.make_key(Scope.OPERATE)) as client:
        answer = await client.post("/admin/api/tokens/erase", json={"uid": "04a1"})
        assert answer.status_code == 403
    async with hub.client(await hub.make_key(Scope.ADMIN)) as client:
        erased = (await client.post("/admin/api/tokens/erase", json={"uid": "04a1"})).json()
        again = (await client.post("/admin/api/tokens/erase", json={"uid": "04a1"})).json()
    counts = ("decisions", "messages", "examples", "stored_tokens")
    assert [erased[name] for name in counts] == [2, 2, 1, 2]
    assert [again[name] for name in counts] == [0, 0, 0, 2]
    uids = [each.uid for each in await store.list_decisions(10)]
    assert sorted(uids) == sorted([ERASED, ERASED, "04a2"])
    async with database.connection() as connection:
        rows = await connection.fetch("select path, request_body from message")
    assert not any(mask in f"{row['path']}{row['request_body']}" for row in rows)
    assert [row["request_body"] for row in rows].count(None) == 2
    assert await value(database, "select count(response_body) from message_content") == 1
    linked = await store.of(key)
    assert {each.linked_by for each in linked} == {LinkedBy.REFERENCE}
    assert await store.list_decisions(10, DecisionFilter(uid="04a1")) == []


async def note_message(database: Database, path: str, *, body: str | None = None) -> None:
    await execute(
        database,
        "insert into message (at, kind, direction, module, method, path, ms, correlation_id,"
        " request_id, request_bytes, outcome, request_body, cut) values (now(), 'inbound', 'in',"
        " 'tokens', 'POST', $1, 1, 'c', 'r', 0, 'answered', $2, false)",
        path,
        None if body is None else f'{{"uid":"~{body}"}}'.encode(),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["token", "search", "--contract", "C"],
        ["token", "erase", "04A1", "--type", "RFID"],
        ["authorization", "list", "--session", "NL*CPO", "S1"],
        ["authorization", "list", "--reference", "R"],
    ],
    ids=" ".join,
)
def test_the_commands_are_there(arguments: list[str]) -> None:
    assert isinstance(vars(build_parser().parse_args(arguments)), Mapping)
