"""The table of decisions, row by row: the page shows it, and the engine does what it says."""

from __future__ import annotations

from itertools import product

import pytest

from ocpi_hub.authorization.answer import Failure
from ocpi_hub.authorization.candidates import Refuse
from ocpi_hub.authorization.decision import AnswerFromStore, Final, PassOn
from ocpi_hub.authorization.table import KINDS, RULE_OF, RULES, SITUATIONS, Kind, Row, rows
from ocpi_hub.domain.party import Fallback, RelationMode
from tests.support.authorization_page import PAGE, page
from tests.unit.authorization.test_decision_table import (
    MODES,
    OUTCOMES,
    WHITELISTS,
    decide,
    make_candidate,
)

EMSPS = {
    "answers": ["allowed", "blocked", "unknown", "too_little", "server_error"],
    "is silent": ["timeout"],
    "unreachable": ["unreachable"],
    "unusable answer": ["unusable"],
    "broken no": ["broken_no"],
    "OFFLINE": ["allowed"],
    "no interface": ["allowed"],
    "-": [*OUTCOMES],
}
AGES: dict[bool | None, list[float | None]] = {
    True: [0.0, 50.0],
    False: [None, 300.0],
    None: [None, 0.0, 300.0],
}


def whitelists(kind: Kind) -> list[str | None]:
    """What a token of this kind says; None: there is none."""
    if kind is Kind.UNKNOWN:
        return [None]
    return [each for each in WHITELISTS if KINDS.get(each, Kind.NEVER) is kind]


def described(final: Final) -> tuple[str, str, str]:
    match final:
        case PassOn():
            return "its answer", "emsp", "answered"
        case AnswerFromStore(decided_by=decided_by, reason=reason):
            return "stored token", decided_by.value, reason
        case Refuse(error=error, decided_by=decided_by, reason=reason):
            return str(error.status_code), decided_by.value, reason


@pytest.mark.req("TK-06", "TK-10", "TK-12")
@pytest.mark.parametrize("row", list(rows()), ids=lambda row: "|".join(row.cells))
def test_the_row_is_what_happens(row: Row) -> None:
    rule, emsp = row.rule, row.situation.name if row.situation else "-"
    space = product(
        (rule.mode,) if rule.mode else MODES,
        (rule.fallback,) if rule.fallback else Fallback,
        whitelists(rule.kind),
        AGES[rule.fresh],
        (True, False),
        EMSPS[emsp],
    )
    for mode, fallback, whitelist, age_s, valid, outcome in space:
        candidate = make_candidate(
            mode=mode,
            fallback=fallback,
            whitelist=whitelist,
            age_s=age_s,
            valid=valid,
            online=emsp != "OFFLINE",
            offers=emsp != "no interface",
        )
        asked, final = decide(candidate, outcome)
        assert (asked, *described(final)) == (row.asked, row.answer, row.decided_by, row.reason)


def test_the_page_shows_the_table() -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert page(shown) == shown, "run `make docs`"


def test_each_case_has_exactly_one_rule() -> None:
    """The order of the rules decides nothing, and none is in vain."""
    for (mode, kind, fresh, fallback), chosen in RULE_OF.items():
        fitting = [
            rule
            for rule in RULES
            if rule.kind is kind
            and rule.mode in (None, mode)
            and rule.fresh in (None, fresh)
            and rule.fallback in (None, fallback)
        ]
        assert fitting == [chosen]
    assert set(RULE_OF.values()) == set(RULES)
    assert len(RULE_OF) == 2 * len(Kind) * 2 * 2


def test_every_way_of_failing_stands_in_the_table() -> None:
    failures = {situation.failure for situation in SITUATIONS} - {None}
    assert failures == set(Failure) - {Failure.NOT_ASKED}
    assert {situation.name for situation in SITUATIONS} == set(EMSPS) - {"-"}


def test_no_mode_is_missing() -> None:
    assert {mode for mode, *_ in RULE_OF} == set(RelationMode) - {RelationMode.NONE}
