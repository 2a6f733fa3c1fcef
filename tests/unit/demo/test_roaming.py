"""The checks of commands, Sessions, Tariffs and lists find what they are there for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ocpi_hub.demo.checks import run_checks
from ocpi_hub.demo.crawls import Page
from ocpi_hub.demo.evidence import Evidence
from ocpi_hub.demo.notes import Leg, Notes
from ocpi_hub.demo.parties import FAHRTWIND, FJORDLADE, ROULIBRE, STROMWEIDE, Company
from tests.unit.demo.roaming import DRIVER, NOTES, RETURN, make_crawl, make_leg
from tests.unit.demo.test_checks import GOOD

CPO = DRIVER.cpo
ANSWERED = "every wish by app was answered as expected"
UNCHANGED = "every wish came to its CPO as it was sent"
RESULTS = "every result came to who had asked"
NOBODY_ELSE = "no result went to anybody else"
ACTIVE = "eMSPs were told of active profiles"
LIVE = "eMSPs saw sessions as they happened"
SESSIONS = "eMSPs have every session as its CPO"
PRICES = "eMSPs were told of prices in order"
TARIFFS = "eMSPs have every tariff as its CPO"
ONCE = "who was away was told each price once"
LISTS = "lists show everything once, and how many"
STRANGERS = "strangers see nothing of each other"

Change = Callable[[Leg], Leg | None]
Match = Mapping[str, object]


def problems(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {check.name: check.problems for check in run_checks(evidence) if not check.ok}


def with_notes(company: Company, notes: Notes) -> Evidence:
    return replace(GOOD, notes={**NOTES, company: notes})


def spoiled(company: Company, change: Change, **match: object) -> Evidence:
    """The first fitting exchange in a party's record is another, or missing."""
    legs = list(NOTES[company].legs)
    index = next(
        number
        for number, leg in enumerate(legs)
        if all(getattr(leg, name) == value for name, value in match.items())
    )
    other = change(legs[index])
    legs[index : index + 1] = [other] if other is not None else []
    return with_notes(company, replace(NOTES[company], legs=legs))


def missing(_: Leg) -> None:
    return None


def of(**fields: Any) -> Change:
    return lambda leg: replace(leg, **fields)


def test_a_demo_without_faults_passes() -> None:
    assert problems(GOOD) == {}


def test_an_answer_that_was_not_expected_is_told_with_what_was() -> None:
    first = replace(GOOD.wanted[0], code=4003, answer=None)
    found = problems(replace(GOOD, wanted=[first, *GOOD.wanted[1:]]))
    [text] = found[ANSWERED]
    assert text.endswith("was answered (4003, None), expected (1000, 'ACCEPTED')")


COMMAND: Match = {"module": "commands", "role": "RECEIVER"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (missing, "came 0 times"),
        (of(sender=ROULIBRE.party), "came as"),
        (of(to=None), "came as"),
        (lambda leg: replace(leg, body=leg.body.replace("location_id", "evse_uid")), "came as"),
        (lambda leg: replace(leg, body=leg.body.replace(":8000", ":9999")), "not of the hub"),
    ],
    ids=["missing", "from", "to", "body", "response_url"],
)
def test_a_command_that_came_otherwise_is_found(change: Change, told: str) -> None:
    found = problems(spoiled(CPO, change, **COMMAND, sent=False))
    assert any(told in text for text in found[UNCHANGED])


RESULT: Match = {"module": "commands", "role": "SENDER", "sent": False}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (missing, "were (), expected ('ACCEPTED',)"),
        (of(body='{"result":"FAILED"}'), "were ('FAILED',), expected ('ACCEPTED',)"),
        (of(sender=STROMWEIDE.party, to=ROULIBRE.party), "TO FR*RLB"),
        (of(query=""), "which is not its response_url"),
        (of(correlation_id="ANOTHER"), "other ones came"),
        (of(acked=False), "was not taken"),
    ],
    ids=["missing", "other", "headers", "url", "correlation", "refused"],
)
def test_a_result_that_came_otherwise_is_found(change: Change, told: str) -> None:
    found = problems(spoiled(FAHRTWIND, change, **RESULT))
    assert set(found) == {RESULTS}
    assert any(told in text for text in found[RESULTS])


def test_a_profile_that_was_told_otherwise_is_found() -> None:
    def lower(leg: Leg) -> Leg:
        return replace(leg, body=leg.body.replace("5.5", "5.6"))

    asked = next(each for each in GOOD.wanted if each.wish.profile)
    path = f"/ocpi/2.2.1/sender/chargingprofiles/{asked.question_id}"
    assert set(problems(spoiled(FAHRTWIND, lower, path=path))) == {RESULTS}


def test_a_result_that_nobody_wanted_is_found() -> None:
    stray = make_leg(sent=False, role="SENDER", path="/ocpi/2.2.1/sender/commands/START_SESSION/X1")
    notes = replace(NOTES[ROULIBRE], legs=[*NOTES[ROULIBRE].legs, stray])
    assert set(problems(with_notes(ROULIBRE, notes))) == {NOBODY_ELSE}


@pytest.mark.parametrize("change", [missing, of(to=ROULIBRE.party), of(body="{}")])
def test_an_active_profile_that_did_not_arrive_is_found(change: Change) -> None:
    found = spoiled(FAHRTWIND, change, module="chargingprofiles", method="PUT", sent=False)
    assert set(problems(found)) == {ACTIVE}


UPDATE: Match = {"module": "sessions", "method": "PATCH", "sent": False}


@pytest.mark.parametrize(
    "change",
    [missing, of(sender=ROULIBRE.party), lambda leg: replace(leg, body='{"last_updated":"1"}')],
    ids=["missing", "from", "body"],
)
def test_a_change_of_a_session_that_was_not_seen_is_found(change: Change) -> None:
    assert LIVE in problems(spoiled(FAHRTWIND, change, **UPDATE))


def test_a_session_at_another_emsp_is_found() -> None:
    leg = next(leg for leg in NOTES[FAHRTWIND].legs if leg.module == "sessions")
    stray = replace(leg, to=ROULIBRE.party)
    notes = replace(NOTES[ROULIBRE], legs=[*NOTES[ROULIBRE].legs, stray])
    [text] = problems(with_notes(ROULIBRE, notes))[LIVE]
    assert text.endswith("came to Roulibre, but is of DE*FWD")


@pytest.mark.parametrize("fields", [{"kwh": 1}, {"status": "ACTIVE"}, {"id": "S2"}])
def test_a_session_that_differs_is_found(fields: dict[str, Any]) -> None:
    [session] = NOTES[FAHRTWIND].sessions
    notes = replace(NOTES[FAHRTWIND], sessions=[{**session, **fields}])
    assert set(problems(with_notes(FAHRTWIND, notes))) == {SESSIONS}


TARIFF: Match = {"module": "tariffs", "method": "PUT", "sent": False}


def test_prices_that_came_in_another_order_are_found() -> None:
    legs = list(NOTES[FAHRTWIND].legs)
    places = [number for number, leg in enumerate(legs) if leg.module == "tariffs"]
    first, second = places[0], places[2]
    assert legs[first].place == legs[second].place
    legs[first], legs[second] = legs[second], legs[first]
    evidence = with_notes(FAHRTWIND, replace(NOTES[FAHRTWIND], legs=legs))
    assert set(problems(evidence)) == {PRICES}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (of(sender=FJORDLADE.party), TARIFF),
        (missing, {"module": "tariffs", "method": "DELETE", "sent": False}),
        (of(body='{"id":"X"}'), TARIFF),
    ],
    ids=["from", "delete missing", "body"],
)
def test_prices_that_were_told_otherwise_are_found(change: Change, match: Match) -> None:
    assert PRICES in problems(spoiled(FAHRTWIND, change, **match))


def test_a_state_that_came_twice_is_right() -> None:
    last = NOTES[FAHRTWIND].legs[-1]
    notes = replace(NOTES[FAHRTWIND], legs=[*NOTES[FAHRTWIND].legs, last])
    assert problems(with_notes(FAHRTWIND, notes)) == {}


def test_tariffs_that_an_emsp_has_otherwise_are_found() -> None:
    notes = replace(NOTES[ROULIBRE], tariffs=[*NOTES[ROULIBRE].tariffs, *NOTES[FJORDLADE].tariffs])
    [text] = problems(with_notes(ROULIBRE, notes))[TARIFFS]
    assert text == "Roulibre has DK*FJL DK-AC, which it should not"


def test_prices_that_who_was_away_is_told_twice_are_found() -> None:
    last = next(leg for leg in NOTES[ROULIBRE].legs if leg.at == RETURN)
    notes = replace(NOTES[ROULIBRE], legs=[*NOTES[ROULIBRE].legs, last])
    [text] = problems(with_notes(ROULIBRE, notes))[ONCE]
    assert text.endswith("after its return, expected 1")


@pytest.mark.parametrize(
    ("crawl", "told"),
    [
        (make_crawl(pages=make_crawl().pages[:2]), "lacks"),
        (make_crawl(pages=[*make_crawl().pages, make_crawl().pages[0]]), "2 times"),
        (make_crawl(expected=set()), "which is not for it"),
        (make_crawl(again=make_crawl().pages[0]), "another second page"),
        (make_crawl(limit=0), "asked for 0"),
        (
            make_crawl(pages=[Page("4", "1", None, page.objects) for page in make_crawl().pages]),
            "4",
        ),
        (make_crawl(pages=make_crawl().pages[:1], again=None), "one page only"),
    ],
    ids=["lacks", "twice", "not for it", "again", "limit", "total", "one page"],
)
def test_a_wrong_list_is_found(crawl: Any, told: str) -> None:
    found = problems(replace(GOOD, crawls=[crawl]))
    assert set(found) == {LISTS}
    assert any(told in text for text in found[LISTS])


def test_what_strangers_see_of_each_other_is_found() -> None:
    stray = make_leg(sent=False, sender=ROULIBRE.party, to=FJORDLADE.party)
    notes = replace(NOTES[FJORDLADE], legs=[*NOTES[FJORDLADE].legs, stray])
    assert set(problems(with_notes(FJORDLADE, notes))) == {STRANGERS}


def test_a_leg_is_read_from_a_record() -> None:
    headers = {"OCPI-from-country-code": "DE", "OCPI-from-party-id": "FWD", "X-Correlation-ID": "C"}
    item = {
        "at": RETURN,
        "direction": "in",
        "module": "commands",
        "role": "RECEIVER",
        "method": "POST",
        "path": "/ocpi/2.2.1/receiver/commands/STOP_SESSION",
        "query": "",
        "body": json.dumps({"response_url": "http://x/y?z=1", "session_id": "S"}),
        "headers": headers,
        "acked": True,
    }
    leg = Leg.read(item)
    assert (leg.sent, leg.sender, leg.to, leg.correlation_id) == (False, FAHRTWIND.party, None, "C")
    assert (leg.place, leg.response_url) == ("STOP_SESSION", "http://x/y?z=1")
    asked = Leg.read(item | {"method": "GET", "query": "duration=1&response_url=http%3A%2F%2Fx"})
    assert asked.response_url == "http://x"
