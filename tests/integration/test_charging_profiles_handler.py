"""Charging profiles from message to reply, on the real store, with scripted platforms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import pytest_asyncio

from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    OcpiError,
    ReceiverNotConnected,
    ReceiverTimeout,
    UnknownReceiver,
)
from ocpi_hub.store.database import Database
from tests.support.asynchronous import (
    PUBLIC_URL,
    RESPONSE_URL,
    SCSP,
    SECOND_CPO,
    SECOND_EMSP,
    STRANGER,
    Scene,
    asynchronous_scene,
    hold_session,
)
from tests.support.factories import CPO, EMSP, HUB
from tests.support.scripted import answer
from tests.unit.ocpi.factories import make_charging_profile

ACCEPTED = answer(data='{"result":"ACCEPTED","timeout":30}')
SET = {"charging_profile": make_charging_profile(), "response_url": RESPONSE_URL}
ACTIVE = {
    "start_date_time": "2026-01-01T00:00:00Z",
    "charging_profile": make_charging_profile(),
}
BODIES: dict[str, Any] = {"GET": None, "PUT": SET, "DELETE": None}
RESULTS: dict[str, Any] = {
    "GET": {"result": "ACCEPTED", "profile": ACTIVE},
    "PUT": {"result": "REJECTED"},
    "DELETE": {"result": "UNKNOWN"},
}


@pytest_asyncio.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    async with asynchronous_scene(database) as running:
        running.client.will(ACCEPTED)
        yield running


def asked(scene: Scene) -> dict[str, str]:
    """The query of the request that left last."""
    return dict(parse_qsl(urlsplit(scene.sent.url).query, strict_parsing=True))


@pytest.mark.req("CP-01", "CP-02", "CP-04", "CP-08", "CP-11", "CP-12")
@pytest.mark.parametrize("method", BODIES)
async def test_a_request_goes_on_and_what_the_cpo_says_comes_back_as_it_came(
    scene: Scene, method: str
) -> None:
    reply = await scene.profile(method, session="Ses%2F1 ü", body=BODIES[method])
    assert (reply.http_status, reply.body, reply.sender) == (200, ACCEPTED.body, CPO)
    assert scene.sent.method == method
    start, _, query = scene.sent.url.partition("?")
    assert start == "https://partner.example/receiver/chargingprofiles/Ses%2F1%20%C3%BC"
    url = scene.handed_out
    assert url.startswith(f"{PUBLIC_URL}/ocpi/2.2.1/sender/chargingprofiles/")
    assert len(url) <= 255
    expected = {"GET": {"duration": "900"}, "PUT": {}, "DELETE": {}}[method]
    if method == "PUT":
        assert not query
        assert json.loads(scene.sent.body or b"") == {**SET, "response_url": url}
    else:
        assert not scene.sent.body
        assert asked(scene) == {**expected, "response_url": url}
        assert quote(url, safe="") in query


@pytest.mark.req("CP-02", "CP-12")
async def test_only_the_response_url_changes_in_the_text_of_a_profile(scene: Scene) -> None:
    text = json.dumps(SET, indent=1).replace("6.5", "6.50")
    await scene.profile("PUT", body=text.encode())
    assert (scene.sent.body or b"").decode() == text.replace(RESPONSE_URL, scene.handed_out)


@pytest.mark.req("CP-03", "CP-05")
async def test_an_unescaped_response_url_is_called_as_it_was_written(scene: Scene) -> None:
    url = "https://msp.example/ocpi/2.2.1/chargingprofile/response?request_id=5678&x=a%20b"
    await scene.profile("GET", query=f"duration=900&response_url={url}")
    assert set(asked(scene)) == {"duration", "response_url"}
    await scene.result(scene.handed_out, RESULTS["GET"])
    assert scene.sent.url == url


@pytest.mark.req("CP-05", "CP-07")
@pytest.mark.parametrize("method", BODIES)
async def test_the_result_that_belongs_to_the_request_goes_to_its_response_url(
    scene: Scene, method: str
) -> None:
    await scene.profile(method, body=BODIES[method])
    url = scene.handed_out
    scene.client.will(Answer(200, {}, b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'))
    text = json.dumps(RESULTS[method], indent=1).encode()
    reply = await scene.result(url, text, correlation_id="correlation-of-the-result")
    assert "data" not in json.loads(reply.body)
    assert (scene.sent.method, scene.sent.url, scene.sent.body) == ("POST", RESPONSE_URL, text)
    assert scene.sent.headers["X-Correlation-ID"] == "correlation-of-the-result"
    assert scene.sent.headers["OCPI-from-party-id"] == "CPO"
    assert scene.sent.headers["OCPI-to-party-id"] == "MSP"
    wrongs: tuple[Any, ...] = ({}, {"result": None}, [])
    for wrong in wrongs:
        with pytest.raises(InvalidRequest):
            await scene.result(url, wrong)
    with pytest.raises(NotFound):
        await scene.result(url, RESULTS[method], by=SECOND_CPO)


@pytest.mark.req("CP-08", "CP-14")
@pytest.mark.parametrize(
    ("exchange", "error", "kept"),
    [
        (answer(data='{"result":"TOO_OFTEN","timeout":0}'), None, False),
        (answer(data='{"result":"UNKNOWN_SESSION","timeout":0}'), None, False),
        (Unreachable("refused"), ReceiverNotConnected, False),
        (NoAnswer("no answer within 30 s"), ReceiverTimeout, True),
    ],
)
async def test_the_mapping_lives_on_only_if_a_result_may_follow(
    scene: Scene, exchange: Exchange, error: type[OcpiError] | None, kept: bool
) -> None:
    scene.client.will(exchange)
    if error is None:
        reply = await scene.profile("DELETE")
        assert isinstance(exchange, Answer)
        assert reply.body == exchange.body
    else:
        with pytest.raises(error):
            await scene.profile("DELETE")
    assert await scene.kept() == kept


@pytest.mark.req("CP-13")
async def test_the_hub_leaves_it_to_the_cpo_to_say_too_often(scene: Scene) -> None:
    for _ in range(20):
        assert (await scene.profile("DELETE")).body == ACCEPTED.body
    assert len(scene.client.requests) == 20


@pytest.mark.req("CP-12", "CP-01")
async def test_a_request_that_lacks_something_is_2001(scene: Scene) -> None:
    there = f"response_url={quote(RESPONSE_URL, safe='')}"
    for query, field in (
        (there, "duration"),
        (f"{there}&duration=", "duration"),
        (f"{there}&duration=1.5", "duration"),
        (f"{there}&duration=-1", "duration"),
        ("duration=900", "response_url"),
        ("duration=900&response_url=", "response_url"),
        ("duration=900&response_url=https://10.0.0.1/", "response_url"),
    ):
        with pytest.raises(InvalidRequest, match=field):
            await scene.profile("GET", query=query)
    with pytest.raises(InvalidRequest, match="response_url"):
        await scene.profile("DELETE", query="")
    for body, field in (
        ({"charging_profile": make_charging_profile()}, "response_url"),
        ({"response_url": RESPONSE_URL}, "charging_profile"),
    ):
        with pytest.raises(InvalidRequest, match=field):
            await scene.profile("PUT", body=body)
    assert scene.client.requests == []
    assert await scene.kept() == 0


@pytest.mark.req("CP-01", "CP-04")
async def test_methods_paths_and_addressees_that_do_not_exist(scene: Scene) -> None:
    for method in ("POST", "PATCH"):
        with pytest.raises(MethodNotAllowed):
            await scene.profile(method, body=SET)
    for session in ("", "S1/more"):
        with pytest.raises(NotFound):
            await scene.profile("DELETE", session=session)
    for method, body in BODIES.items():
        with pytest.raises(InvalidRequest):
            await scene.profile(method, to=HUB, body=body)
        with pytest.raises(UnknownReceiver):
            await scene.profile(method, to=PartyId("XX", "XXX"), body=body)
        with pytest.raises(ReceiverNotConnected):
            await scene.profile(method, by=STRANGER, body=body)
        with pytest.raises(NotPermitted):
            await scene.profile(method, by=CPO, to=EMSP, body=body)
    assert scene.client.requests == []


@pytest.mark.req("CP-10")
async def test_an_scsp_works_with_cpos_and_with_emsps(scene: Scene) -> None:
    for by, to in ((SCSP, CPO), (SCSP, EMSP), (EMSP, CPO)):
        await scene.profile("PUT", by=by, to=to, body=SET)
        url = scene.handed_out
        assert scene.sent.headers["OCPI-to-party-id"] == to.party_id
        await scene.result(url, RESULTS["PUT"], by=to)
        assert scene.sent.headers["OCPI-to-party-id"] == by.party_id
        await update(scene, by=to, to=by)
        assert scene.sent.headers["OCPI-to-party-id"] == by.party_id


async def update(scene: Scene, by: PartyId, to: PartyId | None, body: Any = ACTIVE) -> Any:
    return await scene.call(
        "chargingprofiles", "PUT", "S1", by=by, to=to, role=InterfaceRole.SENDER, body=body
    )


@pytest.mark.req("CP-06", "CP-07", "CP-09")
async def test_an_update_goes_to_the_module_endpoint_of_the_party_that_to_names(
    scene: Scene,
) -> None:
    silent = Answer(200, {}, b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}')
    scene.client.will(silent)
    text = json.dumps(ACTIVE, indent=1).encode()
    reply = await update(scene, CPO, EMSP, text)
    assert (reply.body, reply.sender) == (silent.body, EMSP)
    assert scene.sent.url == "https://partner.example/sender/chargingprofiles/S1"
    assert (scene.sent.method, scene.sent.body) == ("PUT", text)
    assert await scene.kept() == 0
    for body in ({}, {"start_date_time": "2026-01-01T00:00:00Z"}):
        with pytest.raises(InvalidRequest):
            await update(scene, CPO, EMSP, body)
    with pytest.raises(InvalidRequest):
        await update(scene, CPO, HUB)


@pytest.mark.req("RT-37", "CP-09")
async def test_an_update_without_to_goes_to_the_one_who_set_a_profile(scene: Scene) -> None:
    await scene.profile("GET", by=SECOND_EMSP)
    with pytest.raises(UnknownReceiver):
        await update(scene, CPO, None)
    await scene.profile("PUT", body=SET)
    reply = await update(scene, CPO, None)
    assert reply.sender == EMSP
    await scene.profile("PUT", body=SET, by=SCSP)
    with pytest.raises(UnknownReceiver):
        await update(scene, CPO, None)


@pytest.mark.req("RT-37", "CP-04")
async def test_a_request_without_to_goes_to_the_cpo_of_the_session(scene: Scene) -> None:
    for method, body in BODIES.items():
        with pytest.raises(UnknownReceiver):
            await scene.profile(method, to=None, body=body)
    await hold_session(scene, SECOND_CPO, EMSP)
    await hold_session(scene, CPO, SECOND_EMSP)
    for method, body in BODIES.items():
        reply = await scene.profile(method, to=None, session="s1", body=body)
        assert reply.sender == SECOND_CPO
