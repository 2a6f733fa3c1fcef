"""Authorization through real HTTP: who is asked, who decides, what is recorded (section 4)."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.authorization import DecisionFilter, PostgresDecisionStore
from tests.support.hub import Roaming
from tests.support.party import PartyProcess, make_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCATION = {"location_id": "LOC1", "evse_uids": ["EVSE1"]}

_uids = itertools.count(1)


@dataclass(frozen=True)
class World:
    """The shared hub with a second eMSP FR*MSP."""

    roam: Roaming
    other: PartyProcess
    related: dict[str, object] = field(default_factory=dict)

    async def token(self, *, pushed: bool = True, party: str = "DE*MSP", **fields: Any) -> str:
        """A new token that its eMSP knows, and the hub too unless it is not pushed; its uid."""
        uid = f"04a1b2c{next(_uids)}"
        emsp = self.roam.emsp if party == "DE*MSP" else self.other
        value = make_token(uid, party, **fields)
        await emsp.load_tokens(value)
        if pushed:
            path = f"{party.replace('*', '/')}/{uid}"
            sent = await emsp.send("PUT", "tokens", role="RECEIVER", path=path, body=value)
            assert sent["ocpi"] == 1000, sent
        return uid

    async def relate(self, **fields: object) -> None:
        """Set the relation of NL*CPO and DE*MSP, and wait until the hub acts on it."""
        values: dict[str, object] = {
            "mode": "realtime",
            "fallback": "hub",
            "authorize_budget_ms": 1000,
            "whitelist_max_age_s": 3600,
            "fallback_max_age_s": 3600,
            **fields,
        }
        if values == self.related:
            return
        options = [
            text
            for name, value in values.items()
            for text in (f"--{name.replace('_', '-')}", str(value))
        ]
        await self.roam.hub.run("relation", "set", "NL*CPO", "DE*MSP", *options)
        self.related.clear()
        self.related.update(values)

    async def decision(self, uid: str) -> DecisionRecord:
        """The newest record about a token; it is committed a moment after the answer."""
        store = PostgresDecisionStore(self.roam.database, batch_rows=1, batch_queue_rows=1)
        found: list[DecisionRecord] = []
        while not found:
            found = list(await store.list_decisions(1, DecisionFilter(uid=uid)))
        return found[0]

    async def asked(self, uid: str) -> list[dict[str, Any]]:
        """The authorize requests about a token that reached DE*MSP."""
        record = await self.roam.emsp.record(module="tokens", direction="in")
        return [item for item in record if f"/{uid}/authorize" in item["path"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everyone(roam: Roaming) -> AsyncIterator[World]:
    async with PartyProcess.of([("EMSP", "FR*MSP")]) as other:
        await roam.hub.onboard(other, "Another eMSP")
        yield World(roam, other)


@pytest_asyncio.fixture(loop_scope="module")
async def world(everyone: World) -> AsyncIterator[World]:
    """No fault is active before or after, and the relation is in real time."""
    yield everyone
    await everyone.roam.emsp.clear_faults()
    await everyone.other.clear_faults()


@pytest_asyncio.fixture(loop_scope="module")
async def realtime(world: World) -> World:
    await world.relate(mode="realtime")
    return world


@pytest_asyncio.fixture(loop_scope="module")
async def whitelist(world: World) -> World:
    await world.relate(mode="whitelist")
    return world


async def authorize(world: World, uid: str, *, to: str | None = "DE*MSP", **request: Any) -> Any:
    """The answer to NL*CPO."""
    return await world.roam.cpo.authorize(uid, to=to, **request)


def codes(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["http"], answer["ocpi"]


def info(answer: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(answer["body"])["data"]
    return data


# Real time ----------------------------------------------------------------------------------------


@pytest.mark.req("TK-05", "TK-06", "TK-09", "RT-06", "RT-07")
async def test_real_time_passes_question_and_answer_on(realtime: World) -> None:
    uid = await realtime.token(whitelist="NEVER", type="APP_USER")
    answer = await authorize(realtime, uid, query={"type": "APP_USER"}, body=LOCATION)
    assert codes(answer) == (200, 1000)
    (asked,) = await realtime.asked(uid)
    assert asked["query"] == "type=APP_USER"
    assert json.loads(asked["body"]) == LOCATION
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    assert (headers["ocpi-from-country-code"], headers["ocpi-from-party-id"]) == ("NL", "CPO")
    assert (headers["ocpi-to-country-code"], headers["ocpi-to-party-id"]) == ("DE", "MSP")
    record = await realtime.decision(uid)
    assert (record.decided_by, record.allowed) == ("emsp", "ALLOWED")
    assert record.reference == info(answer)["authorization_reference"]
    assert [leg.outcome for leg in record.legs] == ["ALLOWED"]


@pytest.mark.req("TK-08")
async def test_an_emsps_no_is_passed_on(realtime: World) -> None:
    uid = await realtime.token()
    await realtime.roam.emsp.decide(uid, "NO_CREDIT")
    assert info(await authorize(realtime, uid))["allowed"] == "NO_CREDIT"


@pytest.mark.req("TK-04", "TK-07")
async def test_unknown_token_and_too_little_information_are_passed_on(realtime: World) -> None:
    assert codes(await authorize(realtime, "nobody-knows-me")) == (404, 2004)
    uid = await realtime.token()
    await realtime.roam.emsp.fault(match={"path": uid}, ocpi=2002, message="where?")
    answer = await authorize(realtime, uid)
    assert codes(answer) == (200, 2002)
    assert json.loads(answer["body"])["status_message"] == "where?"


@pytest.mark.req("TK-13")
async def test_a_token_that_is_not_valid_is_still_asked_about(realtime: World) -> None:
    uid = await realtime.token(valid=False)
    await realtime.roam.emsp.decide(uid, "ALLOWED")
    assert info(await authorize(realtime, uid))["allowed"] == "ALLOWED"


@pytest.mark.req("TK-14")
async def test_an_unpublished_location_is_no_reason_to_refuse(realtime: World) -> None:
    uid = await realtime.token()
    answer = await authorize(realtime, uid, body={"location_id": "PRIVATE", "evse_uids": ["X"]})
    assert info(answer)["allowed"] == "ALLOWED"


@pytest.mark.req("TK-12")
async def test_an_always_token_is_not_asked_about(realtime: World) -> None:
    uid = await realtime.token(whitelist="ALWAYS")
    assert info(await authorize(realtime, uid))["allowed"] == "ALLOWED"
    assert await realtime.asked(uid) == []


@pytest.mark.parametrize("body", ["{", "[]", '{"evse_uids":[]}'])
async def test_a_body_that_is_no_location_is_refused(realtime: World, body: str) -> None:
    answer = await authorize(realtime, "any", raw_body=body)
    assert codes(answer) == (400 if body == "{" else 200, 2001)


# Fallback -----------------------------------------------------------------------------------------


@pytest.mark.req("TK-06")
@pytest.mark.parametrize(
    "fault",
    [{"hang": True}, {"http": 503}, {"http": 401}, {"garbage": True}, {"drop_before": True}],
    ids=lambda fault: "-".join(fault),
)
async def test_without_an_answer_the_stored_token_decides(
    realtime: World, fault: dict[str, object]
) -> None:
    allowed, blocked = await realtime.token(), await realtime.token(valid=False)
    await realtime.roam.emsp.fault(match={"module": "tokens"}, **fault)
    yes = await authorize(realtime, allowed, body=LOCATION)
    no = await authorize(realtime, blocked)
    found = (codes(yes), codes(no))
    assert found == ((200, 1000), (200, 1000)), (await realtime.decision(blocked)).reason
    assert info(yes)["token"] == make_token(allowed)
    assert info(yes)["location"] == LOCATION
    assert (info(yes)["allowed"], info(no)["allowed"]) == ("ALLOWED", "BLOCKED")
    record = await realtime.decision(allowed)
    assert record.decided_by == "hub_fallback"
    assert record.reference == info(yes)["authorization_reference"]


@pytest.mark.req("TK-10")
@pytest.mark.parametrize(
    ("fault", "code"),
    [({"hang": True}, 4002), ({"http": 500}, 4000), ({"http": 405}, 4000)],
    ids=["hang", "500", "405"],
)
async def test_without_an_answer_a_never_token_is_a_hub_error(
    realtime: World, fault: dict[str, object], code: int
) -> None:
    uid = await realtime.token(whitelist="NEVER")
    await realtime.roam.emsp.fault(match={"module": "tokens"}, **fault)
    answer = await authorize(realtime, uid)
    assert codes(answer) == (200, code)
    assert "data" not in json.loads(answer["body"])
    record = await realtime.decision(uid)
    assert (record.decided_by, record.allowed, record.status_code) == ("nobody", None, code)


@pytest.mark.req("TK-10")
async def test_an_unreachable_emsp_is_4003_when_the_cpo_decides_itself(world: World) -> None:
    await world.relate(fallback="cpo")
    uid = await world.token(whitelist="ALLOWED_OFFLINE")
    await world.roam.emsp.fault(refuse=True)
    assert codes(await authorize(world, uid)) == (200, 4003)
    assert (await world.decision(uid)).reason == "unreachable:fallback_cpo"


async def test_the_relations_budget_bounds_the_answer(world: World) -> None:
    """The eMSP is slower than this relation allows, but not than the hub's default does."""
    await world.relate(authorize_budget_ms=100)
    uid = await world.token(whitelist="NEVER")
    await world.roam.emsp.fault(match={"path": uid}, delay_s=0.5)
    assert codes(await authorize(world, uid)) == (200, 4002)
    assert (await world.decision(uid)).reason == "timeout:never"


# Whitelist ----------------------------------------------------------------------------------------


@pytest.mark.req("TK-06", "TK-09")
async def test_whitelist_mode_answers_without_the_emsp(whitelist: World) -> None:
    uid = await whitelist.token()
    await whitelist.roam.emsp.fault(match={"module": "tokens"}, hang=True)
    answer = await authorize(whitelist, uid.upper(), body=LOCATION)
    assert info(answer)["allowed"] == "ALLOWED"
    assert info(answer)["location"] == LOCATION
    record = await whitelist.decision(uid)
    assert (record.decided_by, record.reason, record.legs) == ("hub_whitelist", "whitelist", ())


async def test_a_token_blocked_a_moment_ago_is_blocked(whitelist: World) -> None:
    uid = await whitelist.token()
    changes = {"valid": False, "last_updated": "2026-01-02T00:00:00Z"}
    await whitelist.roam.emsp.send(
        "PATCH", "tokens", role="RECEIVER", path=f"DE/MSP/{uid}", body=changes
    )
    assert info(await authorize(whitelist, uid))["allowed"] == "BLOCKED"


async def test_never_and_unknown_tokens_are_asked_about_in_whitelist_mode(
    whitelist: World,
) -> None:
    never, unknown = await whitelist.token(whitelist="NEVER"), await whitelist.token(pushed=False)
    for uid in (never, unknown):
        assert info(await authorize(whitelist, uid))["allowed"] == "ALLOWED"
        assert len(await whitelist.asked(uid)) == 1


async def test_without_a_relation_nothing_is_authorized(world: World) -> None:
    await world.relate(mode="none")
    uid = await world.token()
    for to in ("DE*MSP", None):
        assert codes(await authorize(world, uid, to=to)) == (200, 4003)
    assert await world.asked(uid) == []


# Without TO ---------------------------------------------------------------------------------------


@pytest.mark.req("RT-37")
async def test_the_stored_token_tells_whom_to_ask(realtime: World) -> None:
    uid = await realtime.token()
    assert info(await authorize(realtime, uid, to=None))["allowed"] == "ALLOWED"
    assert len(await realtime.asked(uid)) == 1


@pytest.mark.req("TK-11")
async def test_an_unknown_token_is_found_by_asking_everybody(realtime: World) -> None:
    uid = await realtime.token(pushed=False, party="FR*MSP")
    answer = await authorize(realtime, uid, to=None)
    assert info(answer)["token"]["country_code"] == "FR"
    assert (await realtime.decision(uid)).emsp == PartyId("FR", "MSP")


@pytest.mark.req("TK-07", "TK-11")
async def test_a_token_that_nobody_knows_is_404_and_2004(realtime: World) -> None:
    answer = await authorize(realtime, "never-heard-of", to=None)
    assert codes(answer) == (404, 2004)
    assert "data" not in json.loads(answer["body"])


@pytest.mark.req("TK-11")
async def test_silence_while_searching_is_4002(realtime: World) -> None:
    await realtime.other.fault(match={"module": "tokens"}, hang=True)
    assert codes(await authorize(realtime, "never-heard-of", to=None)) == (200, 4002)


# Evidence -----------------------------------------------------------------------------------------


async def test_operators_list_the_decisions(realtime: World) -> None:
    await authorize(realtime, await realtime.token())
    uid = await realtime.token()
    await authorize(realtime, uid)
    await realtime.decision(uid)
    (item,) = await realtime.roam.hub.run("authorization", "list", "--uid", uid.upper())
    assert set(item) == {
        "at",
        "uid",
        "cpo",
        "emsp",
        "decided_by",
        "reason",
        "allowed",
        "reference",
        "legs_ms",
        "late",
        "linked_by",
        "correlation_id",
        "total_ms",
    }
    assert (item["uid"], item["cpo"], item["emsp"]) == (uid, "NL*CPO", "DE*MSP")
    assert (item["decided_by"], item["allowed"]) == ("emsp", "ALLOWED")
    assert list(item["legs_ms"]) == ["DE*MSP"]
    newest = await realtime.roam.hub.run("authorization", "list", "--limit", "2")
    assert newest[0]["uid"] == uid
    assert newest[0]["at"] >= newest[1]["at"]
    assert await realtime.roam.hub.run("authorization", "list", "--since", "2099-01-01") == []


async def test_no_uid_is_logged(whitelist: World) -> None:
    uid = await whitelist.token()
    await authorize(whitelist, uid, body=LOCATION)
    lines = [line for line in whitelist.roam.hub.logs().splitlines() if "authorization_dec" in line]
    assert lines
    assert not any(uid in line.lower() for line in lines)
