"""Every check finds what it is there for."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.demo.authorizing import Answered
from ocpi_hub.demo.checks import CHECKS, run_checks
from ocpi_hub.demo.copies import Copies, Locations, Push, Return, by_key
from ocpi_hub.demo.evidence import MAX_SHOWN, Check, Evidence
from ocpi_hub.demo.locations import location_object
from ocpi_hub.demo.parties import ALL_CPOS, CPOS, EMSPS, FAHRTWIND, ROULIBRE, Company, related
from ocpi_hub.demo.plan import Ask, make_plan
from ocpi_hub.demo.settling import Settlement
from ocpi_hub.demo.sites import SITES
from tests.unit.demo.roaming import (
    HUB_URL,
    LIVE,
    NOTES,
    RETURN,
    WANTED,
    make_crawl,
)
from tests.unit.demo.test_data import CDRS

PLAN = make_plan(0.02)
SENT = CDRS[:20]
SECRET = "0d6a3e1c-credentials"
MOMENT = "2026-06-01T00:00:00.000Z"
LOCATIONS = by_key(location_object(site, MOMENT) for site in SITES[:3])


def answered(ask: Ask) -> Answered:
    expected = ask.expected
    reference = f"REF-{ask.uid}" if expected.allowed == "ALLOWED" else None
    return Answered(ask, min(expected.status_codes), expected.allowed, reference, 10.0)


def decision(each: Answered) -> dict[str, Any]:
    return {
        "cpo": str(each.ask.cpo.party),
        "uid": each.ask.uid,
        "decided_by": each.ask.expected.decided_by.value,
        "allowed": each.allowed,
        "reference": each.reference,
    }


def statements() -> list[dict[str, Any]]:
    """One for each relation and month, as the hub would close them."""
    totals: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cdr in SENT:
        body = json.loads(cdr.text, parse_float=Decimal, parse_int=Decimal)
        place = (str(cdr.owner), str(cdr.receiver), body["end_date_time"][:7])
        cost = body["total_cost"]
        total = totals.setdefault(place, {"currency": body["currency"]})
        for name, figure in (
            ("cdrs", 1),
            ("energy_kwh", body["total_energy"]),
            ("excl_vat", cost["excl_vat"]),
            ("incl_vat", cost["incl_vat"]),
        ):
            total[name] = total.get(name, 0) + figure
    return [
        {"cpo": cpo, "emsp": emsp, "month": month, "totals": [total]}
        for (cpo, emsp, month), total in totals.items()
    ]


def make_evidence() -> Evidence:
    """A demo in which nothing went wrong; the numbers of CDRs arrive in another spelling."""
    answers = [answered(ask) for ask in PLAN.asks]
    return Evidence(
        answers=answers,
        decisions=[decision(each) for each in answers],
        cdrs=SENT,
        acknowledged={cdr.cdr_id for cdr in SENT},
        received={
            emsp: [
                {"id": cdr.cdr_id, "body": respelled(cdr.text), "count": 1, "conflicts": 0}
                for cdr in SENT
                if cdr.receiver == emsp.party
            ]
            for emsp in EMSPS
        },
        ledger=[listed(cdr.cdr_id) for cdr in SENT],
        attempts={},
        asked={
            emsp: {
                each.ask.uid
                for each in answers
                if each.ask.expected.decided_by is DecidedBy.EMSP
                and (each.ask.token is None or each.ask.token.owner == emsp.party)
            }
            for emsp in EMSPS
        },
        pulled={cpo: tokens_for(cpo) for cpo in ALL_CPOS},
        tokens=PLAN.all_tokens,
        copies=Copies(
            own=LOCATIONS,
            held=dict.fromkeys(EMSPS, LOCATIONS),
            served=dict.fromkeys(EMSPS, LOCATIONS),
            returned=Return(
                ROULIBRE,
                MOMENT,
                behind={"E1": MOMENT},
                since={},
                pushes=[Push("L", "E1", {"E1": MOMENT})],
            ),
        ),
        secrets={SECRET},
        hub_log='{"event": "service_ready"}\n',
        hub_url=HUB_URL,
        notes=NOTES,
        wanted=WANTED,
        live=LIVE,
        crawls=[make_crawl()],
        returned=(ROULIBRE, RETURN),
        settlement=Settlement(statements(), [PROOF]),
    )


def listed(cdr_id: str, state: str = "delivered", verdict: str = "equal") -> dict[str, Any]:
    return {"id": cdr_id, "state": state, "figures": {"price_verdict": verdict}}


PROOF = {"statement": 1, "reproduced": True, "differences": []}


def tokens_for(cpo: Company) -> list[dict[str, Any]]:
    issuers = [emsp.party for emsp in EMSPS if related(cpo, emsp)]
    return [token.as_ocpi() for token in PLAN.all_tokens if token.owner in issuers]


def respelled(text: str) -> str:
    return json.dumps(json.loads(text), indent=1)


GOOD = make_evidence()
FIRST = SENT[0]
OWNER = FAHRTWIND if FIRST.receiver == FAHRTWIND.party else ROULIBRE


def with_item(**changes: Any) -> Evidence:
    """The first CDR as its eMSP holds it, changed."""
    items = [
        {**item, **changes} if item["id"] == FIRST.cdr_id else item for item in GOOD.received[OWNER]
    ]
    return replace(GOOD, received={**GOOD.received, OWNER: items})


def failed(evidence: Evidence) -> set[str]:
    return {check.name for check in run_checks(evidence) if not check.ok}


def test_a_demo_without_faults_passes() -> None:
    assert failed(GOOD) == set()
    assert len(run_checks(GOOD)) == len(CHECKS)


def test_a_cdr_that_was_never_acknowledged_is_found() -> None:
    spoiled = replace(GOOD, acknowledged={cdr.cdr_id for cdr in SENT[1:]})
    assert failed(spoiled) == {"every CDR was acknowledged in the end"}


def test_an_acknowledged_cdr_that_is_missing_is_found() -> None:
    spoiled = with_item(id="ANOTHER")
    assert "every acknowledged CDR arrived, unchanged" in failed(spoiled)


def test_a_changed_number_is_found() -> None:
    body = json.loads(FIRST.text)
    body["total_energy"] = float(body["total_energy"]) + 0.001
    spoiled = with_item(body=json.dumps(body))
    assert failed(spoiled) == {"every acknowledged CDR arrived, unchanged"}


def test_twice_without_an_unknown_outcome_is_found() -> None:
    twice = with_item(count=2)
    assert failed(twice) == {"twice only after an unknown outcome"}
    known = replace(twice, attempts={FIRST.cdr_id: ["failed", "delivered"]})
    assert failed(known) == {"twice only after an unknown outcome"}


def test_twice_after_an_unknown_outcome_is_right() -> None:
    spoiled = replace(with_item(count=2), attempts={FIRST.cdr_id: ["unknown", "delivered"]})
    assert failed(spoiled) == set()


def test_other_content_under_one_id_is_found() -> None:
    assert failed(with_item(conflicts=1)) == {"twice only after an unknown outcome"}


def test_a_cdr_at_the_wrong_emsp_is_found() -> None:
    other = ROULIBRE if OWNER is FAHRTWIND else FAHRTWIND
    stray = {"id": FIRST.cdr_id, "body": FIRST.text, "count": 1, "conflicts": 0}
    received = {**GOOD.received, other: [*GOOD.received[other], stray]}
    assert failed(replace(GOOD, received=received)) == {"nothing went to the wrong eMSP"}


def test_an_emsp_asked_about_anothers_token_is_found() -> None:
    stranger = next(token for token in PLAN.all_tokens if token.owner == ROULIBRE.party)
    asked = {**GOOD.asked, FAHRTWIND: {stranger.uid}}
    assert "nothing went to the wrong eMSP" in failed(replace(GOOD, asked=asked))


@pytest.mark.parametrize("state", ["pending", "dead", "uncertain"])
def test_a_cdr_that_is_not_delivered_is_found(state: str) -> None:
    rows = [listed(FIRST.cdr_id, state), *GOOD.ledger[1:]]
    assert failed(replace(GOOD, ledger=rows)) == {"the hub's list of CDRs is settled"}


@pytest.mark.parametrize("wrong", [{"ocpi": 4000}, {"allowed": "EXPIRED"}, {"ocpi": None}])
def test_a_wrong_answer_is_found(wrong: dict[str, Any]) -> None:
    answers = [replace(GOOD.answers[0], **wrong), *GOOD.answers[1:]]
    assert "every authorization ended as expected" in failed(replace(GOOD, answers=answers))


@pytest.mark.parametrize(
    "decisions",
    [
        GOOD.decisions[1:],
        [*GOOD.decisions, GOOD.decisions[0]],
        [{**GOOD.decisions[0], "decided_by": "nobody"}, *GOOD.decisions[1:]],
        [{**GOOD.decisions[0], "reference": "ANOTHER"}, *GOOD.decisions[1:]],
    ],
    ids=["missing", "twice", "decided by", "reference"],
)
def test_a_wrong_record_of_a_decision_is_found(decisions: list[dict[str, Any]]) -> None:
    assert failed(replace(GOOD, decisions=decisions)) == {"every decision is on record"}


def test_asking_in_spite_of_the_whitelist_is_found() -> None:
    ask = next(a for a in PLAN.asks if a.expected.decided_by is DecidedBy.HUB_WHITELIST)
    emsp = next(e for e in EMSPS if ask.token is not None and ask.token.owner == e.party)
    asked = {**GOOD.asked, emsp: {*GOOD.asked[emsp], ask.uid}}
    assert failed(replace(GOOD, asked=asked)) == {"whitelist answers asked nobody"}


def test_a_missing_or_repeated_token_is_found() -> None:
    name = {"CPOs read all tokens of their eMSPs"}
    for tokens in (GOOD.pulled[CPOS[0]][1:], [*GOOD.pulled[CPOS[0]], GOOD.pulled[CPOS[0]][0]]):
        assert failed(replace(GOOD, pulled={**GOOD.pulled, CPOS[0]: tokens})) == name


def outdated() -> Locations:
    """The Locations with another status of one charging point."""
    key, location = next(iter(LOCATIONS.items()))
    first, *others = location["evses"]
    return {
        **LOCATIONS,
        key: {**location, "evses": [{**first, "status": "CHARGING"}, *others]},
    }


@pytest.mark.parametrize("copy", [outdated(), dict(list(LOCATIONS.items())[1:])])
def test_a_copy_that_is_behind_is_found(copy: Locations) -> None:
    held = replace(GOOD.copies, held={**GOOD.copies.held, ROULIBRE: copy})
    name = "eMSPs have every location as its CPO"
    assert failed(replace(GOOD, copies=held)) == {name}
    served = replace(GOOD.copies, served={**GOOD.copies.served, ROULIBRE: copy})
    name = "the hub lists every location as its CPO"
    assert failed(replace(GOOD, copies=served)) == {name}


def test_a_change_that_was_told_twice_is_found() -> None:
    pushes = [Push("L", "E1", {"E1": MOMENT})] * 2
    copies = replace(GOOD.copies, returned=replace(GOOD.copies.returned, pushes=pushes))
    assert failed(replace(GOOD, copies=copies)) == {"who was away was told each change once"}


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        f'{{"path": "/tokens/{PLAN.all_tokens[0].uid.lower()}"}}',
        f"token {SECRET}",
        f"Token {base64.b64encode(SECRET.encode()).decode()}",
    ],
    ids=["traceback", "uid", "secret", "encoded secret"],
)
def test_what_must_not_be_in_the_log_is_found(line: str) -> None:
    spoiled = replace(GOOD, hub_log=GOOD.hub_log + line)
    assert failed(spoiled) == {"the hub's log is clean"}


def test_many_problems_are_told_in_short() -> None:
    check = Check("promise", tuple(f"problem {number}" for number in range(MAX_SHOWN + 2)))
    assert check.told() == "problem 0; problem 1; problem 2; and 2 more"
    assert Check("promise", ("one",)).told() == "one"


def test_a_price_that_does_not_fit_is_told() -> None:
    rows = [listed(FIRST.cdr_id, verdict="differs"), *GOOD.ledger[1:]]
    assert failed(replace(GOOD, ledger=rows)) == {"the price of every CDR was recomputed"}


def test_statements_have_to_be_the_sum_and_proved() -> None:
    short = Settlement(GOOD.settlement.statements[1:], [PROOF])
    assert failed(replace(GOOD, settlement=short)) == {"statements are the sum of CPOs' CDRs"}
    doubtful = Settlement(GOOD.settlement.statements, [{**PROOF, "reproduced": False}])
    assert failed(replace(GOOD, settlement=doubtful)) == {"statements can be proved"}
