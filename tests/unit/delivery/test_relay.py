"""Relayed messages: what goes on, and what each answer or silence means for the requester."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import InterfaceRole, Role
from ocpi_hub.errors import HubRoutingError, OcpiError, ReceiverNotConnected, ReceiverTimeout
from ocpi_hub.routing.route import ToParty
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_message, make_platform
from tests.support.scripted import ScriptedClient, answer

TARGET = ToParty(EMSP, make_platform((EMSP, Role.EMSP)), online=True)


@pytest.fixture
def client() -> ScriptedClient:
    return ScriptedClient()


@pytest.fixture
def relay(client: ScriptedClient) -> Relay:
    links = PageLinks("https://hub.example", lambda text: "5ea1", ManualClock(), days=7)
    return Relay(client, links, timeout_s=30.0)


def message(*path: str, method: str = "GET", query: tuple[tuple[str, str], ...] = ()) -> Message:
    return make_message(
        make_platform((CPO, Role.CPO)),
        CPO,
        to=EMSP,
        interface_role=InterfaceRole.SENDER,
        method=method,
        path=path,
        query=query,
    )


@pytest.mark.req("RT-06", "RT-14", "TF-30")
async def test_a_message_goes_on_with_sender_correlation_and_time_limit(
    relay: Relay, client: ScriptedClient
) -> None:
    client.will(answer())
    sent = replace(message("04AA", "authorize", method="POST"), body=b'{ "x": 1.0 }')
    await relay.pass_on(replace(sent, query=(("type", "RFID"), ("_to", "DE*MSP"))), TARGET)
    [request] = client.requests
    assert request.url == "https://partner.example/sender/tokens/04AA/authorize?type=RFID"
    assert (request.method, request.body, request.deadline_s) == ("POST", b'{ "x": 1.0 }', 30.0)
    assert request.headers["X-Correlation-ID"] == "correlation-1"
    assert request.headers["X-Request-ID"] != "request-1"
    assert request.headers["OCPI-from-party-id"] == "CPO"
    assert request.headers["OCPI-to-party-id"] == "MSP"


@pytest.mark.req("RT-17", "RT-19", "RT-07")
@pytest.mark.parametrize(
    "received",
    [
        answer(1000, data='{"a":1.10}'),
        answer(1000, http=201),
        answer(2001, data="[]"),
        answer(2004, http=404),
        answer(3000),
        answer(2000, http=405),
        answer(2001, http=400),
        answer(4001),
        answer(4003),
    ],
)
async def test_an_answer_with_an_envelope_returns_as_it_came(
    relay: Relay, client: ScriptedClient, received: Answer
) -> None:
    client.will(received)
    reply = await relay.pass_on(message(), TARGET)
    assert (reply.http_status, reply.body) == (received.http_status, received.body)
    assert reply.sender == EMSP


@pytest.mark.req("RT-07")
async def test_responders_routing_headers_are_not_believed(
    relay: Relay, client: ScriptedClient
) -> None:
    client.will(answer(OCPI_from_party_id="XXX", set_cookie="a=b", content_type="text/html"))
    reply = await relay.pass_on(message(), TARGET)
    assert (reply.headers, reply.sender) == ({}, EMSP)


@pytest.mark.parametrize(
    ("exchange", "error", "code"),
    [
        pytest.param(
            Unreachable("connection refused"), ReceiverNotConnected, 4003,
            marks=pytest.mark.req("RT-13"),
        ),
        pytest.param(
            NoAnswer("no answer within 30 s"), ReceiverTimeout, 4002,
            marks=pytest.mark.req("RT-14"),
        ),
        (Busy("too many requests in flight"), ReceiverTimeout, 4002),
        *[
            pytest.param(garbage, HubRoutingError, 4000, marks=pytest.mark.req("RT-15"))
            for garbage in (answer(None), answer(None, http=404), answer(7), answer(None, http=302))
        ],
        *[
            pytest.param(fault, HubRoutingError, 4000, marks=pytest.mark.req("RT-18"))
            for fault in (
                answer(2000, http=401), answer(2001, http=403), answer(3000, http=500),
                answer(3000, http=503), answer(2000, http=429), answer(1000, http=302),
            )
        ],
    ],
)  # fmt: skip
async def test_what_must_not_return_becomes_a_hub_error(
    relay: Relay, client: ScriptedClient, exchange: Exchange, error: type[OcpiError], code: int
) -> None:
    client.will(exchange)
    with pytest.raises(OcpiError, match=r"DE\*MSP") as caught:
        await relay.pass_on(message(), TARGET)
    assert type(caught.value) is error
    assert (caught.value.http_status, caught.value.status_code) == (200, code)


@pytest.mark.req("RT-13")
async def test_an_offline_receiver_is_not_called(relay: Relay, client: ScriptedClient) -> None:
    with pytest.raises(ReceiverNotConnected):
        await relay.pass_on(message(), replace(TARGET, online=False))
    assert client.requests == []


@pytest.mark.req("RT-15")
async def test_a_receiver_without_the_interface_is_not_called(
    relay: Relay, client: ScriptedClient
) -> None:
    bare = replace(TARGET, platform=make_platform((EMSP, Role.EMSP), endpoints={}))
    with pytest.raises(HubRoutingError, match="tokens SENDER"):
        await relay.pass_on(message(), bare)
    assert client.requests == []


@pytest.mark.req("RT-42")
async def test_a_relayed_list_keeps_its_counts_and_leads_back_through_the_hub(
    relay: Relay, client: ScriptedClient
) -> None:
    first = answer(
        data="[]", x_total_count="70", x_limit="50",
        link='<https://pages.example/2?offset=50>; rel="next"',
    )  # fmt: skip
    client.will(first, answer(data="[]"))
    reply = await relay.pass_on(message(query=(("limit", "50"),)), TARGET)
    assert (reply.headers["X-Total-Count"], reply.headers["X-Limit"]) == ("70", "50")
    link = reply.headers["Link"]
    assert link.startswith("<https://hub.example/ocpi/2.2.1/sender/tokens?offset=50&_to=DE%2AMSP")
    sealed = link.split("_at=")[1].split(">")[0]
    query = (("offset", "50"), ("_to", "DE*MSP"), ("_at", sealed))
    last = await relay.pass_on(message(query=query), TARGET)
    assert client.requests[1].url == "https://pages.example/2?offset=50"
    assert last.headers == {}
