"""The rules of sessions in custody, case by case."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.delivery.custody import Attempt, AttemptReport, Start
from ocpi_hub.delivery.session_change import Arrival, SessionChange, SessionRead
from ocpi_hub.delivery.session_custody import MAX_MARKS, take_change
from ocpi_hub.delivery.session_verdicts import settle_session
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from tests.support.factories import CPO, EMSP
from tests.support.stores import BROKEN, LEASE, NO, NOTHING, OK, PATIENCE

S = DirectedState
NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
OTHER = PartyId("FR", "OTH")


def read(text: str) -> SessionRead:
    fields = json.loads(text)
    party = PartyId.parse(fields["emsp"])
    return SessionRead(party, datetime.fromisoformat(fields["last_updated"]))


def change(
    number: int, *, partial: bool = True, start: Start = Start.SEND, **overrides: Any
) -> SessionChange:
    moment = BEGIN + timedelta(minutes=number)
    fields: dict[str, Any] = {"charging_periods": [number], "last_updated": moment.isoformat()}
    if not partial:
        fields["emsp"] = str(overrides.get("receiver", EMSP))
    made = SessionChange(
        key=ObjectKey("sessions", CPO, "S1"),
        receiver=EMSP,
        path=(),
        body=json.dumps(fields),
        partial=partial,
        last_updated=moment,
        correlation_id=f"c{number}",
        start=start,
        attempt_id=uuid.uuid4(),
        read=read,
        max_bytes=5_000,
    )
    return replace(made, **overrides)


def row_in(state: DirectedState, *, sent: int = 1, version: int = 1) -> DirectedObject:
    """A session with one period, which its eMSP has or has not."""
    taken = take_change(None, change(0, partial=False), NOW, LEASE)
    assert taken.row is not None
    flying = state is S.IN_FLIGHT
    return replace(
        taken.row,
        state=state,
        version=version,
        sent_version=sent,
        lease_until=NOW + LEASE if flying else None,
        next_attempt_at=NOW + timedelta(hours=1) if state is S.PENDING else None,
    )


CLEAN = row_in(S.DELIVERED)


def settled(
    row: DirectedObject,
    attempt: Attempt,
    verdict: Verdict,
    *,
    acknowledged: bool = False,
    doubted: bool = False,
) -> DirectedObject:
    report = AttemptReport(attempt, verdict, acknowledged)
    return settle_session(row, report, NOW, PATIENCE, 1.0, doubted=doubted, slow=LEASE)


# Changes -----------------------------------------------------------------------------------------


@pytest.mark.req("SE-05")
@pytest.mark.parametrize(
    ("before", "after", "over"),
    [
        ("ACTIVE", "COMPLETED", False),
        ("COMPLETED", "INVALID", False),
        ("COMPLETED", "COMPLETED", True),
        ("COMPLETED", "ACTIVE", True),
        ("INVALID", "COMPLETED", True),
        ("INVALID", "INVALID", True),
        (None, "COMPLETED", False),
    ],
)
def test_a_change_after_the_end_is_taken_and_known_as_such(
    before: str | None, after: str, over: bool
) -> None:
    fields = json.loads(CLEAN.body) | ({"status": before} if before else {"note": "COMPLETED"})
    row = replace(CLEAN, body=json.dumps(fields))
    changes = json.loads(change(1).body) | {"status": after}
    taken = take_change(row, change(1, body=json.dumps(changes)), NOW, LEASE)
    assert (taken.arrival, taken.over) == (Arrival.CHANGED, over)
    assert taken.attempt is not None
    assert taken.attempt.patch == json.dumps(changes)


@pytest.mark.req("SE-10")
@pytest.mark.parametrize("partial", [True, False])
def test_a_session_may_start_anew_when_it_becomes_active(partial: bool) -> None:
    waiting = {"status": "PENDING", "start_date_time": "2026-10-01T00:00:00Z"}
    row = replace(CLEAN, body=json.dumps(json.loads(CLEAN.body) | waiting))
    active = {"status": "ACTIVE", "start_date_time": "2026-10-01T00:05:00Z"}
    body = json.loads(change(1, partial=partial).body) | active
    taken = take_change(row, change(1, partial=partial, body=json.dumps(body)), NOW, LEASE)
    assert taken.row is not None
    assert json.loads(taken.row.body).items() >= active.items()
    assert (taken.arrival, taken.over) == (Arrival.CHANGED, False)


@pytest.mark.parametrize(
    ("row", "start", "partial", "state", "sends"),
    [
        (CLEAN, Start.SEND, True, S.IN_FLIGHT, "PATCH"),
        (CLEAN, Start.SEND, False, S.IN_FLIGHT, "PUT"),
        (CLEAN, Start.WAIT, True, S.PENDING, None),
        (CLEAN, Start.PULL, True, S.PENDING, None),
        (row_in(S.PENDING, sent=0), Start.SEND, True, S.IN_FLIGHT, "PUT"),
        (row_in(S.PENDING), Start.SEND, True, S.IN_FLIGHT, "PUT"),
        (row_in(S.REFUSED, sent=0), Start.SEND, True, S.IN_FLIGHT, "PUT"),
        (row_in(S.DEAD, sent=0), Start.SEND, True, S.IN_FLIGHT, "PUT"),
        (row_in(S.DEAD, sent=0), Start.WAIT, True, S.PENDING, None),
        (row_in(S.IN_FLIGHT, sent=0), Start.SEND, True, S.IN_FLIGHT, None),
        (row_in(S.IN_FLIGHT, sent=0), Start.WAIT, False, S.IN_FLIGHT, None),
    ],
    ids=lambda value: value.state.value if isinstance(value, DirectedObject) else str(value),
)
@pytest.mark.req("SE-03", "SE-04")
def test_how_a_change_goes_out(
    row: DirectedObject, start: Start, partial: bool, state: DirectedState, sends: str | None
) -> None:
    taken = take_change(row, change(1, partial=partial, start=start), NOW, LEASE)
    assert taken.arrival is Arrival.CHANGED
    assert taken.row is not None
    assert (taken.row.state, taken.row.version) == (state, row.version + 1)
    assert json.loads(taken.row.body)["charging_periods"] == ([0, 1] if partial else [1])
    how = None if taken.attempt is None else "PATCH" if taken.attempt.patch else "PUT"
    assert how == sends
    if taken.attempt is not None:
        assert (taken.attempt.body, taken.attempt.before) == (taken.row.body, row)
        assert taken.row.lease_until == NOW + LEASE
    due = {Start.WAIT: NOW, Start.PULL: None, Start.SEND: None}[start]
    assert taken.row.next_attempt_at == due or row.state is S.IN_FLIGHT


def test_a_receiver_that_knows_no_patch_gets_a_put() -> None:
    attempt = take_change(CLEAN, change(1, patchable=False), NOW, LEASE).attempt
    assert attempt is not None
    assert attempt.patch is None


@pytest.mark.parametrize(
    ("state", "listed", "sends"),
    [
        (S.DELIVERED, False, False),
        (S.PENDING, False, False),
        (S.IN_FLIGHT, False, False),
        (S.REFUSED, False, True),
        (S.DEAD, False, True),
        (S.REFUSED, True, False),
        (S.DEAD, True, False),
    ],
)
def test_the_same_put_again(state: DirectedState, listed: bool, sends: bool) -> None:
    row = row_in(state, sent=int(state is S.DELIVERED))
    taken = take_change(row, change(0, partial=False, listed=listed), NOW, LEASE)
    assert (taken.arrival, taken.attempt is not None) == (Arrival.REPEATED, sends)
    assert taken.row is not None
    assert (taken.row.version, taken.row.body) == (row.version, row.body)


def test_the_layout_of_a_repeated_change_does_not_matter() -> None:
    first = change(1)
    row = take_change(CLEAN, first, NOW, LEASE).row
    spaced = replace(first, body=json.dumps(json.loads(first.body), indent=2))
    assert take_change(row, spaced, NOW, LEASE).arrival is Arrival.REPEATED


def test_a_patch_whose_periods_the_owners_list_showed_is_not_applied_again() -> None:
    patch = change(1)
    text = json.dumps({**json.loads(patch.body), "emsp": str(EMSP), "charging_periods": [0, 1.0]})
    listed = change(1, partial=False, body=text, listed=True, start=Start.WAIT)
    row = take_change(CLEAN, listed, NOW, LEASE).row
    assert row is not None
    for _ in range(2):
        taken = take_change(row, patch, NOW, LEASE)
        assert (taken.arrival, taken.attempt) == (Arrival.REPEATED, None)
        assert taken.row == row


@pytest.mark.parametrize("fields", ['"charging_periods":[7]', '"kwh":2', '"charging_periods":[]'])
def test_a_patch_of_the_moment_of_a_list_that_did_not_show_it_yet_is_applied(fields: str) -> None:
    listed = change(1, partial=False, listed=True, start=Start.WAIT)
    row = take_change(CLEAN, listed, NOW, LEASE).row
    body = f'{{{fields},"last_updated":"{listed.last_updated.isoformat()}"}}'
    patch = change(1, body=body)
    assert take_change(row, patch, NOW, LEASE).arrival is Arrival.CHANGED


def test_periods_of_a_put_do_not_keep_a_patch_of_its_moment_out() -> None:
    row = take_change(CLEAN, change(1, partial=False), NOW, LEASE).row
    assert take_change(row, change(1), NOW, LEASE).arrival is Arrival.CHANGED


def test_what_a_list_showed_is_repeated_by_a_put_of_it() -> None:
    listed = change(1, partial=False, listed=True, start=Start.WAIT)
    row = take_change(CLEAN, listed, NOW, LEASE).row
    row = take_change(row, change(1, body=_patch_of(listed, 7)), NOW, LEASE).row
    assert take_change(row, replace(listed, listed=False), NOW, LEASE).arrival is Arrival.REPEATED


def _patch_of(whole: SessionChange, period: int) -> str:
    moment = whole.last_updated.isoformat()
    return json.dumps({"charging_periods": [period], "last_updated": moment})


@pytest.mark.parametrize("periods", ["5", "{}", "[1e999999999999]"])
def test_a_patch_with_odd_periods_after_a_list_is_judged_like_any(periods: str) -> None:
    listed = change(1, partial=False, listed=True, start=Start.WAIT)
    row = take_change(CLEAN, listed, NOW, LEASE).row
    moment = listed.last_updated.isoformat()
    patch = change(1, body=f'{{"charging_periods":{periods},"last_updated":"{moment}"}}')
    if periods.startswith("["):
        assert take_change(row, patch, NOW, LEASE).arrival is Arrival.CHANGED
    else:
        with pytest.raises(InvalidRequest):
            take_change(row, patch, NOW, LEASE)


def test_a_patch_and_a_put_of_the_same_text_are_two_changes() -> None:
    put = change(1, partial=False)
    row = take_change(CLEAN, replace(put, partial=True), NOW, LEASE).row
    taken = take_change(row, put, NOW, LEASE)
    assert taken.arrival is Arrival.CHANGED


def test_what_is_older_is_dropped() -> None:
    row = take_change(CLEAN, change(2), NOW, LEASE).row
    for partial in (True, False):
        taken = take_change(row, change(1, partial=partial), NOW, LEASE)
        assert (taken.arrival, taken.row) == (Arrival.STALE, row)


def test_marks_of_one_moment_are_limited() -> None:
    row: DirectedObject | None = CLEAN
    for number in range(MAX_MARKS + 5):
        body = json.dumps({"note": number, "last_updated": BEGIN.isoformat()})
        row = take_change(row, change(0, body=body), NOW, LEASE).row
    assert row is not None
    assert len(row.applied) == MAX_MARKS


@pytest.mark.req("ER-10")
def test_a_patch_of_nothing_is_missing() -> None:
    taken = take_change(None, change(1), NOW, LEASE)
    assert (taken.arrival, taken.row, taken.attempt) == (Arrival.MISSING, None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"charging_periods": {}},
        {"emsp": str(OTHER)},
        {"note": "x" * 5_000},
    ],
)
def test_what_cannot_be_kept_is_refused(body: dict[str, Any]) -> None:
    text = json.dumps({"last_updated": BEGIN.isoformat(), **body})
    with pytest.raises(InvalidRequest):
        take_change(CLEAN, change(1, body=text), NOW, LEASE)


def test_a_new_session_has_a_size_limit_too() -> None:
    with pytest.raises(InvalidRequest):
        take_change(None, change(0, partial=False, max_bytes=10), NOW, LEASE)


def test_another_emsp_begins_with_the_whole_session() -> None:
    flying = replace(row_in(S.IN_FLIGHT), doubted_until=NOW)
    taken = take_change(flying, change(1, partial=False, receiver=OTHER), NOW, LEASE)
    assert taken.row is not None
    assert taken.attempt is not None
    assert (taken.row.receiver, taken.row.sent_version, taken.row.doubted_until) == (OTHER, 0, None)
    assert (taken.attempt.patch, taken.attempt.before) == (None, None)


def test_a_patch_that_was_looked_up_under_another_receiver_is_left_to_the_worker() -> None:
    taken = take_change(CLEAN, change(1, receiver=OTHER), NOW, LEASE)
    assert taken.row is not None
    assert (taken.row.state, taken.row.next_attempt_at, taken.attempt) == (S.PENDING, NOW, None)


# Verdicts ----------------------------------------------------------------------------------------


def flying(number: int = 1) -> tuple[DirectedObject, Attempt]:
    """A PATCH under way."""
    taken = take_change(CLEAN, change(number), NOW, LEASE)
    assert taken.row is not None
    assert taken.attempt is not None
    return taken.row, taken.attempt


@pytest.mark.parametrize(
    ("verdict", "acknowledged", "state", "sent", "version"),
    [
        (Delivered(OK), False, S.DELIVERED, 2, 2),
        (Delivered(OK), True, S.DELIVERED, 2, 2),
        (Refused(NO), False, S.DELIVERED, 1, 1),
        (Refused(NO), True, S.REFUSED, 1, 2),
        (Failed(NOTHING), False, S.PENDING, 1, 2),
        (Unknown(BROKEN), False, S.PENDING, 1, 2),
        (NotSent(NOTHING), False, S.PENDING, 1, 2),
    ],
)
def test_verdicts_on_a_patch(
    verdict: Verdict, acknowledged: bool, state: DirectedState, sent: int, version: int
) -> None:
    row, attempt = flying()
    after = settled(row, attempt, verdict, acknowledged=acknowledged)
    assert (after.state, after.sent_version, after.version) == (state, sent, version)
    assert after.lease_until is None
    assert (after.doubted_until is not None) is isinstance(verdict, Unknown)
    assert after.refused_after_ack is (isinstance(verdict, Refused) and acknowledged)


@pytest.mark.parametrize(
    ("verdict", "sent"),
    [(Delivered(OK), 2), (Refused(NO), 1), (Failed(NOTHING), 1), (Unknown(BROKEN), 1)],
)
def test_verdicts_on_what_has_changed_since(verdict: Verdict, sent: int) -> None:
    row, attempt = flying()
    merged = take_change(row, change(2), NOW, LEASE).row
    assert merged is not None
    after = settled(merged, attempt, verdict)
    assert (after.state, after.version, after.sent_version) == (S.PENDING, 3, sent)
    assert json.loads(after.body)["charging_periods"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (row_in(S.PENDING, sent=0), S.PENDING),
        (row_in(S.PENDING), S.PENDING),
        (row_in(S.REFUSED, sent=0), S.REFUSED),
        (row_in(S.DEAD, sent=0), S.PENDING),
    ],
    ids=lambda value: value.state.value if isinstance(value, DirectedObject) else str(value),
)
def test_a_refusal_takes_a_change_back_to_what_was_there(
    before: DirectedObject, state: DirectedState
) -> None:
    taken = take_change(before, change(1), NOW, LEASE)
    assert taken.row is not None
    assert taken.attempt is not None
    after = settled(taken.row, taken.attempt, Refused(NO))
    assert (after.state, after.body, after.version) == (state, before.body, before.version)
    assert (after.applied, after.last_updated) == (before.applied, before.last_updated)


def claimed(row: DirectedObject) -> tuple[DirectedObject, Attempt]:
    """The worker has taken over."""
    attempt_id = uuid.uuid4()
    taken = replace(
        row, state=S.IN_FLIGHT, attempt_id=attempt_id, lease_until=NOW + LEASE, unknown_outcomes=1
    )
    return taken, Attempt(attempt_id, row.key, row.version, row.receiver, row.body, "c")


@pytest.mark.parametrize("verdict", [Delivered(OK), Unknown(BROKEN)])
def test_a_late_verdict_during_another_attempt_is_followed_by_one_more(verdict: Verdict) -> None:
    row, late = flying()
    taken_over, attempt = claimed(row)
    after = settled(taken_over, late, verdict, doubted=True)
    assert (after.state, after.attempt_id) == (S.IN_FLIGHT, attempt.attempt_id)
    assert settled(after, attempt, Delivered(OK)).state is S.PENDING


@pytest.mark.parametrize("verdict", [Delivered(OK), Unknown(BROKEN)])
@pytest.mark.parametrize("state", [S.DELIVERED, S.REFUSED, S.DEAD])
def test_a_late_verdict_sends_what_had_come_to_rest_once_more(
    state: DirectedState, verdict: Verdict
) -> None:
    row, late = flying()
    taken_over, _ = claimed(row)
    rested = replace(taken_over, state=state, lease_until=None, sent_version=2)
    after = settled(rested, late, verdict, doubted=True)
    assert (after.state, after.next_attempt_at) == (S.PENDING, NOW)


@pytest.mark.parametrize("verdict", [Refused(NO), Failed(NOTHING), NotSent(NOTHING)])
def test_late_word_that_nothing_was_taken_changes_nothing(verdict: Verdict) -> None:
    row, late = flying()
    taken_over, _ = claimed(row)
    assert settled(taken_over, late, verdict, doubted=True) == taken_over


def test_a_report_that_is_written_twice_counts_once() -> None:
    row, attempt = flying()
    after = settled(row, attempt, Delivered(OK))
    assert settled(after, attempt, Delivered(OK)) == after


def test_while_a_receiver_may_act_late_nothing_is_clean() -> None:
    row, attempt = flying()
    unknown = settled(row, attempt, Unknown(BROKEN))
    assert unknown.doubted_until == NOW + LEASE
    taken = take_change(unknown, change(2), NOW, LEASE)
    assert taken.row is not None
    assert taken.attempt is not None
    assert taken.attempt.patch is None
    after = settled(taken.row, taken.attempt, Delivered(OK))
    assert (after.state, after.sent_version, after.next_attempt_at) == (S.PENDING, 3, NOW + LEASE)
    again, last = claimed(replace(after, doubted_until=NOW))
    assert settled(again, last, Delivered(OK)).state is S.DELIVERED


def test_the_former_receivers_verdict_is_nothing_to_the_new_one() -> None:
    row, attempt = flying()
    moved = take_change(row, change(2, partial=False, receiver=OTHER), NOW, LEASE).row
    assert moved is not None
    assert settled(moved, attempt, Delivered(OK)) == moved


def test_what_nobody_takes_is_given_up() -> None:
    row, attempt = flying()
    old = replace(row, received_at=NOW - PATIENCE.give_up)
    assert settled(old, attempt, Failed(NOTHING)).state is S.DEAD
