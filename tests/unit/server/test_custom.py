"""Custom modules from the request's path to the partner's URL and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, OutboundRequest, Unreachable
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import InterfaceRole, Platform, Quirk, Role
from ocpi_hub.errors import (
    HubRoutingError,
    InvalidRequest,
    MalformedJson,
    NotFound,
    OcpiError,
    ReceiverNotConnected,
    ReceiverTimeout,
    UnknownReceiver,
)
from ocpi_hub.server.handlers.custom import CustomModulesHandler
from ocpi_hub.server.inbound import Inbound, read_target
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_directory, make_message, make_platform
from tests.support.scripted import ScriptedClient, answer

MODULE = "nltnm-tokens"
ENDPOINTS = {
    (MODULE, InterfaceRole.SENDER): "https://partner.example/s/custom",
    (MODULE, InterfaceRole.RECEIVER): "https://partner.example/r/custom/",
}


def taking_part(platform: Platform) -> Platform:
    return replace(platform, endpoints=ENDPOINTS, custom_modules=frozenset({MODULE}))


CALLER = taking_part(make_platform((CPO, Role.CPO)))
TAKER = taking_part(make_platform((EMSP, Role.EMSP)))


class Scene:
    """The handler with a receiver that answers as told."""

    def __init__(self) -> None:
        self.client = ScriptedClient()
        self.client.will(answer())
        self.taker = TAKER
        links = PageLinks("https://hub.example", lambda text: "5ea1", ManualClock(), days=7)
        relay = Relay(self.client, links, timeout_s=30.0)
        self._handle = CustomModulesHandler(relay, links, json_depth=32)

    async def __call__(
        self, tail: str, *, method: str = "GET", body: bytes = b"", addressed: bool = True
    ) -> Reply:
        """A request of the CPO, its path as it stands in the request line after the module."""
        target = read_target(f"/ocpi/2.2.1/receiver/{MODULE}{tail}")
        message = make_message(
            CALLER,
            CPO,
            to=EMSP if addressed else None,
            module=MODULE,
            method=method,
            path=target.segments[4:],
            query=target.query,
            body=body,
        )
        message = replace(message, raw_query=target.raw_query)
        return await self.serve(message)

    async def serve(self, message: Message) -> Reply:
        return await self._handle(Inbound(message, make_directory(CALLER, self.taker), 0.0))

    @property
    def sent(self) -> OutboundRequest:
        return self.client.requests[-1]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.req("VE-12", "RT-06", "RT-08", "TF-30", "TF-39")
@pytest.mark.parametrize(
    ("tail", "onward"),
    [
        ("", "/"),
        ("/", "/"),
        ("/NL/TNM/1", "/NL/TNM/1"),
        ("/a%2Fb/c%23d", "/a%2Fb/c%23d"),
        ("/a%252Fb", "/a%252Fb"),
        ("/Z%C3%BCrich", "/Z%C3%BCrich"),
        ("/Zürich", "/Z%C3%BCrich"),
        ("/x%20y*z~", "/x%20y%2Az~"),
        ("/1?a=1&a=2&flag&c=x+y%2Bz&d=%2F", "/1?a=1&a=2&flag&c=x+y%2Bz&d=%2F"),
        ("/1?date_from=2026-11-01T00:00:00+01:00", "/1?date_from=2026-11-01T00:00:00+01:00"),
        ("/1?q=Zürich", "/1?q=Z%C3%BCrich"),
        ("/1?_to=DE*MSP&q=1", "/1?q=1"),
        ("/?", "/"),
    ],
)
async def test_path_and_query_keep_their_bytes(scene: Scene, tail: str, onward: str) -> None:
    await scene(tail)
    assert scene.sent.url == f"https://partner.example/r/custom{onward}"
    assert scene.sent.headers["OCPI-to-party-id"] == "MSP"
    assert scene.sent.headers["OCPI-from-party-id"] == "CPO"
    assert scene.sent.headers["X-Correlation-ID"] == "correlation-1"
    assert scene.sent.headers["X-Request-ID"] != "request-1"
    assert scene.sent.headers["Authorization"].startswith("Token ")


@pytest.mark.req("VE-12", "RT-08", "TF-08")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b'{ "x" : 1.10e0, "y":[ ] }\n', b'"text"', b"[1,2]", b""])
async def test_bodies_keep_their_bytes_and_are_announced_as_json(
    scene: Scene, method: str, body: bytes
) -> None:
    await scene("/1", method=method, body=body)
    assert (scene.sent.method, scene.sent.body or b"") == (method, body)
    assert scene.sent.headers.get("Content-Type") == ("application/json" if body else None)


@pytest.mark.req("ER-01")
@pytest.mark.parametrize("body", [b"<xml/>", b"\xff\xfe", b"a=1&b=2", b"[" * 100 + b"]" * 100])
async def test_a_body_that_is_no_json_is_400_as_everywhere(scene: Scene, body: bytes) -> None:
    with pytest.raises(MalformedJson) as error:
        await scene("/1", method="POST", body=body)
    assert error.value.http_status == 400
    assert not scene.client.requests


@pytest.mark.req("VE-12", "RT-17", "RT-19", "ER-06")
@pytest.mark.parametrize(
    "received",
    [
        answer(data='{"a":1.10}'),
        answer(http=201),
        answer(1901),
        answer(2901, http=404),
        answer(2000, http=405),
        answer(3000),
        answer(4901),
    ],
)
async def test_the_answer_comes_back_as_it_is(scene: Scene, received: Answer) -> None:
    scene.client.will(received)
    reply = await scene("/1", method="PUT", body=b"{}")
    assert (reply.http_status, reply.body, reply.sender) == (
        received.http_status,
        received.body,
        EMSP,
    )


@pytest.mark.req("RT-13", "RT-14", "RT-15", "RT-18")
@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        (answer(2000, http=401), HubRoutingError),
        (answer(2000, http=403), HubRoutingError),
        (answer(http=302), HubRoutingError),
        (answer(3000, http=503), HubRoutingError),
        (answer(None), HubRoutingError),
        (Answer(204, {}, b""), HubRoutingError),
        (Unreachable("connection refused"), ReceiverNotConnected),
        (NoAnswer("no answer within 30 s"), ReceiverTimeout),
    ],
)
async def test_what_is_no_answer_becomes_an_error_of_the_hub(
    scene: Scene, exchange: Exchange, error: type[OcpiError]
) -> None:
    scene.client.will(exchange)
    with pytest.raises(error) as raised:
        await scene("/1")
    assert type(raised.value) is error


@pytest.mark.req("RT-13")
async def test_a_receiver_known_to_be_offline_costs_no_waiting(scene: Scene) -> None:
    scene.taker = replace(TAKER, online=False)
    with pytest.raises(ReceiverNotConnected, match="OFFLINE"):
        await scene("/1")
    assert not scene.client.requests


@pytest.mark.req("RT-42")
async def test_the_next_page_of_a_list_comes_through_the_hub(scene: Scene) -> None:
    link = '<https://partner.example/r/custom/all?offset=5&of=x>; rel="next"'
    scene.client.will(answer(data="[]", link=link, x_total_count="9", x_limit="5"))
    reply = await scene("/all")
    assert (reply.headers["X-Total-Count"], reply.headers["X-Limit"]) == ("9", "5")
    url = reply.headers["Link"].removeprefix("<").partition(">")[0]
    start = f"https://hub.example/ocpi/2.2.1/receiver/{MODULE}"
    assert url.startswith(f"{start}?")
    await scene(url.removeprefix(start), addressed=False)
    assert scene.sent.url == "https://partner.example/r/custom/all?offset=5&of=x"
    assert scene.sent.headers["OCPI-to-party-id"] == "MSP"


@pytest.mark.parametrize(
    ("tail", "method"), [("?_to=DE*MSP", "POST"), ("/1?_to=DE*MSP", "GET"), ("", "GET")]
)
async def test_nothing_but_a_page_link_stands_for_to(scene: Scene, tail: str, method: str) -> None:
    with pytest.raises(UnknownReceiver):
        await scene(tail, method=method, addressed=False)


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        ("/..", InvalidRequest),
        ("/%2e%2e/credentials", InvalidRequest),
        ("/..%2fcredentials", InvalidRequest),
        ("/..%5ccredentials", InvalidRequest),
        ("/%252e%252e%252fcredentials", InvalidRequest),
        ("/a%0d%0aX-Evil:%201", InvalidRequest),
        ("/1?a=%0d%0aX-Evil:%201", InvalidRequest),
        ("/1?a=\x00", InvalidRequest),
        ("/%ff", InvalidRequest),
        ("/a//b", NotFound),
    ],
)
async def test_paths_that_try_something_go_nowhere(
    scene: Scene, tail: str, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        await scene(tail)
    assert not scene.client.requests


@pytest.mark.parametrize(
    ("quirk", "url"),
    [
        (Quirk.TRAILING_SLASH, "https://partner.example/r/custom/NL/Tnm/iD/?a"),
        (Quirk.LOWERCASE_IDS, "https://partner.example/r/custom/NL/Tnm/iD?a"),
    ],
)
async def test_quirks_reach_as_far_as_the_hub_knows_the_path(
    scene: Scene, quirk: Quirk, url: str
) -> None:
    scene.taker = replace(TAKER, quirks=frozenset({quirk}))
    await scene("/NL/Tnm/iD?a")
    assert scene.sent.url == url
