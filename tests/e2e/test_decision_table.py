"""Every row of the decision table through real HTTP: one hub, eMSPs that do as the row says."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.authorization.table import ITS_ANSWER, STORED, Kind, Row, rows
from ocpi_hub.domain.party import Fallback, PartyId, RelationMode
from ocpi_hub.store.database import Database
from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer, make_settings
from tests.support.scripted_emsps import (
    Asked,
    Says,
    ScriptedEmsp,
    Terms,
    closed_port,
    envelope,
    http,
    info,
    insert_cpos,
    insert_emsp,
    insert_tokens,
    make_token,
    request_headers,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUB = PartyId("EU", "HUB")
CPOS = {
    PartyId("NL", "RFH"): Terms(),
    PartyId("NL", "ROH"): Terms(max_age_s=0),
    PartyId("NL", "RFC"): Terms(fallback="cpo"),
    PartyId("NL", "ROC"): Terms(fallback="cpo", max_age_s=0),
    PartyId("NL", "WFH"): Terms(mode="whitelist"),
    PartyId("NL", "WOH"): Terms(mode="whitelist", max_age_s=0),
    PartyId("NL", "WOC"): Terms(mode="whitelist", fallback="cpo", max_age_s=0),
}
"""One CPO for each kind of relation; an age of 0 is never young enough."""
EMSPS = {
    "answers": PartyId("DE", "ANS"),
    "is silent": PartyId("DE", "SIL"),
    "unreachable": PartyId("DE", "UNR"),
    "unusable answer": PartyId("DE", "UNU"),
    "broken no": PartyId("DE", "BNO"),
    "OFFLINE": PartyId("DE", "OFF"),
    "no interface": PartyId("DE", "NOI"),
}
WHITELISTS = {
    Kind.UNKNOWN: ("UNKNOWN",),
    Kind.NEVER: ("NEVER", "SOMETHING_NEW"),
    Kind.ALWAYS: ("ALWAYS",),
    Kind.REALTIME: ("ALLOWED", "ALLOWED_OFFLINE"),
}
ANSWERS: Mapping[str, Says] = {
    "ALLOWED": info,
    "BLOCKED": lambda asked: info(asked, "BLOCKED"),
    "NO_CREDIT": lambda asked: info(asked, "NO_CREDIT"),
    "2002": lambda asked: envelope(code=2002),
    "2004": lambda asked: envelope(code=2004, status=404),
    "3000": lambda asked: envelope(code=3000),
}
BROKEN: Mapping[str, Says] = {
    "html": lambda asked: http("<html>Welcome</html>", kind="text/html"),
    "html says it is json": lambda asked: http("<html>Welcome</html>"),
    "no data": lambda asked: envelope(),
    "no allowed": lambda asked: envelope({"token": asked.token()}),
    "allowed is empty": lambda asked: envelope({"allowed": "", "token": asked.token()}),
    "allowed is no text": lambda asked: envelope({"allowed": True, "token": asked.token()}),
    "no token": lambda asked: envelope({"allowed": "ALLOWED"}),
    "token without uid": lambda asked: info(asked, token={**asked.token(), "uid": None}),
    "another uid": lambda asked: info(asked, token=asked.token(uid="0000")),
    "another type": lambda asked: info(asked, token=asked.token(type="OTHER")),
    "another eMSP's": lambda asked: info(asked, token=asked.token(party_id="XXX")),
    "reversed": lambda asked: info(asked, token=asked.token(uid=reversed_bytes(asked.uid))),
    "a zero more": lambda asked: info(asked, token=asked.token(uid=f"0{asked.uid}")),
    "a list": lambda asked: envelope([{"allowed": "ALLOWED", "token": asked.token()}]),
    "500": lambda asked: envelope(status=500),
    "503": lambda asked: http("", 503),
    "401": lambda asked: envelope(code=2001, status=401),
    "429": lambda asked: http("", 429),
    "302": lambda asked: http("", 302),
    "no HTTP": lambda asked: b"220 smtp.example ESMTP\r\n\r\n",
}
LATER: Mapping[str, Says] = {
    "two answers": lambda asked: info(asked, "BLOCKED") + info(asked, "ALLOWED"),
}

_numbers = itertools.count(1)


def reversed_bytes(uid: str) -> str:
    """A uid with its bytes the other way round, as some readers send it."""
    return "".join(reversed([uid[at : at + 2] for at in range(0, len(uid), 2)]))


def uid_of(emsp: PartyId, whitelist: str, *, valid: bool = True) -> str:
    return f"{emsp.party_id}-{whitelist}-{'good' if valid else 'bad'}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the CPO got, and what is on record about it."""

    http: int
    body: Any
    sender: PartyId
    correlation_id: str

    @property
    def code(self) -> int:
        return int(self.body["status_code"])

    @property
    def allowed(self) -> str | None:
        return self.body["data"]["allowed"] if self.body.get("data") else None


@dataclass(frozen=True, slots=True)
class World:
    hub: HubProcess
    database: Database
    client: httpx.AsyncClient
    emsps: Mapping[str, ScriptedEmsp]

    async def authorize(
        self,
        cpo: PartyId,
        to: PartyId | None,
        uid: str,
        *,
        says: str | None = None,
        kind: str | None = None,
    ) -> Answered:
        """One authorization.

        Args:
            uid: as it stands in the URL.
            says: which script the eMSP follows.
        """
        correlation_id = f"correlation-{next(_numbers)}"
        body = None if says is None else {"location_id": says, "evse_uids": []}
        response = await self.client.post(
            f"/ocpi/2.2.1/sender/tokens/{uid}/authorize" + (f"?type={kind}" if kind else ""),
            headers=request_headers(cpo, to, correlation_id),
            json=body,
        )
        given = response.headers
        # A request that could not be read is answered to whoever sent it.
        sender = PartyId(
            given.get("OCPI-from-country-code", HUB.country_code),
            given.get("OCPI-from-party-id", HUB.party_id),
        )
        return Answered(response.status_code, response.json(), sender, correlation_id)

    async def evidence(self, *answers: Answered) -> list[Mapping[str, Any]]:
        """The records of these decisions, once they are written."""
        names = [answer.correlation_id for answer in answers]
        found: dict[str, Mapping[str, Any]] = {}

        async def all_written() -> bool:
            async with self.database.connection() as connection:
                records = await connection.fetch(
                    "select * from authorization_decision where correlation_id = any ($1)", names
                )
            found.update({record["correlation_id"]: dict(record) for record in records})
            return len(found) == len(names)

        await eventually(all_written, "every decision is on record")
        return [found[name] for name in names]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    settings = {
        "default_relation": "none",
        "credentials_renew_days": "0",
        "max_in_flight_per_receiver": "64",
        # A quarter of it is for the look into the store, on a machine with much to do as well.
        "authorize_budget_ms": "1200",
        "owner_hint_s": "0",
    }
    hub = HubProcess(address, log, settings=settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(postgres_server.drop_database, address)
        database = await Database.open(address, make_settings())
        stack.push_async_callback(database.close)
        emsps = {
            "answers": ScriptedEmsp(EMSPS["answers"], info, {**ANSWERS, **BROKEN, **LATER}),
            "is silent": ScriptedEmsp(EMSPS["is silent"], lambda asked: None),
            "unusable answer": ScriptedEmsp(
                EMSPS["unusable answer"], lambda asked: envelope(code=3000, status=500)
            ),
            "broken no": ScriptedEmsp(
                EMSPS["broken no"], lambda asked: envelope({"allowed": "BLOCKED"})
            ),
            "OFFLINE": ScriptedEmsp(EMSPS["OFFLINE"], info),
        }
        for emsp in emsps.values():
            await stack.enter_async_context(emsp)
        ports = {name: emsp.port for name, emsp in emsps.items()} | {"unreachable": closed_port()}
        for name, party in EMSPS.items():
            await insert_emsp(database, party, ports.get(name), online=name != "OFFLINE")
        await insert_cpos(database, CPOS, *EMSPS.values())
        await insert_tokens(
            database,
            *(
                make_token(
                    party, uid_of(party, whitelist, valid=valid), whitelist=whitelist, valid=valid
                )
                for party in EMSPS.values()
                for kind, whitelists in WHITELISTS.items()
                for whitelist in whitelists
                for valid in (True, False)
                if kind is not Kind.UNKNOWN
            ),
        )
        await stack.enter_async_context(hub)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=hub.url, timeout=20, trust_env=False)
        )
        yield World(hub, database, client, emsps)


def fitting(row: Row) -> list[PartyId]:
    """The CPOs whose terms the row is about."""
    return [
        cpo
        for cpo, terms in CPOS.items()
        if row.rule.mode in (None, RelationMode(terms.mode))
        and row.rule.fallback in (None, Fallback(terms.fallback))
        and row.rule.fresh in (None, terms.max_age_s > 0)
    ]


@pytest.mark.req("TK-06", "TK-08", "TK-10", "TK-12", "RT-16")
@pytest.mark.parametrize("row", list(rows()), ids=lambda row: "|".join(row.cells))
async def test_the_row_is_what_a_cpo_gets(world: World, row: Row) -> None:
    names = [row.situation.name] if row.situation else list(EMSPS)
    cases = [
        (cpo, EMSPS[name], whitelist, valid)
        for cpo in fitting(row)
        for name in names
        for whitelist in WHITELISTS[row.rule.kind]
        for valid in ((True, False) if row.answer == STORED else (True,))
    ]
    assert cases
    answers = await asyncio.gather(
        *(
            world.authorize(cpo, emsp, uid_of(emsp, whitelist, valid=valid))
            for cpo, emsp, whitelist, valid in cases
        )
    )
    for (_, emsp, _, valid), answer in zip(cases, answers, strict=True):
        expected = (200, 1000, "ALLOWED" if valid else "BLOCKED")
        match row.answer:
            case "its answer":
                assert (answer.http, answer.code, answer.allowed) == (200, 1000, "ALLOWED")
                assert answer.sender == emsp
            case "stored token":
                assert (answer.http, answer.code, answer.allowed) == expected
                assert answer.sender == HUB
            case code:
                assert (answer.http, answer.code, answer.allowed) == (200, int(code), None)
                assert answer.sender == HUB
    for record in await world.evidence(*answers):
        assert (record["decided_by"], record["reason"]) == (row.decided_by, row.reason)
        assert bool(json.loads(record["legs"])) == row.asked


@pytest.mark.req("TK-08", "RT-17")
@pytest.mark.parametrize("says", ANSWERS)
@pytest.mark.parametrize("whitelist", ["UNKNOWN", "NEVER", "ALLOWED"])
async def test_whatever_an_emsp_answers_is_passed_on(
    world: World, whitelist: str, says: str
) -> None:
    emsp = EMSPS["answers"]
    uid = uid_of(emsp, whitelist)
    answer = await world.authorize(PartyId("NL", "RFH"), emsp, uid, says=says)
    said = ANSWERS[says](Asked(emsp, uid, "RFID", "", {}))
    assert answer.body == json.loads(said.partition(b"\r\n\r\n")[2] if said else b"")
    assert answer.sender == emsp
    (record,) = await world.evidence(answer)
    assert (record["decided_by"], record["reason"]) == ("emsp", "answered")


# What is no answer --------------------------------------------------------------------------------


@pytest.mark.req("TK-10", "RT-18")
@pytest.mark.parametrize("says", BROKEN)
async def test_what_cannot_be_used_is_not_passed_on(world: World, says: str) -> None:
    """The stored token decides, and where none may, the CPO gets an error of the hub."""
    cpo, emsp = PartyId("NL", "RFH"), EMSPS["answers"]
    stored = await world.authorize(cpo, emsp, uid_of(emsp, "ALLOWED"), says=says)
    bad = await world.authorize(cpo, emsp, uid_of(emsp, "ALLOWED", valid=False), says=says)
    never = await world.authorize(cpo, emsp, uid_of(emsp, "NEVER"), says=says)
    assert (stored.allowed, bad.allowed, stored.sender) == ("ALLOWED", "BLOCKED", HUB)
    assert (never.http, never.allowed, never.sender) == (200, None, HUB)
    assert never.code in (4000, 4002)
    reasons = {record["reason"] for record in await world.evidence(stored, bad)}
    assert reasons <= {"unusable", "timeout"}


async def test_a_second_answer_is_nobodys(world: World) -> None:
    """Neither this request's nor the next one's on that connection."""
    cpo, emsp = PartyId("NL", "RFH"), EMSPS["answers"]
    for _ in range(3):
        uid = uid_of(emsp, "ALLOWED")
        twice = await world.authorize(cpo, emsp, uid, says="two answers")
        # The first counts, or, if both came at once, none does: never the second.
        assert (twice.allowed, twice.sender) in (("BLOCKED", emsp), ("ALLOWED", HUB))
        after = await world.authorize(cpo, emsp, uid, says="NO_CREDIT")
        assert (after.allowed, after.sender) == ("NO_CREDIT", emsp)


# Uids ---------------------------------------------------------------------------------------------

UIDS = ("04a1b2c3d4e5f6", "0004A1B2", "00000000", "DEADBEEF", "e2-80:1170", "ünïcode", "a b/c?d%")


@pytest.mark.req("TY-01")
@pytest.mark.parametrize("uid", UIDS)
async def test_a_uid_is_compared_without_case_and_as_it_is(world: World, uid: str) -> None:
    """No guessing: neither a leading zero nor the order of bytes is made up for."""
    emsp, cpo = EMSPS["unreachable"], PartyId("NL", "WFH")
    await insert_tokens(world.database, make_token(emsp, uid))
    for same in sorted({uid, uid.upper(), uid.lower()}):
        assert (await world.authorize(cpo, emsp, quote(same, safe=""))).allowed == "ALLOWED"
    others = {f"0{uid}", uid.lstrip("0") or "0", reversed_bytes(uid)} - {uid}
    for other in sorted(each for each in others if each.isalnum() and each.isascii()):
        if other.upper() != uid.upper():
            assert (await world.authorize(cpo, emsp, other)).code == 4003


@pytest.mark.parametrize("uid", ["%00", "04%00A1", "%FF%FE", "%0A", "%E2%80%AE"])
async def test_bytes_that_are_no_text_break_nothing(world: World, uid: str) -> None:
    """An answer in an envelope, and the next request is served."""
    cpo, emsp = PartyId("NL", "RFH"), EMSPS["answers"]
    answer = await world.authorize(cpo, emsp, uid)
    assert answer.body["status_code"]
    assert (await world.authorize(cpo, emsp, uid_of(emsp, "ALLOWED"))).allowed == "ALLOWED"


async def test_two_emsps_with_the_same_uid_are_both_asked(world: World) -> None:
    uid = "5A3EU1D0"
    for name in ("answers", "unreachable"):
        await insert_tokens(world.database, make_token(EMSPS[name], uid))
    answer = await world.authorize(PartyId("NL", "RFC"), None, uid)
    assert (answer.allowed, answer.sender) == ("ALLOWED", EMSPS["answers"])
    (record,) = await world.evidence(answer)
    assert {leg["emsp"] for leg in json.loads(record["legs"])} == {"DE*ANS", "DE*UNR"}


async def test_the_rows_of_this_file_are_all_there_is() -> None:
    assert {row.answer for row in rows()} == {ITS_ANSWER, STORED, "4000", "4002", "4003"}
