"""Commands and charging profiles through the hub, with results that come later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = {"token": make_token("APP1", type="APP_USER"), "location_id": "LOC1", "evse_uid": "EVSE1"}
PROFILE = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 4200.5}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roaming]:
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    hub = HubProcess(
        address,
        log,
        settings={"message_bodies": "true"},
    )
    async with roaming(hub) as running:
        yield running
    await postgres_server.drop_database(address)


async def results(roam: Roaming, sent: dict[str, Any], wanted: int = 1) -> list[str]:
    """The results of a question, once there are that many."""
    found: list[str] = []

    async def arrived() -> bool:
        found[:] = (await roam.emsp.asked())[sent["id"]]["results"]
        return len(found) >= wanted

    await eventually(arrived, "the result has arrived")
    return found


async def last_request(roam: Roaming) -> dict[str, Any]:
    return (await roam.cpo.requests())[-1]


@pytest.mark.req("CM-01", "CM-03", "CM-04", "CM-07", "CM-08", "RT-07", "TF-33")
async def test_an_app_starts_and_stops_a_session_and_is_told_the_results(roam: Roaming) -> None:
    await roam.cpo.react(action="START_SESSION", result="EVSE_OCCUPIED", timeout=17)
    started = await roam.emsp.command("START_SESSION", START, to="NL*CPO")
    assert (started["http"], started["ocpi"]) == (200, 1000), started["body"]
    assert '"timeout":17' in started["body"]
    assert started["headers"]["ocpi-from-party-id"] == "CPO"
    assert await results(roam, started) == ['{"result":"EVSE_OCCUPIED"}']

    stopped = await roam.emsp.command("STOP_SESSION", {"session_id": "S1"}, to="NL*CPO")
    assert await results(roam, stopped) == ['{"result":"ACCEPTED"}']
    request = await last_request(roam)
    assert request["response_url"].startswith(f"{roam.hub.url}/ocpi/2.2.1/sender/commands/")
    assert stopped["id"] not in request["body"]

    [result] = [
        item
        for item in await roam.emsp.record(direction="in", module="commands")
        if stopped["id"] in item["path"]
    ]
    told = [
        item
        for item in await roam.cpo.record(direction="out", module="commands")
        if item["path"].endswith(request["response_url"].rpartition("/")[2])
    ]
    assert result["query"] == "of=1"
    assert result["headers"]["X-Correlation-ID"] == told[0]["headers"]["X-Correlation-ID"]
    assert result["headers"]["X-Request-ID"] != told[0]["headers"]["X-Request-ID"]
    assert result["headers"]["OCPI-to-party-id"] == "MSP"
    assert result["headers"]["OCPI-from-party-id"] == "CPO"
    assert request["results"] == [{"body": {"result": "ACCEPTED"}, "http": 200, "ocpi": 1000}]


@pytest.mark.req("CP-01", "CP-03", "CP-05", "CP-06")
async def test_a_profile_is_set_read_changed_and_cleared(roam: Roaming) -> None:
    body: dict[str, Any] = {"charging_profile": PROFILE}
    put = await roam.emsp.ask("PUT", "chargingprofiles", "S%2F1", to="NL*CPO", body=body)
    assert await results(roam, put) == ['{"result":"ACCEPTED"}']
    get = await roam.emsp.ask(
        "GET", "chargingprofiles", "S%2F1", to="NL*CPO", query={"duration": "60"}
    )
    [active] = await results(roam, get)
    assert '"limit":4200.5' in active
    delete = await roam.emsp.ask("DELETE", "chargingprofiles", "S%2F1", to="NL*CPO")
    assert await results(roam, delete) == ['{"result":"ACCEPTED"}']
    assert {item["session_id"] for item in (await roam.cpo.requests())[-3:]} == {"S/1"}

    # The same without escaping, as the specification's sample has it.
    url = (await roam.emsp.asked())[get["id"]]["response_url"]
    again = await roam.emsp.send(
        "GET",
        "chargingprofiles",
        role="RECEIVER",
        path=f"S%2F1?duration=60&response_url={url}",
        to="NL*CPO",
    )
    assert again["ocpi"] == 1000
    await results(roam, get, wanted=2)

    pushed = await roam.cpo.send(
        "PUT",
        "chargingprofiles",
        role="SENDER",
        path="S%2F1",
        to="DE*MSP",
        body={"start_date_time": "2026-01-01T00:00:00Z", "charging_profile": PROFILE},
    )
    assert (pushed["http"], pushed["ocpi"]) == (200, 1000)
    assert '"data"' not in pushed["body"]
    assert [item["session_id"] for item in await roam.emsp.profile_updates()] == ["S/1"]


@pytest.mark.req("CM-06")
async def test_a_foreign_platform_learns_nothing_from_a_result_it_posts(roam: Roaming) -> None:
    await roam.cpo.react(action="STOP_SESSION", result=None)
    sent = await roam.emsp.command("STOP_SESSION", {"session_id": "S2"}, to="NL*CPO")
    request = await last_request(roam)
    url = request["response_url"]
    async with PartyProcess.of([("CPO", "BE*TWO")]) as foreign:
        await roam.hub.onboard(foreign, "Second Charge Co")
        answers = []
        for target in (url, f"{url}x"):
            answer = await foreign.send(
                "POST", "commands", role="SENDER", url=target, body={"result": "ACCEPTED"}
            )
            text = answer["body"].rpartition(',"timestamp"')[0]
            answers.append((answer["http"], answer["ocpi"], text))
    assert answers[0] == answers[1]
    assert answers[0][:2] == (404, 2000)
    assert (await roam.emsp.asked())[sent["id"]]["results"] == []
    own = await roam.cpo.send_result(request["number"], result="TIMEOUT")
    assert own["ocpi"] == 1000
    assert await results(roam, sent) == ['{"result":"TIMEOUT"}']


@pytest.mark.req("CM-04", "CM-08", "CM-09")
async def test_a_result_finds_its_way_after_the_hub_was_killed_unless_it_is_forbidden(
    roam: Roaming,
) -> None:
    await roam.cpo.react(action="STOP_SESSION", result=None)
    sent = await roam.emsp.command("STOP_SESSION", {"session_id": "S3"}, to="NL*CPO")
    number = (await last_request(roam))["number"]
    await roam.hub.kill()
    await roam.hub.start()
    assert (await roam.cpo.send_result(number, result="FAILED"))["ocpi"] == 1000
    assert await results(roam, sent) == ['{"result":"FAILED"}']

    networks = roam.hub.environment.pop("OCPI_HUB_ALLOW_NETWORKS")
    await roam.hub.stop()
    await roam.hub.start()
    try:
        refused = await roam.cpo.send_result(number, result="ACCEPTED")
        assert (refused["http"], refused["ocpi"]) == (200, 4003)
        assert sent["id"] not in refused["body"]
    finally:
        roam.hub.environment["OCPI_HUB_ALLOW_NETWORKS"] = networks
        await roam.hub.stop()
        await roam.hub.start()
    assert len(await results(roam, sent)) == 1


async def test_the_response_url_is_in_no_log_and_no_record(roam: Roaming) -> None:
    sent = await roam.emsp.command(
        "UNLOCK_CONNECTOR",
        {"location_id": "LOC1", "evse_uid": "EVSE1", "connector_id": "1"},
        to="NL*CPO",
    )
    await results(roam, sent)
    read = await roam.emsp.ask(
        "GET", "chargingprofiles", "S9", to="NL*CPO", query={"duration": "60"}
    )
    await results(roam, read)
    secret = (await last_request(roam))["response_url"].rpartition("/")[2]

    async def count(text: str) -> int:
        async with roam.database.connection() as connection:
            query = "select count(*) from message m where m::text like '%' || $1 || '%'"
            return int(await connection.fetchval(query, text))

    async def recorded() -> bool:
        return await count("UNLOCK_CONNECTOR") >= 4 and await count("sender/chargingprofiles") > 0

    await eventually(recorded, "the messages are on record")
    for hidden in (sent["id"], read["id"], secret):
        assert await count(hidden) == 0
        assert hidden not in roam.hub.logs()
