"""When a CDR is due that goes with others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocpi_hub.delivery.cdr_batches import batch_due
from ocpi_hub.domain.party import CdrExchange, Relation, RelationMode
from tests.support.factories import CPO, EMSP


def relation(schedule: str | None, cdrs: CdrExchange = CdrExchange.BATCH) -> Relation:
    return Relation(CPO, EMSP, RelationMode.WHITELIST, cdrs=cdrs, cdr_schedule=schedule)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-10-31T23:59:59Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-11-01T00:59:59+01:00", "2026-11-01T00:00:00Z"),
        ("2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_a_cdr_belongs_to_the_period_it_comes_in(now: str, due: str) -> None:
    found = batch_due(relation("0 0 1 * *"), datetime.fromisoformat(now))
    assert found == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    "immediate",
    [relation("0 0 1 * *", CdrExchange.IMMEDIATE), relation(None), relation("0 0 31 2 *")],
    ids=["immediate", "no schedule", "never"],
)
def test_without_a_period_that_ends_a_cdr_is_due_at_once(immediate: Relation) -> None:
    assert batch_due(immediate, datetime(2026, 11, 1, tzinfo=UTC)) is None
