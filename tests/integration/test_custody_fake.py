"""Custody in memory, which other tests rely on, behaves as custody on PostgreSQL does."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ocpi_hub.delivery.custody import Attempt, CustodyStore, Start
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused, Unknown, Verdict
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.scripted import MemoryCustody
from tests.support.stores import BROKEN, NO, NOTHING, OK, custody_store, ended, make_intake

VERDICTS: tuple[Verdict, ...] = (Delivered(OK), Refused(NO), Failed(NOTHING), Unknown(BROKEN))


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


async def _story(store: CustodyStore, seed: int) -> list[object]:
    """What a store answers to arrivals and verdicts, late and repeated ones among them."""
    choice = random.Random(seed)  # noqa: S311 - reproducible
    told: list[object] = []
    attempts: list[Attempt] = []
    for _ in range(150):
        cdr_id = f"C{choice.randrange(12)}"
        body = f'{{"a":{choice.randrange(2)}}}'
        start = choice.choice([Start.SEND, Start.SEND, Start.SEND, *Start])
        intake = make_intake(cdr_id, body=body, start=start, resend=choice.random() < 0.9)
        attempt_id = choice.getrandbits(64)
        intake = replace(intake, attempt_id=type(intake.attempt_id)(int=attempt_id))
        result = await store.take_in(intake)
        told.append((result.repeat, result.attempt))
        attempts += [result.attempt] if result.attempt is not None else []
        if attempts and choice.random() < 0.7:
            report = ended(
                choice.choice(attempts[-6:]),
                choice.choice(VERDICTS),
                acknowledged=choice.random() < 0.5,
            )
            told.append(await store.record(report))
        row = await store.find(intake.key)
        assert row is not None
        told.append((row.state, row.version, row.sent_version, row.unknown_outcomes, row.body))
        told.append((row.last_answer, row.refused_after_ack, row.lease_until is None))
    return told


@pytest.mark.parametrize("seed", range(4))
async def test_both_tell_the_same_story(store: PostgresCustodyStore, seed: int) -> None:
    assert await _story(MemoryCustody(), seed) == await _story(store, seed)
