"""Commands from message to reply, on the real store, with scripted platforms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from ocpi_hub.delivery.answer_url_limit import AT_LIMIT_S, RECOUNT_S, AnswerUrlLimit
from ocpi_hub.delivery.asynchronous import AsynchronousAnswers, result_within_s
from ocpi_hub.delivery.shared import Change
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import InterfaceRole, PartyId, Relation, RelationMode, Role
from ocpi_hub.errors import (
    ConfigError,
    HubRoutingError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    OcpiError,
    ReceiverNotConnected,
    ReceiverTimeout,
    StoreUnavailable,
    TooManyRequests,
    UnknownReceiver,
)
from ocpi_hub.store.database import Database
from tests.support.asynchronous import (
    KEEP_S,
    PER_PLATFORM,
    PUBLIC_URL,
    RESPONSE_URL,
    SECOND_CPO,
    SECOND_EMSP,
    STRANGER,
    Scene,
    asynchronous_scene,
    hold_session,
)
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_platform
from tests.support.scripted import ScriptedClient, answer
from tests.support.stores import UPDATED, execute, shared_store, value
from tests.unit.ocpi.factories import make_command, make_token

ACCEPTED = answer(data='{"result":"ACCEPTED","timeout":30}')
RESULT = {"result": "ACCEPTED"}


def command(**fields: Any) -> dict[str, Any]:
    return make_command(response_url=RESPONSE_URL, **fields)


START = command(token=make_token(), location_id="LOC1")
STOP = command(session_id="S1")
RESERVE = command(
    token=make_token(),
    location_id="LOC1",
    reservation_id="Res/1",
    expiry_date="2036-01-01T00:00:00Z",
)
CANCEL = command(reservation_id="Res/1")
UNLOCK = command(location_id="LOC1", evse_uid="E1", connector_id="1")
COMMANDS = {
    "START_SESSION": START,
    "STOP_SESSION": STOP,
    "RESERVE_NOW": RESERVE,
    "CANCEL_RESERVATION": CANCEL,
    "UNLOCK_CONNECTOR": UNLOCK,
}


@pytest_asyncio.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    async with asynchronous_scene(database) as running:
        running.client.will(ACCEPTED)
        yield running


async def started(scene: Scene, by: PartyId = EMSP) -> str:
    """An accepted command; the hub's URL for its result."""
    token = make_token(country_code=by.country_code, party_id=by.party_id)
    await scene.command("START_SESSION", command(token=token, location_id="LOC1"), by=by)
    return scene.handed_out


def codes(error: pytest.ExceptionInfo[OcpiError]) -> tuple[int, int]:
    return error.value.http_status, error.value.status_code


# The command ------------------------------------------------------------------------------------


@pytest.mark.req("CM-01", "CM-03", "CM-13", "CM-14", "CM-15", "CM-16", "CM-19", "RT-06", "RT-08")
@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_goes_on_and_what_the_cpo_says_comes_back_as_it_came(
    scene: Scene, name: str
) -> None:
    reply = await scene.command(name, COMMANDS[name])
    assert (reply.http_status, reply.body, reply.sender) == (200, ACCEPTED.body, CPO)
    assert scene.sent.method == "POST"
    assert scene.sent.url == f"https://partner.example/receiver/commands/{name}"
    assert scene.sent.headers["OCPI-from-party-id"] == "MSP"
    assert scene.sent.headers["OCPI-to-party-id"] == "CPO"
    assert scene.sent.headers["X-Correlation-ID"] == "correlation-1"
    assert scene.sent.body is not None
    onward = json.loads(scene.sent.body)
    assert onward == {**COMMANDS[name], "response_url": scene.handed_out}


@pytest.mark.req("CM-04", "CM-05")
async def test_the_response_url_becomes_a_url_of_the_hub_that_nobody_can_guess(
    scene: Scene,
) -> None:
    urls = {await started(scene) for _ in range(5)}
    assert len(urls) == 5
    for url in urls:
        start, _, secret = url.rpartition("/")
        assert start == f"{PUBLIC_URL}/ocpi/2.2.1/sender/commands/START_SESSION"
        assert len(secret) >= 32
        assert len(url) <= 255


@pytest.mark.req("CM-05")
def test_a_public_url_that_leaves_no_room_is_refused_at_the_start(scene: Scene) -> None:
    def with_url(length: int) -> AsynchronousAnswers:
        return AsynchronousAnswers(
            scene.store,
            scene.handlers["chargingprofiles"]._relay,
            UrlPolicy(allow_http=False, allow_networks=()),
            scene.clock,
            public_url=PUBLIC_URL.ljust(length, "x"),
            keep_s=KEEP_S,
            limit=AnswerUrlLimit(scene.store, scene.clock, per_platform=1),
        )

    with_url(170)
    with pytest.raises(ConfigError, match="public_url"):
        with_url(200)


@pytest.mark.req("CM-04", "RT-11")
async def test_only_the_response_url_changes_in_the_text_of_a_command(scene: Scene) -> None:
    text = json.dumps(START, indent=2).replace(
        '"location_id"', '"vendor": {"power": 11.0e0, "response_url": "x:1"},\n "location_id"'
    )
    await scene.command("START_SESSION", text.encode())
    assert scene.sent.body is not None
    assert scene.sent.body.decode() == text.replace(RESPONSE_URL, scene.handed_out)


class KeepsFirst(ScriptedClient):
    """Notes how many mappings were committed when a request arrives."""

    scene: Scene
    found: int = 0

    async def send(self, request: Any) -> Exchange:
        self.found = await self.scene.kept()
        return await super().send(request)


@pytest.mark.req("CM-04")
async def test_the_mapping_is_committed_before_the_command_leaves(scene: Scene) -> None:
    client = KeepsFirst()
    client.will(ACCEPTED)
    client.scene = scene
    relay = scene.handlers["chargingprofiles"]._relay
    relay._client = client
    await scene.command("STOP_SESSION", STOP)
    assert client.found == 1


async def test_without_a_database_no_command_leaves(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(scene.store, "keep", away)
    with pytest.raises(StoreUnavailable):
        await scene.command("STOP_SESSION", STOP)
    assert scene.client.requests == []


@pytest.mark.req("CM-02")
@pytest.mark.parametrize("name", ["start_session", "OPEN_SESAME"])
async def test_an_unknown_command_is_2001(scene: Scene, name: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        await scene.command(name, START)
    assert codes(error) == (200, 2001)


@pytest.mark.parametrize("path", ["", "START_SESSION/more"])
async def test_another_path_is_404(scene: Scene, path: str) -> None:
    with pytest.raises(NotFound):
        await scene.command(path, START)


@pytest.mark.req("CM-14", "CM-15", "CM-16")
async def test_a_command_without_a_required_field_is_2001_and_names_it(scene: Scene) -> None:
    for name, field in (
        ("START_SESSION", "location_id"),
        ("START_SESSION", "token"),
        ("START_SESSION", "response_url"),
        ("RESERVE_NOW", "expiry_date"),
        ("RESERVE_NOW", "reservation_id"),
        ("STOP_SESSION", "session_id"),
        ("CANCEL_RESERVATION", "reservation_id"),
        ("UNLOCK_CONNECTOR", "connector_id"),
    ):
        body = {key: item for key, item in COMMANDS[name].items() if key != field}
        with pytest.raises(InvalidRequest, match=field):
            await scene.command(name, body)
    assert await scene.kept() == 0


@pytest.mark.req("CM-17")
@pytest.mark.parametrize("name", ["START_SESSION", "RESERVE_NOW"])
async def test_a_token_of_another_party_is_2001(scene: Scene, name: str) -> None:
    body = {**COMMANDS[name], "token": make_token(party_id="XYZ")}
    with pytest.raises(InvalidRequest, match="token") as error:
        await scene.command(name, body)
    assert codes(error) == (200, 2001)


@pytest.mark.req("CM-18")
async def test_an_unknown_token_is_neither_refused_nor_stored(scene: Scene) -> None:
    await scene.command("START_SESSION", START)
    assert await value(scene.database, "select count(*) from shared_object") == 0


@pytest.mark.req("CM-01")
async def test_only_those_who_use_stations_send_commands_and_by_post_only(scene: Scene) -> None:
    with pytest.raises(NotPermitted):
        await scene.command("STOP_SESSION", STOP, by=CPO, to=SECOND_CPO)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        with pytest.raises(MethodNotAllowed):
            await scene.call("commands", method, "STOP_SESSION", by=EMSP, to=CPO)
        with pytest.raises(MethodNotAllowed):
            await scene.call("commands", method, "X/y", by=CPO, to=None, role=InterfaceRole.SENDER)


@pytest.mark.req("RT-20", "RT-12", "RT-28")
async def test_a_command_reaches_related_parties_only(scene: Scene) -> None:
    stop = {**STOP}
    with pytest.raises(ReceiverNotConnected):
        await scene.command("STOP_SESSION", stop, by=STRANGER)
    with pytest.raises(UnknownReceiver):
        await scene.command("STOP_SESSION", stop, to=PartyId("XX", "XXX"))
    with pytest.raises(InvalidRequest):
        await scene.command("STOP_SESSION", stop, to=HUB)
    assert scene.client.requests == []


async def test_a_response_url_that_the_hub_may_not_call_is_2001(scene: Scene) -> None:
    for url, reason in (
        ("http://msp.example/results", "https"),
        ("https://127.0.0.1/results", "loopback"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://user:secret@msp.example/", "password"),
        (f"{PUBLIC_URL}/ocpi/2.2.1/sender/commands/STOP_SESSION/xyz", "this hub"),
        ("https://HUB.example:443/ocpi", "this hub"),
    ):
        with pytest.raises(InvalidRequest, match=reason) as error:
            await scene.command("STOP_SESSION", {**STOP, "response_url": url})
        assert error.value.message.startswith("response_url: ")
        assert url not in error.value.message
    assert await scene.kept() == 0


# What the CPO says at once ----------------------------------------------------------------------


@pytest.mark.req("CM-10", "CM-12")
async def test_a_mapping_lives_on_only_if_a_result_may_follow(scene: Scene) -> None:
    for exchange, lives in (
        (ACCEPTED, True),
        (answer(data='{"result":"ACCEPTED"}'), True),
        (answer(), True),
        (answer(4002), True),
        (answer(4000), True),
        (answer(data='{"result":"REJECTED","timeout":0}'), False),
        (answer(data='{"result":"NOT_SUPPORTED","timeout":0}'), False),
        (answer(data='{"result":"UNKNOWN_SESSION","timeout":0}'), False),
        (answer(2003, data='{"result":"REJECTED","timeout":0}'), False),
        (answer(2001), False),
        (answer(3000), False),
    ):
        before = await scene.kept()
        scene.client.will(exchange)
        reply = await scene.command("STOP_SESSION", STOP)
        assert reply.body == exchange.body
        assert await scene.kept() == before + lives


@pytest.mark.req("CM-10", "CM-11")
@pytest.mark.parametrize(
    ("exchange", "error", "kept"),
    [
        (Unreachable("refused"), ReceiverNotConnected, False),
        (Busy("too many"), ReceiverTimeout, False),
        (NoAnswer("no answer within 30 s"), ReceiverTimeout, True),
        (Answer(500, {}, b"oops"), HubRoutingError, True),
        (Answer(200, {}, b"<html>"), HubRoutingError, True),
    ],
)
async def test_a_command_that_fails_on_its_way_is_a_hub_error_and_no_answer_of_the_cpo(
    scene: Scene, exchange: Exchange, error: type[OcpiError], kept: bool
) -> None:
    scene.client.will(exchange)
    with pytest.raises(error) as raised:
        await scene.command("STOP_SESSION", STOP)
    assert raised.type is error
    assert await scene.kept() == kept


@pytest.mark.req("CM-11")
async def test_an_offline_cpo_gets_nothing_and_no_mapping_is_made(scene: Scene) -> None:
    scene.directory = make_directory(
        scene.platforms[EMSP], replace(scene.platforms[CPO], online=False)
    )
    with pytest.raises(ReceiverNotConnected):
        await scene.command("STOP_SESSION", STOP)
    scene.directory = make_directory(
        scene.platforms[EMSP], make_platform((CPO, Role.CPO), endpoints={})
    )
    with pytest.raises(HubRoutingError):
        await scene.command("STOP_SESSION", STOP)
    assert await scene.kept() == 0


@pytest.mark.req("CM-09", "CM-13")
@pytest.mark.parametrize(("timeout", "longer"), [(30, False), (100_000, True)])
async def test_a_mapping_outlives_the_timeout_of_the_cpo(
    scene: Scene, timeout: int, longer: bool
) -> None:
    scene.client.will(answer(data=f'{{"result":"ACCEPTED","timeout":{timeout}}}'))
    await scene.command("STOP_SESSION", STOP)
    query = "select expires_at > now() + interval '100000 seconds' from answer_url"
    assert await value(scene.database, query) is longer


@pytest.mark.req("CM-09")
async def test_a_mapping_of_a_reservation_lives_longer_than_the_reservation(scene: Scene) -> None:
    await scene.command("RESERVE_NOW", {**RESERVE, "expiry_date": "2026-01-01T00:00:00Z"})
    await scene.command("RESERVE_NOW", RESERVE)
    query = "select array_agg(expires_at > now() + interval '29 days' order by 1) from answer_url"
    assert await value(scene.database, query) == [False, True]


@pytest.mark.parametrize(
    ("exchange", "seconds"),
    [
        (answer(data='{"result":"ACCEPTED","timeout":30}'), 30),
        (answer(data='{"result":"accepted","timeout":-5}'), 0),
        (answer(data='{"result":"ACCEPTED","timeout":"30"}'), 0),
        (answer(data=f'{{"result":"ACCEPTED","timeout":1{"0" * 400}}}'), 2**31),
        (answer(data="[]"), 0),
        (answer(data='{"result":7}'), 0),
    ],
)
def test_what_is_not_said_leaves_room_for_a_result(exchange: Answer, seconds: int) -> None:
    assert result_within_s(exchange) == seconds


# The result -------------------------------------------------------------------------------------


@pytest.mark.req("CM-07", "CM-08", "CM-20", "TF-33")
async def test_a_result_goes_to_the_exact_response_url_and_the_answer_comes_back(
    scene: Scene,
) -> None:
    url = await started(scene)
    scene.client.will(answer(1000, http=201))
    text = b'{ "result" : "EVSE_OCCUPIED", "message":[{"language":"nl","text":"bezet"}], "x":1.0 }'
    with capture_logs() as logs:
        reply = await scene.result(url, text, to=EMSP, correlation_id="correlation-of-the-result")
    assert (reply.http_status, reply.body) == (201, answer(1000).body)
    assert reply.sender == EMSP
    request = scene.sent
    assert (request.method, request.url, request.body) == ("POST", RESPONSE_URL, text)
    assert request.headers["Authorization"].startswith("Token ")
    assert request.headers["X-Correlation-ID"] == "correlation-of-the-result"
    assert (request.headers["OCPI-to-country-code"], request.headers["OCPI-to-party-id"]) == (
        "DE",
        "MSP",
    )
    assert (request.headers["OCPI-from-country-code"], request.headers["OCPI-from-party-id"]) == (
        "NL",
        "CPO",
    )
    [line] = [line for line in logs if line["event"] == "asynchronous_result"]
    assert line["asked_correlation_id"] == "correlation-1"
    assert RESPONSE_URL not in str(logs)


@pytest.mark.req("CM-06")
async def test_a_result_of_another_platform_is_404_as_if_there_was_no_such_url(
    scene: Scene,
) -> None:
    url = await started(scene)
    unknown = url[:-1] + ("x" if url[-1] != "x" else "y")
    texts = set()
    for target, by in ((url, SECOND_CPO), (unknown, CPO), (unknown, SECOND_CPO)):
        for body in (RESULT, {"result": 7}):
            with pytest.raises(NotFound) as error:
                await scene.result(target, body, by=by)
            assert codes(error) == (404, 2000)
            texts.add(error.value.message)
    assert len(texts) == 1
    assert len(scene.client.requests) == 1
    await scene.result(url, RESULT)
    assert scene.sent.url == RESPONSE_URL


@pytest.mark.req("CM-06")
async def test_a_result_under_another_command_or_module_is_404(scene: Scene) -> None:
    url = await started(scene)
    secret = url.rpartition("/")[2]
    for path in (
        f"commands/STOP_SESSION/{secret}",
        f"commands/{secret}",
        f"chargingprofiles/{secret}",
    ):
        with pytest.raises(NotFound):
            await scene.result(f"{PUBLIC_URL}/ocpi/2.2.1/sender/{path}", RESULT)
    with pytest.raises(NotFound):
        await scene.result(f"{url}{'x' * 100}", RESULT)


@pytest.mark.req("CM-06")
async def test_the_platform_may_answer_under_any_of_its_cpos(scene: Scene) -> None:
    third = PartyId("NL", "CP2")
    platform = make_platform((CPO, Role.CPO), (third, Role.CPO))
    scene.platforms |= {CPO: platform, third: platform}
    scene.directory = make_directory(platform, scene.platforms[EMSP])
    url = await started(scene)
    await scene.result(url, RESULT, by=third)
    assert scene.sent.headers["OCPI-from-party-id"] == "CPO"


@pytest.mark.req("CM-20")
@pytest.mark.parametrize("body", [{}, {"result": 7}, [], {"message": []}])
async def test_a_result_that_is_none_is_2001(scene: Scene, body: Any) -> None:
    url = await started(scene)
    with pytest.raises(InvalidRequest):
        await scene.result(url, body)
    assert len(scene.client.requests) == 1


@pytest.mark.req("CM-08")
@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        (Unreachable("the URL's host does not resolve to a public address"), ReceiverNotConnected),
        (NoAnswer("no answer within 30 s"), ReceiverTimeout),
        (Answer(500, {}, b""), HubRoutingError),
        (Answer(401, {}, b""), HubRoutingError),
        (Answer(302, {"location": "https://elsewhere.example"}, b""), HubRoutingError),
    ],
)
async def test_a_result_that_fails_on_its_way_is_told_to_the_cpo_and_not_sent_again(
    scene: Scene, exchange: Exchange, error: type[OcpiError]
) -> None:
    url = await started(scene)
    scene.client.will(exchange)
    with pytest.raises(error) as raised:
        await scene.result(url, RESULT)
    assert raised.type is error
    assert RESPONSE_URL not in raised.value.message
    assert len(scene.client.requests) == 2


@pytest.mark.req("CM-08")
@pytest.mark.parametrize("refusal", [answer(2001), answer(2000, http=404), answer(3000)])
async def test_a_refusal_of_the_emsp_goes_back_as_it_came(scene: Scene, refusal: Answer) -> None:
    url = await started(scene)
    scene.client.will(refusal)
    reply = await scene.result(url, RESULT)
    assert (reply.http_status, reply.body) == (refusal.http_status, refusal.body)


@pytest.mark.req("CM-09", "CM-20")
async def test_a_reservation_can_be_cancelled_by_the_cpo_at_the_same_url(scene: Scene) -> None:
    await scene.command("RESERVE_NOW", RESERVE)
    url = scene.handed_out
    for result in ("ACCEPTED", "CANCELED_RESERVATION", "CANCELED_RESERVATION"):
        await scene.result(url, {"result": result})
        assert (scene.sent.url, scene.sent.body) == (
            RESPONSE_URL,
            json.dumps({"result": result}).encode(),
        )


async def test_after_the_relation_has_ended_no_result_passes(scene: Scene) -> None:
    url = await started(scene)
    scene.directory = make_directory(
        *scene.platforms.values(), relations=[Relation(CPO, EMSP, RelationMode.NONE)]
    )
    with pytest.raises(ReceiverNotConnected):
        await scene.result(url, RESULT)
    scene.directory = make_directory(scene.platforms[CPO])
    with pytest.raises(UnknownReceiver):
        await scene.result(url, RESULT)


async def test_a_result_for_an_emsp_that_is_offline_is_4003(scene: Scene) -> None:
    url = await started(scene)
    scene.directory = make_directory(
        scene.platforms[CPO], replace(scene.platforms[EMSP], online=False)
    )
    with pytest.raises(ReceiverNotConnected):
        await scene.result(url, RESULT)
    assert len(scene.client.requests) == 1


@pytest.mark.req("CM-06")
async def test_a_result_after_the_time_of_its_url_is_404(scene: Scene) -> None:
    url = await started(scene)
    await execute(
        scene.database,
        "update answer_url set created_at = now() - interval '2 days', expires_at = now()",
    )
    with pytest.raises(NotFound):
        await scene.result(url, RESULT)


async def test_a_result_may_overtake_the_answer_to_its_command(scene: Scene) -> None:
    held = asyncio.Event()
    scene.client.will(held, answer(1000), ACCEPTED)
    asking = asyncio.ensure_future(scene.command("STOP_SESSION", STOP))
    await scene.client.called(1)
    url = scene.handed_out
    resulting = asyncio.ensure_future(scene.result(url, RESULT))
    await scene.client.called(2)
    held.set()
    assert {(await asking).http_status, (await resulting).http_status} == {200}


# Open Routing -----------------------------------------------------------------------------------


async def hold_location(scene: Scene, owner: PartyId, *, audience: str = "*") -> None:
    async with shared_store(scene.database) as store:
        key = ObjectKey("locations", owner, "Loc1", audience=audience)
        origin = Origin.BROADCAST if audience == "*" else Origin.DIRECT
        await store.change(Change(key, '{"id":"Loc1"}', False, UPDATED, origin, "c"))


@pytest.mark.req("RT-37", "RT-34")
@pytest.mark.parametrize("name", ["START_SESSION", "RESERVE_NOW", "UNLOCK_CONNECTOR"])
async def test_a_command_without_to_finds_its_cpo_by_location(scene: Scene, name: str) -> None:
    await hold_location(scene, SECOND_CPO)
    reply = await scene.command(name, {**COMMANDS[name], "location_id": "lOC1"}, to=None)
    assert reply.sender == SECOND_CPO
    assert scene.sent.headers["OCPI-to-party-id"] == "TWO"
    assert scene.sent.headers["OCPI-from-party-id"] == "MSP"


@pytest.mark.req("RT-37", "RT-36")
async def test_a_location_of_nobody_or_of_several_is_4001(scene: Scene) -> None:
    with pytest.raises(UnknownReceiver) as error:
        await scene.command("UNLOCK_CONNECTOR", UNLOCK, to=None)
    assert codes(error) == (200, 4001)
    await hold_location(scene, CPO, audience=str(SECOND_EMSP))
    with pytest.raises(UnknownReceiver):
        await scene.command("UNLOCK_CONNECTOR", UNLOCK, to=None)
    await hold_location(scene, CPO)
    await scene.command("UNLOCK_CONNECTOR", UNLOCK, to=None)
    await hold_location(scene, SECOND_CPO)
    with pytest.raises(UnknownReceiver):
        await scene.command("UNLOCK_CONNECTOR", UNLOCK, to=None)
    with pytest.raises(UnknownReceiver):
        await scene.command("UNLOCK_CONNECTOR", UNLOCK, to=None, by=STRANGER)


@pytest.mark.req("RT-37")
async def test_a_stop_without_to_finds_its_cpo_by_session(scene: Scene) -> None:
    await hold_session(scene, SECOND_CPO, EMSP)
    await hold_session(scene, CPO, SECOND_EMSP)
    reply = await scene.command("STOP_SESSION", {**STOP, "session_id": "s1"}, to=None)
    assert reply.sender == SECOND_CPO
    with pytest.raises(UnknownReceiver):
        await scene.command("STOP_SESSION", {**STOP, "session_id": "S2"}, to=None)


@pytest.mark.req("RT-37", "CM-19")
async def test_a_cancellation_without_to_finds_its_cpo_by_the_own_reservation(
    scene: Scene,
) -> None:
    foreign = make_token(country_code="FR")
    await scene.command("RESERVE_NOW", {**RESERVE, "token": foreign}, by=SECOND_EMSP)
    with pytest.raises(UnknownReceiver):
        await scene.command("CANCEL_RESERVATION", CANCEL, to=None)
    await scene.command("RESERVE_NOW", RESERVE, to=SECOND_CPO)
    reply = await scene.command("CANCEL_RESERVATION", CANCEL, to=None)
    assert reply.sender == SECOND_CPO
    assert scene.sent.body is not None
    assert json.loads(scene.sent.body)["reservation_id"] == "Res/1"


# How many ----------------------------------------------------------------------------------------


async def test_a_platform_cannot_wait_for_results_without_end(scene: Scene) -> None:
    scene.client.will(ACCEPTED)
    for _ in range(PER_PLATFORM):
        assert (await scene.command("START_SESSION", START)).http_status == 200
    for ask in (scene.command("STOP_SESSION", STOP), scene.profile("GET")):
        with pytest.raises(
            TooManyRequests, match=f"{PER_PLATFORM} commands .* try again"
        ) as refusal:
            await ask
        assert int(refusal.value.headers["Retry-After"]) > 0
    assert len(scene.client.requests) == await scene.kept() == PER_PLATFORM
    # Others have their own share.
    await scene.command("STOP_SESSION", STOP, by=SECOND_EMSP)
    await execute(scene.database, "delete from answer_url where requester_party_id = 'MSP'")
    scene.clock.advance(AT_LIMIT_S)
    await scene.command("STOP_SESSION", STOP)


async def test_what_other_processes_added_is_counted_along(scene: Scene) -> None:
    scene.client.will(ACCEPTED)
    await scene.command("START_SESSION", START)
    await execute(
        scene.database,
        "insert into answer_url select answer_id || n, url, module, action, subject,"
        " requester_country_code, requester_party_id, receiver_country_code, receiver_party_id,"
        " correlation_id, created_at, expires_at from answer_url, generate_series(1, 1000) n",
    )
    await scene.command("START_SESSION", START)
    scene.clock.advance(RECOUNT_S)
    with pytest.raises(TooManyRequests):
        await scene.command("START_SESSION", START)


async def test_what_nobody_will_answer_counts_for_a_moment_only(scene: Scene) -> None:
    scene.client.will(answer(data='{"result":"REJECTED","timeout":30}'))
    for _ in range(3):
        for _ in range(PER_PLATFORM):
            await scene.command("START_SESSION", START)
        scene.clock.advance(AT_LIMIT_S)
    assert await scene.kept() == 0
