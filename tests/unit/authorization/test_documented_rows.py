"""The table in docs/authorization.md, row by row."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from ocpi_hub.authorization.answer import Failed, Failure
from ocpi_hub.authorization.candidates import Refuse
from ocpi_hub.authorization.decision import AnswerFromStore, Final, PassOn
from ocpi_hub.domain.party import Fallback, RelationMode
from tests.unit.authorization.test_decision_table import (
    MODES,
    OUTCOMES,
    decide,
    make_candidate,
)

PAGE = Path(__file__).parents[3] / "docs" / "authorization.md"
ANY = "-"
COLUMNS = (
    "mode",
    "whitelist",
    "knowledge",
    "fallback",
    "eMSP",
    "asked",
    "answer",
    "decided by",
    "reason",
)
EMSPS = {
    "answers": ["allowed", "blocked", "unknown", "too_little", "server_error"],
    "is silent": ["timeout"],
    "unreachable": ["unreachable"],
    "unusable answer": ["unusable"],
    "broken no": ["broken_no"],
    "OFFLINE": ["allowed"],
    "no interface": ["allowed"],
    ANY: [*OUTCOMES],
}

AGES: dict[str, list[float | None]] = {
    "fresh": [0.0, 50.0],
    "old": [None, 300.0],
    ANY: [None, 0.0, 300.0],
}


def documented_rows() -> list[tuple[str, ...]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(f"| {' | '.join(COLUMNS)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return rows


def described(final: Final) -> tuple[str, str, str]:
    match final:
        case PassOn():
            return "its answer", "emsp", "answered"
        case AnswerFromStore(decided_by=decided_by, reason=reason):
            return "stored token", decided_by.value, reason
        case Refuse(error=error, decided_by=decided_by, reason=reason):
            return str(error.status_code), decided_by.value, reason


@pytest.mark.req("TK-06", "TK-10", "TK-12")
@pytest.mark.parametrize("row", documented_rows(), ids="|".join)
def test_the_documented_row_is_what_happens(row: tuple[str, ...]) -> None:
    mode, whitelist, knowledge, fallback, emsp, asked, answer, decided_by, reason = row
    modes = MODES if mode == ANY else [RelationMode(mode)]
    fallbacks = list(Fallback) if fallback == ANY else [Fallback(fallback)]
    cases = product(modes, fallbacks, AGES[knowledge], (True, False), EMSPS[emsp])
    for each_mode, each_fallback, age_s, valid, outcome in cases:
        candidate = make_candidate(
            mode=each_mode,
            fallback=each_fallback,
            whitelist=None if whitelist == "unknown token" else whitelist,
            age_s=age_s,
            valid=valid,
            online=emsp != "OFFLINE",
            offers=emsp != "no interface",
        )
        was_asked, final = decide(candidate, outcome)
        assert (was_asked, *described(final)) == (asked == "yes", answer, decided_by, reason)


def test_every_reason_of_a_single_emsp_is_documented() -> None:
    """The kinds of silence, and the reasons why the stored token does not help, all occur."""
    text = PAGE.read_text(encoding="utf-8")
    reasons = {row[-1] for row in documented_rows()}
    alone = set(Failure) - {Failure.NOT_ASKED}
    assert {failure.value for failure in alone} <= {part.split(":")[0] for part in reasons}
    failures = [each for each in OUTCOMES.values() if isinstance(each, Failed)]
    assert all(each.failure.value in text for each in failures)
