"""Commands and charging profiles at a party platform: accepted now, answered later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, NotFound
from ocpi_hub.party.asking import QuestionTable
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.later import Reaction
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.modules import Modules
from ocpi_hub.party.outbox import SendRequest
from tests.support.party import party_role
from tests.unit.ocpi.factories import make_charging_profile, make_command
from tests.unit.party.test_modules import data, make_request

BOTH = (party_role("CPO", "NL*CPO"), party_role("EMSP", "DE*MSP"))
URL = "https://msp.example/results/1"
STOP = make_command(response_url=URL, session_id="S1")
ACTIVE = {"start_date_time": "2026-01-01T00:00:00Z", "charging_profile": make_charging_profile()}


class Party:
    def __init__(self) -> None:
        config = PartyConfig(parties=BOTH)
        self.held = Holdings(config.parties)
        self.modules = Modules(config, Listener("127.0.0.1", 8000), self.held)

    def call(self, method: str, path: str, body: object = None) -> Any:
        return self.modules.answer(make_request(method, path, body))


@pytest.fixture
def party() -> Party:
    return Party()


def test_a_command_is_accepted_and_its_result_is_due(party: Party) -> None:
    answer = party.call("POST", "receiver/commands/STOP_SESSION", STOP)
    assert data(answer) == {"result": "ACCEPTED", "timeout": 30}
    due = party.held.requests.due.get_nowait()
    assert (due.request.response_url, due.body) == (URL, {"result": "ACCEPTED"})
    assert due.request.asked == PartyId("NL", "CPO")


def test_a_reaction_says_what_is_answered_and_sent(party: Party) -> None:
    requests = party.held.requests
    requests.react(Reaction(answer="REJECTED"))
    requests.react(Reaction(action="PUT", result="REJECTED", timeout=7, after_s=3))
    requests.react(Reaction(action="DELETE", result=None))
    stopped = party.call("POST", "receiver/commands/STOP_SESSION", STOP)
    assert data(stopped)["result"] == "REJECTED"
    assert requests.due.empty()
    body = {"charging_profile": make_charging_profile(), "response_url": URL}
    assert data(party.call("PUT", "receiver/chargingprofiles/S1", body))["timeout"] == 7
    due = requests.due.get_nowait()
    assert (due.body, due.after_s) == ({"result": "REJECTED"}, 3)
    party.call("DELETE", f"receiver/chargingprofiles/S1?response_url={URL}")
    assert requests.due.empty()
    assert [item["action"] for item in requests.as_json()] == ["STOP_SESSION", "PUT", "DELETE"]


def test_the_active_profile_is_the_one_that_was_set(party: Party) -> None:
    path = f"receiver/chargingprofiles/s1?duration=60&response_url={URL}"
    profile = make_charging_profile(charging_rate_unit="W")
    body = {"charging_profile": profile, "response_url": URL}
    party.call("PUT", "receiver/chargingprofiles/S1", body)
    party.call("GET", path)
    party.call("DELETE", f"receiver/chargingprofiles/S1?response_url={URL}")
    party.call("GET", path)
    due = [party.held.requests.due.get_nowait().body for _ in range(4)]
    assert due[1]["profile"]["charging_profile"] == profile
    assert due[3]["profile"]["charging_profile"]["charging_rate_unit"] == "A"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "receiver/commands/OPEN_SESAME", STOP),
        ("POST", "receiver/commands/STOP_SESSION", {"response_url": URL}),
        ("PUT", "receiver/chargingprofiles/S1", {"response_url": URL}),
        ("GET", f"receiver/chargingprofiles/S1?response_url={URL}", None),
        ("GET", "receiver/chargingprofiles/S1?duration=60", None),
        ("DELETE", "receiver/chargingprofiles/S1", None),
    ],
)
def test_what_lacks_something_is_refused(
    party: Party, method: str, path: str, body: object
) -> None:
    with pytest.raises(InvalidRequest):
        party.call(method, path, body)
    assert party.held.requests.as_json() == []


def ask(table: QuestionTable, method: str, module: str, path: str, body: Any = None) -> str:
    """The path of the `response_url` below the version."""
    wanted: dict[str, Any] = {"method": method, "module": module, "path": path, "body": body}
    request = SendRequest.model_validate(wanted)
    question, complete = table.ask(request, "http://party")
    told = complete.body if isinstance(complete.body, dict) else complete.query
    assert told["response_url"] == question.response_url
    return question.response_url.removeprefix("http://party/ocpi/2.2.1/")


def test_results_are_taken_at_the_url_that_was_given_for_them(party: Party) -> None:
    questions = party.held.questions
    stop = ask(questions, "POST", "commands", "STOP_SESSION", {"session_id": "S1"})
    get = ask(questions, "GET", "chargingprofiles", "S1")
    party.call("POST", stop, {"result": "TIMEOUT"})
    party.call("POST", get, {"result": "ACCEPTED", "profile": ACTIVE})
    party.call("POST", stop, {"result": "ACCEPTED"})
    results = [len(item["results"]) for item in questions.as_json()["asked"]]
    assert results == [2, 1]


def test_results_of_nobody_are_404_and_wrong_ones_2001(party: Party) -> None:
    stop = ask(party.held.questions, "POST", "commands", "STOP_SESSION", {})
    for path in (
        stop.replace("STOP_SESSION/", "STOP_SESSION/x"),
        stop.replace("STOP_SESSION", "START_SESSION"),
        stop.replace("commands/STOP_SESSION", "chargingprofiles"),
    ):
        with pytest.raises(NotFound):
            party.call("POST", path, {"result": "ACCEPTED"})
    with pytest.raises(InvalidRequest):
        party.call("POST", stop, {})
    with pytest.raises(InvalidRequest):
        ask(party.held.questions, "POST", "cdrs", "")


def test_updates_of_a_profile_are_kept(party: Party) -> None:
    party.call("PUT", "sender/chargingprofiles/S1", ACTIVE)
    [update] = party.held.questions.as_json()["updates"]
    assert (update["session_id"], json.loads(update["body"])) == ("S1", ACTIVE)
    with pytest.raises(InvalidRequest):
        party.call("PUT", "sender/chargingprofiles/S1", {})
