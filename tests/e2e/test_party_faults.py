"""Each fault does what it says: a CPO calls an eMSP that misbehaves on request, in-process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.party.client import SendResult
from ocpi_hub.party.faults import Fault, FaultMatch
from ocpi_hub.party.modules import Allowed, Decision
from ocpi_hub.party.outbox import SendRequest
from ocpi_hub.party.platform import PartyPlatform
from tests.support.party import make_cdr, make_token, party_config

CPO, EMSP = PartyId.parse("NL*CPO"), PartyId.parse("DE*MSP")


class Pair:
    """A CPO registered with an eMSP."""

    def __init__(self, cpo: PartyPlatform, emsp: PartyPlatform) -> None:
        self.cpo = cpo
        self.emsp = emsp

    async def push(self, cdr_id: str = "CDR1", **changes: Any) -> SendResult:
        request = SendRequest(
            method="POST",
            module="cdrs",
            role=InterfaceRole.RECEIVER,
            raw_body=json.dumps(make_cdr(cdr_id)),
            to=EMSP,
        )
        return await self.cpo.send(request.model_copy(update=changes))

    async def authorize(self, uid: str) -> SendResult:
        return await self.cpo.send(
            SendRequest(
                method="POST",
                module="tokens",
                role=InterfaceRole.SENDER,
                path=f"{uid}/authorize",
                to=EMSP,
            )
        )

    def held(self) -> list[tuple[str, int]]:
        return [(cdr.cdr_id, cdr.count) for cdr in self.emsp.cdrs.received()]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        emsp = await stack.enter_async_context(
            PartyPlatform(party_config("EMSP", "DE*MSP", token_a="invited"))
        )
        cpo = await stack.enter_async_context(PartyPlatform(party_config("CPO", "NL*CPO")))
        await cpo.register(emsp.versions_url, "invited")
        emsp.record.clear()
        yield Pair(cpo, emsp)


async def test_http_answers_the_bare_status_and_processes_nothing(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(http=503))
    answer = await pair.push()
    assert (answer.http, answer.ocpi, answer.body) == (503, None, "")
    assert pair.held() == []
    (item,) = pair.emsp.record
    assert not item.acked
    assert item.fault == {"http": 503}


async def test_ocpi_answers_an_envelope_with_that_code(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(ocpi=2001, message="no"))
    answer = await pair.push()
    assert (answer.http, answer.ocpi) == (200, 2001)
    assert json.loads(answer.body)["status_message"] == "no"
    assert answer.headers["x-correlation-id"]
    assert pair.held() == []


async def test_after_processes_first(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(http=500, after=True))
    assert (await pair.push()).http == 500
    assert pair.held() == [("CDR1", 1)]
    (item,) = pair.emsp.record
    assert item.acked


async def test_garbage_is_no_envelope(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(garbage=True))
    answer = await pair.push()
    assert (answer.http, answer.ocpi) == (200, None)
    assert answer.body.startswith("<!doctype html>")


async def test_body_and_headers_replace_the_answer(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(body='{"status_code":1901}', headers={"X-Extra": "1"}))
    answer = await pair.push()
    assert (answer.ocpi, answer.headers["x-extra"]) == (1901, "1")


async def test_headers_alone_change_only_headers(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(headers={"location": None, "OCPI-from-party-id": "XXX"}))
    answer = await pair.push()
    assert (answer.http, answer.ocpi) == (201, 1000)
    assert "location" not in answer.headers
    assert answer.headers["ocpi-from-party-id"] == "XXX"
    assert pair.held() == [("CDR1", 1)]


async def test_drop_closes_after_and_drop_before_closes_before_processing(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(drop_before=True, times=1))
    await pair.emsp.faults.add(Fault(drop=True, times=1))
    assert (await pair.push("A")).error
    assert pair.held() == []
    assert (await pair.push("A")).error
    assert pair.held() == [("A", 1)]
    assert (await pair.push("A")).http == 200
    assert pair.held() == [("A", 2)]
    assert [item.acked for item in pair.emsp.record] == [False, True, True]
    assert [item.note for item in pair.emsp.record] == [None, None, "duplicate"]


async def test_hang_never_answers_until_cleared(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(hang=True, match=FaultMatch(module="cdrs")))
    answer = await pair.push(timeout_s=0.2)
    assert answer.error == "timeout after 0.2 s"
    assert pair.held() == []
    await pair.emsp.faults.clear()
    assert (await pair.push()).ocpi == 1000


async def test_huge_streams_that_many_bytes(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(huge=200_000))
    assert len((await pair.push()).body) == 200_000


async def test_delay_lets_the_sender_give_up_while_the_request_goes_on(pair: Pair) -> None:
    await pair.emsp.faults.add(Fault(delay_s=0.3, times=1))
    assert (await pair.push(timeout_s=0.1)).error
    item = await pair.emsp.record.wait(lambda item: item.module == "cdrs", timeout_s=10)
    assert item.acked
    assert item.ms >= 300
    assert pair.held() == [("CDR1", 1)]


async def test_refuse_rejects_connections_and_keeps_the_port(pair: Pair) -> None:
    url = pair.emsp.versions_url
    await pair.emsp.faults.add(Fault(refuse=True))
    assert "ConnectError" in ((await pair.push()).error or "")
    await pair.emsp.faults.clear()
    assert (await pair.push()).ocpi == 1000
    assert pair.emsp.versions_url == url


async def test_faults_hit_only_what_matches_and_take_turns(pair: Pair) -> None:
    match = FaultMatch(module="cdrs", method="post", body_contains='"id": "B"')
    await pair.emsp.faults.add(Fault(http=500, match=match, times=1))
    await pair.emsp.faults.add(Fault(http=503, match=match, times=1))
    answers = [(await pair.push(cdr_id)).http for cdr_id in ("A", "B", "B", "B")]
    assert answers == [201, 500, 503, 201]
    assert pair.emsp.faults.as_json() == []


async def test_faults_disturb_the_handshake_too(pair: Pair) -> None:
    before = pair.cpo.credentials.as_json()
    await pair.emsp.faults.add(Fault(http=500, match=FaultMatch(module="credentials")))
    with pytest.raises(OperatorError, match="PUT credentials: HTTP 500"):
        await pair.cpo.rotate()
    assert pair.cpo.credentials.as_json() == before


async def test_decisions_override_the_token_table(pair: Pair) -> None:
    pair.emsp.held.load_token(make_token("OK"))
    pair.emsp.held.load_token(make_token("STOLEN", valid=False))
    assert [await _allowed(pair, uid) for uid in ("ok", "STOLEN")] == ["ALLOWED", "BLOCKED"]
    pair.emsp.modules.decide(Decision("OK", Allowed.NO_CREDIT))
    assert await _allowed(pair, "OK") == "NO_CREDIT"
    unknown = await pair.authorize("NOBODY")
    assert (unknown.http, unknown.ocpi, unknown.data()) == (404, 2004, None)


async def _allowed(pair: Pair, uid: str) -> Any:
    return (await pair.authorize(uid)).data()["allowed"]
