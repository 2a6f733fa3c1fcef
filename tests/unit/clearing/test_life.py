"""The table of a CDR's life has every way that custody can take, and docs/cdrs.md shows it."""

from __future__ import annotations

import itertools
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ocpi_hub.clearing.life import STEPS, WAYS, Stage, life_table
from ocpi_hub.delivery.custody import Attempt, AttemptReport, Patience
from ocpi_hub.delivery.custody_verdicts import settle
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from ocpi_hub.store.cdr_gaps import GapKind
from tests.support.factories import CPO, EMSP

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 10, 1, tzinfo=UTC)
ANSWER = LastAnswer(200, 2001, "no")
VERDICTS: tuple[Verdict, ...] = (
    Delivered(ANSWER),
    Refused(ANSWER),
    Failed(ANSWER),
    Unknown(ANSWER),
    NotSent(ANSWER),
)
MINE = uuid.UUID(int=1)


def stage_of(state: DirectedState) -> Stage:
    on_its_way = state in (DirectedState.PENDING, DirectedState.IN_FLIGHT)
    return Stage.RECEIVED if on_its_way else Stage(state)


def make_row(state: DirectedState, unknown_outcomes: int, age: timedelta) -> DirectedObject:
    delivered = state is DirectedState.DELIVERED
    return DirectedObject(
        key=ObjectKey("cdrs", CPO, "CDR-1"),
        serial=1,
        receiver=EMSP,
        body="{}",
        fingerprint=b"",
        last_updated=NOW,
        correlation_id="c",
        state=state,
        version=1,
        sent_version=int(delivered),
        attempt_id=MINE,
        lease_until=NOW if state is DirectedState.IN_FLIGHT else None,
        attempts=1,
        unknown_outcomes=unknown_outcomes,
        next_attempt_at=None,
        received_at=NOW - age,
        last_answer=None,
        receiver_location=None,
        reason=None,
    )


@pytest.mark.parametrize("state", list(DirectedState), ids=str)
def test_custody_takes_only_ways_of_the_table(state: DirectedState) -> None:
    patience = Patience(5.0, 60.0, timedelta(days=90))
    taken: set[tuple[Stage, Stage]] = set()
    for verdict, mine, doubted, unknown, acknowledged, days in itertools.product(
        VERDICTS, (True, False), (True, False), (0, 1, 2), (True, False), (0, 100)
    ):
        row = make_row(state, unknown, timedelta(days=days))
        attempt = Attempt(MINE if mine else uuid.UUID(int=2), row.key, 1, EMSP, "{}", "c")
        report = AttemptReport(attempt, verdict, acknowledged)
        after = settle(row, report, NOW, patience, 0.5, doubted=doubted)
        if stage_of(after.state) is not stage_of(state):
            taken.add((stage_of(state), stage_of(after.state)))
    assert taken <= WAYS.keys()
    by_receivers = {
        (step.before, step.after)
        for step in STEPS
        if step.before is stage_of(state) and step.who[0] == "receiver"
    }
    if state is not DirectedState.PENDING:
        assert by_receivers <= taken, "the table has a way that nothing takes"


def test_each_way_is_told_once() -> None:
    assert len(WAYS) == len(STEPS)
    assert {step.after for step in STEPS} == set(Stage)


def test_the_page_shows_the_table() -> None:
    page = (ROOT / "docs" / "cdrs.md").read_text(encoding="utf-8")
    assert life_table() in page, f"docs/cdrs.md should have:\n{life_table()}"


def test_the_page_tells_every_kind_of_gap() -> None:
    page = (ROOT / "docs" / "cdrs.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)
    assert told == [str(kind) for kind in GapKind]
