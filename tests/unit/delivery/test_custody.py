"""The rules of custody, without a database."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery.custody import (
    Attempt,
    AttemptReport,
    Intake,
    Patience,
    Repeat,
    Start,
    judge_repeat,
)
from ocpi_hub.delivery.custody_verdicts import settle
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from tests.support.factories import CPO, EMSP

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PATIENCE = Patience(5.0, 3600.0, timedelta(days=90))
ATTEMPT = uuid.UUID(int=1)
KEY = ObjectKey("cdrs", CPO, "CDR-1")
OK = LastAnswer(200, 1000, None)
NO = LastAnswer(200, 2001, "no")
NOTHING = LastAnswer(None, None, "refused the connection")
BROKEN = LastAnswer(500, None, "the answer is no OCPI envelope")


def row(state: DirectedState = DirectedState.IN_FLIGHT, **changes: object) -> DirectedObject:
    flying = state is DirectedState.IN_FLIGHT
    made = DirectedObject(
        key=KEY,
        serial=1,
        receiver=EMSP,
        body="{}",
        fingerprint=b"same",
        last_updated=NOW,
        correlation_id="c",
        state=state,
        version=1,
        sent_version=0,
        attempt_id=ATTEMPT,
        lease_until=NOW + timedelta(seconds=40) if flying else None,
        attempts=1,
        unknown_outcomes=0,
        next_attempt_at=None,
        received_at=NOW,
        last_answer=None,
        receiver_location=None,
        reason=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # named by the tests


def report(verdict: Verdict, *, attempt_id: uuid.UUID = ATTEMPT, version: int = 1,
           acknowledged: bool = False) -> AttemptReport:  # fmt: skip
    attempt = Attempt(attempt_id, KEY, version, EMSP, "{}", "c")
    return AttemptReport(attempt, verdict, acknowledged)


def settled(
    before: DirectedObject, told: AttemptReport, *, now: datetime = NOW, doubted: bool = False
) -> DirectedObject:
    return settle(before, told, now, PATIENCE, jitter=1.0, doubted=doubted)


def test_what_was_not_sent_is_due_soon_and_counts_as_no_attempt() -> None:
    before = row(attempts=8, unknown_outcomes=1, last_answer=BROKEN)
    after = settled(before, report(NotSent(LastAnswer(None, None, "too many in flight"))))
    assert after == replace(
        before,
        state=DirectedState.PENDING,
        lease_until=None,
        attempts=7,
        next_attempt_at=NOW + timedelta(seconds=5),
    )


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=91)])
def test_without_an_interface_to_push_to_an_object_waits_to_be_pulled(age: timedelta) -> None:
    before = row(attempts=8, received_at=NOW - age)
    nowhere = NotSent(LastAnswer(None, None, "no cdrs RECEIVER"), to_pull=True)
    after = settled(before, report(nowhere))
    assert (after.state, after.next_attempt_at, after.attempts) == (DirectedState.PENDING, None, 7)


def intake(fingerprint: bytes = b"same", *, resend: bool = True) -> Intake:
    return Intake(KEY, EMSP, "{}", fingerprint, NOW, "c", Start.SEND, uuid.uuid4(), resend=resend)


def test_1xxx_delivers() -> None:
    after = settled(row(), report(Delivered(OK, "https://e.example/1")))
    assert (after.state, after.sent_version, after.lease_until) == (
        DirectedState.DELIVERED,
        1,
        None,
    )
    assert after.receiver_location == "https://e.example/1"


def test_2xxx_refuses_and_tells_whether_the_sender_had_its_1000() -> None:
    at_once = settled(row(), report(Refused(NO)))
    late = settled(row(), report(Refused(NO), acknowledged=True))
    assert (at_once.state, at_once.refused_after_ack) == (DirectedState.REFUSED, False)
    assert (late.state, late.refused_after_ack) == (DirectedState.REFUSED, True)


def test_a_refusal_after_an_unknown_outcome_is_uncertain() -> None:
    after = settled(row(unknown_outcomes=1, attempts=2), report(Refused(NO)))
    assert after.state is DirectedState.UNCERTAIN
    assert after.next_attempt_at is None


def test_a_receiver_that_is_not_reached_leaves_the_pause_to_its_backoff() -> None:
    after = settled(row(), report(Failed(NOTHING)))
    assert (after.state, after.next_attempt_at) == (DirectedState.PENDING, NOW)
    assert after.unknown_outcomes == 0


def test_an_unknown_outcome_is_counted_and_tried_again_later() -> None:
    after = settled(row(), report(Unknown(BROKEN)))
    assert (after.state, after.unknown_outcomes) == (DirectedState.PENDING, 1)
    assert after.next_attempt_at == NOW + timedelta(seconds=5)


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [PATIENCE.delay(attempts, 1.0).total_seconds() for attempts in (1, 2, 3, 20, 5000)]
    assert pauses == [5, 10, 20, 3600, 3600]
    assert PATIENCE.delay(3, 0.0) == timedelta(seconds=10)


def test_retry_after_is_respected_up_to_the_longest_pause() -> None:
    busy = LastAnswer(429, None, "slow down")
    assert settled(row(), report(Failed(busy, 60.0))).next_attempt_at == NOW + timedelta(seconds=60)
    long = settled(row(), report(Failed(busy, 86_400.0)))
    assert long.next_attempt_at == NOW + timedelta(hours=1)


def test_after_90_days_an_object_is_a_dead_letter() -> None:
    after = settled(row(), report(Failed(NOTHING)), now=NOW + timedelta(days=90))
    assert after.state is DirectedState.DEAD
    assert "90 days" in (after.reason or "")


def test_a_late_delivery_counts_whoever_is_trying_now() -> None:
    newer = row(attempt_id=uuid.UUID(int=2), unknown_outcomes=1, attempts=2)
    after = settled(newer, report(Delivered(OK)))
    assert (after.state, after.lease_until) == (DirectedState.DELIVERED, None)


def test_a_refusal_that_follows_a_late_delivery_changes_nothing() -> None:
    delivered = row(DirectedState.DELIVERED, sent_version=1, attempt_id=uuid.UUID(int=2))
    assert settled(delivered, report(Refused(NO), attempt_id=uuid.UUID(int=2))) == delivered


def test_a_late_refusal_takes_the_doubt_back() -> None:
    waiting = row(DirectedState.PENDING, attempt_id=uuid.UUID(int=2), unknown_outcomes=1)
    assert settled(waiting, report(Refused(NO)), doubted=True).state is DirectedState.REFUSED
    twice = replace(waiting, unknown_outcomes=2)
    after = settled(twice, report(Refused(NO)), doubted=True)
    assert (after.state, after.unknown_outcomes) == (DirectedState.PENDING, 1)


@pytest.mark.parametrize("late", [Failed(NOTHING), Refused(NO)])
def test_a_refusal_is_certain_once_the_last_doubt_is_gone(late: Verdict) -> None:
    uncertain = row(
        DirectedState.UNCERTAIN, attempt_id=uuid.UUID(int=2), unknown_outcomes=1, last_answer=NO
    )
    after = settled(uncertain, report(late), doubted=True)
    assert (after.state, after.last_answer, after.reason) == (DirectedState.REFUSED, NO, None)


def test_a_late_verdict_leaves_a_newer_attempt_in_flight() -> None:
    newer = row(attempt_id=uuid.UUID(int=2), unknown_outcomes=1)
    after = settled(newer, report(Failed(NOTHING)), doubted=True)
    assert (after.state, after.attempt_id) == (DirectedState.IN_FLIGHT, uuid.UUID(int=2))
    assert after.unknown_outcomes == 0


@pytest.mark.parametrize("verdict", [Refused(NO), Failed(NOTHING), Unknown(BROKEN), Delivered(OK)])
def test_a_report_that_is_written_twice_counts_once(verdict: Verdict) -> None:
    before = row(unknown_outcomes=1, attempts=2)
    once = settled(before, report(verdict))
    assert settled(once, report(verdict), doubted=isinstance(verdict, Unknown)) == once


def test_a_refusal_learns_that_the_sender_had_its_1000_meanwhile() -> None:
    refused = settled(row(), report(Refused(NO)))
    assert settled(refused, report(Refused(NO), acknowledged=True)).refused_after_ack is True
    sent_again = replace(refused, attempt_id=uuid.UUID(int=2))
    assert settled(sent_again, report(Refused(NO), acknowledged=True)) == sent_again


def test_a_verdict_on_an_older_version_changes_nothing() -> None:
    replaced = row(version=2)
    assert settled(replaced, report(Delivered(OK), version=1)) == replaced


@pytest.mark.req("CD-08")
@pytest.mark.parametrize(
    ("state", "identical", "different"),
    [
        (DirectedState.DELIVERED, Repeat.UNCHANGED, Repeat.CONFLICT),
        (DirectedState.IN_FLIGHT, Repeat.IN_FLIGHT, Repeat.CONFLICT),
        (DirectedState.REFUSED, Repeat.SEND_AGAIN, Repeat.REPLACE),
        (DirectedState.PENDING, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.UNCERTAIN, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.HELD, Repeat.KEPT, Repeat.CONFLICT),
        (DirectedState.DEAD, Repeat.SEND_AGAIN, Repeat.CONFLICT),
    ],
)
def test_a_second_arrival(state: DirectedState, identical: Repeat, different: Repeat) -> None:
    existing = row(state)
    assert judge_repeat(existing, intake(b"same")) is identical
    assert judge_repeat(existing, intake(b"other")) is different


@pytest.mark.parametrize("state", [DirectedState.REFUSED, DirectedState.DEAD])
def test_what_the_hub_finds_itself_is_not_sent_again(state: DirectedState) -> None:
    assert judge_repeat(row(state), intake(resend=False)) is Repeat.KEPT


@pytest.mark.parametrize(
    ("since_due", "state"),
    [(timedelta(days=89), DirectedState.PENDING), (timedelta(days=91), DirectedState.DEAD)],
)
def test_what_had_to_wait_for_its_batch_is_given_up_as_long_after_it_was_due(
    since_due: timedelta, state: DirectedState
) -> None:
    before = row(received_at=NOW - timedelta(days=400), batch_due_at=NOW - since_due)
    assert settled(before, report(Failed(BROKEN))).state is state
