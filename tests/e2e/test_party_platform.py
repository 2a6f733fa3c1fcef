"""Two party platforms, each a process of its own, that talk OCPI to each other without a hub."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.support.party import PartyProcess, make_cdr, make_location, make_token

INVITATION = "invitation-token"
CPO, EMSP = "NL*CPO", "DE*MSP"


class Pair:
    """A CPO and an eMSP; the eMSP invited the CPO."""

    def __init__(self, cpo: PartyProcess, emsp: PartyProcess) -> None:
        self.cpo = cpo
        self.emsp = emsp


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        emsp = await stack.enter_async_context(
            PartyProcess.of([("EMSP", EMSP)], "--token-a", INVITATION, "--page-limit", "10")
        )
        cpo = await stack.enter_async_context(
            PartyProcess.of(
                [("CPO", CPO)], "--hub-versions-url", emsp.versions_url, "--token", INVITATION
            )
        )
        yield Pair(cpo, emsp)


def _data(answer: dict[str, Any]) -> Any:
    return json.loads(answer["body"])["data"]


async def test_ready_line_names_urls_and_parties(pair: Pair) -> None:
    assert pair.cpo.ready["registered"] is True
    assert pair.cpo.ready["parties"][0]["party"] == CPO
    assert "registered" not in pair.emsp.ready
    assert (await pair.emsp.status())["registered"] is True


async def test_parties_work_together_directly(pair: Pair) -> None:
    await pair.emsp.load_tokens(*(make_token(f"UID{n}") for n in range(25)))

    granted = await pair.cpo.authorize("UID3", to=EMSP, body={"location_id": "LOC1"})
    assert (granted["http"], granted["ocpi"]) == (200, 1000)
    info = _data(granted)
    assert info["allowed"] == "ALLOWED"
    assert info["location"] == {"location_id": "LOC1"}
    assert info["authorization_reference"]
    assert granted["headers"]["ocpi-to-party-id"] == "CPO"
    assert granted["headers"]["ocpi-from-party-id"] == "MSP"

    text = json.dumps(make_cdr()).replace("3.99", "3.9900")
    first = await pair.cpo.send("POST", "cdrs", role="RECEIVER", raw_body=text, to=EMSP)
    again = await pair.cpo.send("POST", "cdrs", role="RECEIVER", raw_body=text, to=EMSP)
    assert (first["http"], again["http"]) == (201, 200)
    assert first["headers"]["location"] == again["headers"]["location"]
    copy = await pair.cpo.send("GET", "cdrs", url=first["headers"]["location"])
    assert '"incl_vat": 3.9900' in copy["body"]
    (held,) = await pair.emsp.received_cdrs()
    assert (held["owner"], held["id"], held["count"], held["body"]) == (CPO, "CDR1", 2, text)

    pulled = await pair.cpo.pull("tokens")
    assert pulled["failed"] is None
    assert pulled["pages"] == 3
    assert [token["uid"] for token in pulled["objects"]] == [f"UID{n}" for n in range(25)]
    assert len((await pair.cpo.tokens())["cached"]) == 25


async def test_rotation_and_withdrawal(pair: Pair) -> None:
    before, peer_before = await pair.cpo.credentials(), await pair.emsp.credentials()
    after = await pair.cpo.rotate()
    peer_after = await pair.emsp.credentials()
    assert {before["our_token"], before["their_token"]}.isdisjoint(
        {after["our_token"], after["their_token"]}
    )
    assert after["their_token"] == peer_after["our_token"]
    assert after["our_token"] == peer_after["their_token"]
    assert peer_before["our_token"] != peer_after["our_token"]

    await pair.emsp.rotate()
    assert (await pair.cpo.pull("tokens"))["failed"] is None

    await pair.cpo.unregister()
    assert (await pair.cpo.status())["registered"] is False
    assert (await pair.emsp.status())["registered"] is False


async def test_record_shows_both_ends_and_no_credentials(pair: Pair) -> None:
    await pair.cpo.push_cdr(make_cdr(), to=EMSP)
    sent = await pair.cpo.wait_for_record(direction="out", module="cdrs")
    arrived = await pair.emsp.wait_for_record(direction="in", module="cdrs")
    assert sent["headers"] == arrived["headers"]
    assert sent["acked"]
    assert arrived["acked"]
    assert arrived["role"] == "RECEIVER"
    assert json.loads(arrived["body"]) == make_cdr()
    tokens = await pair.cpo.credentials()
    everything = json.dumps(await pair.cpo.record() + await pair.emsp.record())
    assert tokens["our_token"] not in everything
    assert tokens["their_token"] not in everything


async def test_refuse_rejects_connections_until_cleared(pair: Pair) -> None:
    await pair.emsp.fault(refuse=True)
    refused = await pair.cpo.push_cdr(make_cdr(), to=EMSP)
    assert "ConnectError" in refused["error"]
    await pair.emsp.clear_faults()
    accepted = await pair.cpo.push_cdr(make_cdr(), to=EMSP)
    assert accepted["ocpi"] == 1000


async def test_drop_loses_the_answer_but_keeps_the_cdr(pair: Pair) -> None:
    await pair.emsp.fault(drop=True, match={"module": "cdrs", "method": "POST"}, times=1)
    lost = await pair.cpo.push_cdr(make_cdr(), to=EMSP)
    assert "error" in lost
    (held,) = await pair.emsp.received_cdrs()
    assert held["count"] == 1
    assert (await pair.emsp.wait_for_record(module="cdrs"))["acked"] is True
    again = await pair.cpo.push_cdr(make_cdr(), to=EMSP)
    assert (again["http"], again["ocpi"]) == (200, 1000)


async def test_sigterm_ends_with_status_zero() -> None:
    async with PartyProcess.of([("CPO", CPO), ("EMSP", EMSP)]) as both:
        assert [party["role"] for party in both.ready["parties"]] == ["CPO", "EMSP"]
        assert await both.stop() == 0


async def test_sigterm_lets_go_of_requests_that_hang(pair: Pair) -> None:
    await pair.emsp.fault(hang=True, match={"module": "cdrs"})
    unanswered = await pair.cpo.push_cdr(make_cdr(), to=EMSP, timeout_s=0.3)
    assert "timeout" in unanswered["error"]
    assert await pair.emsp.stop() == 0


async def test_control_refuses_what_makes_no_sense(pair: Pair) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=pair.cpo.control_url) as http:
        for path, body in (
            ("/fault", {"htpp": 500}),
            ("/send", {"module": "cdrs", "from": "nobody"}),
            ("/tokens", [make_token("A", CPO)]),
            ("/cdrs", {"not": "a list"}),
            ("/locations", [make_location(owner=EMSP)]),
            ("/send", {"module": "locations", "method": "PUT", "path": "a", "own": True}),
            ("/decisions", [{"uid": "A", "allowed": "MAYBE"}]),
        ):
            answer = await http.post(path, json=body)
            assert (answer.status_code, list(answer.json())) == (400, ["error"]), path
        answer = await http.post("/register", json={"versions_url": "http://x/", "token": "t"})
        assert answer.status_code == 409


async def test_many_messages_go_out_at_once_and_keep_their_order(pair: Pair) -> None:
    requests = [
        {
            "method": "POST",
            "module": "cdrs",
            "role": "RECEIVER",
            "to": EMSP,
            "raw_body": json.dumps(make_cdr(f"CDR{number}")),
        }
        for number in range(60)
    ]
    answers = await pair.cpo.send_many(requests, concurrency=8)
    locations = [answer["headers"]["location"] for answer in answers]
    assert len(set(locations)) == 60
    held = {cdr["id"]: cdr["count"] for cdr in await pair.emsp.received_cdrs()}
    assert held == {f"CDR{number}": 1 for number in range(60)}
    last = await pair.cpo.send("GET", "cdrs", url=locations[59])
    assert _data(last)["id"] == "CDR59"


async def test_cdrs_are_pulled_from_the_cpo(pair: Pair) -> None:
    await pair.cpo.load_cdrs(make_cdr("A"), make_cdr("B", last_updated="2026-03-01T00:00:00Z"))
    pulled = await pair.emsp.pull("cdrs", query={"date_from": "2026-02-01T00:00:00Z"}, to=CPO)
    assert [cdr["id"] for cdr in pulled["objects"]] == ["B"]


async def test_locations_are_pushed_changed_and_compared(pair: Pair) -> None:
    answer = await pair.cpo.push_location(make_location(), to=EMSP)
    assert (answer["http"], answer["ocpi"]) == (201, 1000)
    time = "2026-02-01T00:00:00Z"
    path = "NL/CPO/LOC1/EVSE2"
    answer = await pair.cpo.push_evse_status(path, "CHARGING", time, to=EMSP)
    assert answer["ocpi"] == 1000
    held = await pair.emsp.locations()
    assert held == await pair.cpo.locations()
    assert held["NL*CPO/LOC1"]["evses"][1]["status"] == "CHARGING"
    unknown = await pair.cpo.send(
        "PUT", "locations", path="NL/CPO/LOC2/EVSE1", body={"uid": "EVSE1"}, to=EMSP
    )
    assert (unknown["http"], unknown["ocpi"]) == (200, 2001)
    evse = make_location()["evses"][0]
    unknown = await pair.cpo.send("PUT", "locations", path="NL/CPO/L2/EVSE1", body=evse, to=EMSP)
    assert (unknown["http"], unknown["ocpi"]) == (404, 2003)


async def test_a_push_that_fails_has_changed_the_location_at_home(pair: Pair) -> None:
    await pair.cpo.push_location(make_location(), to=EMSP)
    await pair.emsp.fault(http=503, match={"module": "locations", "method": "PATCH"})
    time = "2026-02-01T00:00:00Z"
    answer = await pair.cpo.push_evse_status("NL/CPO/LOC1/EVSE1", "CHARGING", time, to=EMSP)
    assert answer["http"] == 503
    own, given = await pair.cpo.locations(), await pair.emsp.locations()
    assert own["NL*CPO/LOC1"]["last_updated"] == time
    assert given["NL*CPO/LOC1"] == make_location()
    pulled = await pair.emsp.pull("locations", query={"date_from": time})
    assert pulled["failed"] is None
    assert await pair.emsp.locations() == own
    evse = await pair.emsp.send("GET", "locations", path="LOC1/EVSE1", to=CPO)
    assert _data(evse)["status"] == "CHARGING"


async def test_decisions_reach_the_authorization(pair: Pair) -> None:
    await pair.emsp.load_tokens(make_token("A"))
    await pair.emsp.decide("A", "EXPIRED")
    assert _data(await pair.cpo.authorize("A", to=EMSP))["allowed"] == "EXPIRED"
