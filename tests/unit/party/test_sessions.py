"""Sessions of the party platform: what it is given, and what it serves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.domain.party import Module
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, OcpiError, UnknownForPatch
from tests.support.party import make_session, make_session_patch
from tests.unit.party.test_modules import Party, make_request

PLACE = "receiver/sessions/NL/CPO/SES1"
WISHES = {"profile_type": "GREEN"}


@pytest.fixture
def party() -> Party:
    return Party()


def copy_of(party: Party) -> dict[str, Any]:
    answer = party.answer(make_request("GET", PLACE))
    return dict(json.loads(answer.body)["data"])


@pytest.mark.req("SE-03", "SE-04", "TF-21")
def test_put_replaces_and_patch_appends(party: Party) -> None:
    first = party.answer(make_request("PUT", PLACE, make_session(kwh=0.5)))
    for number in (1, 2):
        party.answer(make_request("PATCH", PLACE, make_session_patch(number)))
    copy = copy_of(party)
    assert (first.http_status, copy["kwh"], len(copy["charging_periods"])) == (201, 3.0, 2)
    again = party.answer(make_request("PUT", PLACE, make_session()))
    assert (again.http_status, copy_of(party)) == (200, make_session())


def test_numbers_keep_their_text(party: Party) -> None:
    text = json.dumps(make_session()).replace('"kwh": 0.0', '"kwh": 1.50')
    party.answer(make_request("PUT", PLACE, text=text))
    party.answer(make_request("PATCH", PLACE, {"last_updated": "2026-01-01T11:00:00Z"}))
    assert '"kwh":1.50' in next(iter(party.held.cached_sessions))


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("GET", PLACE, None, NotFound),
        ("PATCH", PLACE, make_session_patch(1), UnknownForPatch),
        ("PATCH", PLACE, {"kwh": 1}, InvalidRequest),
        ("PUT", PLACE, make_session("OTHER"), InvalidRequest),
        ("PUT", PLACE, {}, InvalidRequest),
        ("DELETE", PLACE, None, MethodNotAllowed),
        ("PUT", "sender/sessions/NONE/charging_preferences", WISHES, NotFound),
        ("PUT", "sender/sessions/NONE/charging_preferences", {}, InvalidRequest),
    ],
)
def test_what_cannot_be_done_is_refused(
    party: Party, method: str, path: str, body: object, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        party.answer(make_request(method, path, body))


def test_a_patch_must_leave_a_session(party: Party) -> None:
    party.answer(make_request("PUT", PLACE, make_session()))
    for fields in ({"currency": None}, {"charging_periods": 1}):
        patch = {"last_updated": "2026-01-01T11:00:00Z", **fields}
        with pytest.raises(InvalidRequest):
            party.answer(make_request("PATCH", PLACE, patch))
    assert copy_of(party) == make_session()


@pytest.mark.req("SE-15")
def test_a_cpo_serves_its_sessions_and_accepts_preferences(party: Party) -> None:
    party.held.load_session(json.dumps(make_session()))
    listed = party.answer(make_request("GET", "sender/sessions"))
    assert json.loads(listed.body)["data"] == [make_session()]
    path = "sender/sessions/SES1/charging_preferences"
    assert json.loads(party.answer(make_request("PUT", path, WISHES)).body)["data"] == "ACCEPTED"


def test_only_own_sessions_are_loaded_and_changed(party: Party) -> None:
    with pytest.raises(InvalidRequest):
        party.held.load_session(json.dumps(make_session(owner="FR*OTH")))
    party.held.change(make_request("PUT", PLACE, make_session()))
    party.held.change(make_request("PATCH", PLACE, make_session_patch(1)))
    (own,) = party.held.sessions
    assert len(json.loads(own)["charging_periods"]) == 1
    with pytest.raises(InvalidRequest):
        party.held.change(make_request("PUT", PLACE.replace("NL", "FR"), make_session()))


def test_what_was_pulled_is_kept(party: Party) -> None:
    party.held.keep(Module.SESSIONS.value, [make_session()])
    assert copy_of(party) == make_session()
