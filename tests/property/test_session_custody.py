"""Sessions in custody against a model: whatever happens on the way, the receiver's copy ends as the
hub's, which is the owner's, and no charging period is lost or doubled.

The owner pushes one change after the other, some of them again; attempts succeed, are refused, fail
or end unknown, applied at once, later or never; processes die and leave their leases; verdicts come
late, also of attempts that nobody waits for any more.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocpi_hub.delivery.custody import Attempt, AttemptReport, Start
from ocpi_hub.delivery.session_change import SessionChange, SessionRead
from ocpi_hub.delivery.session_custody import take_change
from ocpi_hub.delivery.session_verdicts import settle_session
from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.ocpi.session_text import appended_periods
from tests.support.factories import CPO, EMSP
from tests.support.stores import LEASE, NO, NOTHING, OK, PATIENCE
from tests.support.thorough import rounds

KEY = ObjectKey("sessions", CPO, "S1")
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(slots=True)
class Flight:
    """An attempt that somebody is making.

    Attributes:
        change: whose sender waits for the verdict; None: nobody does.
        applied: the receiver has done what it asks; the answer may still be on its way.
    """

    attempt: Attempt
    change: SessionChange | None
    applied: bool = False


def read(text: str) -> SessionRead:
    return SessionRead(EMSP, datetime.fromisoformat(json.loads(text)["last_updated"]))


def periods_in(text: str | None) -> list[int]:
    return list(json.loads(text).get("charging_periods", [])) if text else []


class SessionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.moment = BEGIN
        self.count = 0
        self.row: DirectedObject | None = None
        self.receiver: str | None = None
        self.owners: list[int] = []
        self.owners_before: dict[uuid.UUID, list[int]] = {}
        self.unanswered: SessionChange | None = None
        self.last: SessionChange | None = None
        self.flying: list[Flight] = []
        self.lingering: list[tuple[datetime, Flight]] = []
        self.doubted: set[uuid.UUID] = set()

    # The owner -----------------------------------------------------------------------------------

    def change(self, *, partial: bool, start: Start, patchable: bool, later: bool) -> SessionChange:
        self.count += 1
        self.moment += timedelta(seconds=later)
        self.owners = [*self.owners, self.count]
        fields = {
            "kwh": self.count,
            "charging_periods": [self.count] if partial else self.owners,
            "last_updated": self.moment.isoformat(),
        }
        return SessionChange(
            key=KEY,
            receiver=EMSP,
            path=(),
            body=json.dumps(fields),
            partial=partial,
            last_updated=self.moment,
            correlation_id="c",
            start=start,
            attempt_id=uuid.uuid4(),
            read=read,
            max_bytes=100_000,
            patchable=patchable,
        )

    def bring(self, change: SessionChange, *, dies: bool = False) -> None:
        taken = take_change(self.row, change, self.now, LEASE)
        self.row, self.last = taken.row, change
        if dies:
            self.unanswered = change
            return
        self.unanswered = None
        if taken.attempt is not None:
            self.flying.append(Flight(taken.attempt, change))

    @precondition(lambda self: self.unanswered is None)
    @rule(
        partial=st.booleans(),
        start=st.sampled_from([Start.SEND, Start.SEND, Start.SEND, Start.WAIT]),
        patchable=st.sampled_from([True, True, True, False]),
        later=st.booleans(),
        fate=st.sampled_from(["", "", "", "before the commit", "after the commit"]),
    )
    def push(self, partial: bool, start: Start, patchable: bool, later: bool, fate: str) -> None:
        before = self.owners
        change = self.change(
            partial=partial and self.row is not None,
            start=start,
            patchable=patchable,
            later=later or self.row is None,
        )
        self.owners_before[change.attempt_id] = before
        if fate == "before the commit":
            self.unanswered = change
        else:
            self.bring(change, dies=bool(fate))

    @precondition(lambda self: self.unanswered is not None)
    @rule()
    def push_again_what_was_not_answered(self) -> None:
        assert self.unanswered is not None
        again = replace(self.unanswered, attempt_id=uuid.uuid4())
        self.owners_before[again.attempt_id] = self.owners_before[self.unanswered.attempt_id]
        self.bring(again)

    @precondition(lambda self: self.unanswered is None and self.last is not None)
    @rule()
    def push_again_what_was_acknowledged(self) -> None:
        assert self.last is not None
        waited_for = any(flight.change is self.last for flight in self.flying)
        if waited_for or self.last.body not in self.texts_of_owner():
            return
        again = replace(self.last, attempt_id=uuid.uuid4())
        taken = take_change(self.row, again, self.now, LEASE)
        self.row = taken.row
        if taken.attempt is not None:
            # What was acknowledged once is not taken back, whatever its sender hears now.
            assert taken.attempt.before is None
            self.flying.append(Flight(taken.attempt, None))

    @precondition(lambda self: self.row is not None and not self.is_awaited())
    @rule(patchable=st.booleans())
    def list_is_read(self, patchable: bool) -> None:
        """It shows what the owner has, whether or not anybody has answered its push."""
        whole = {
            "kwh": self.count,
            "charging_periods": self.owners,
            "last_updated": self.moment.isoformat(),
        }
        change = SessionChange(
            key=KEY,
            receiver=EMSP,
            path=(),
            body=json.dumps(whole),
            partial=False,
            last_updated=self.moment,
            correlation_id="c",
            start=Start.WAIT,
            attempt_id=uuid.uuid4(),
            read=read,
            max_bytes=100_000,
            patchable=patchable,
            listed=True,
        )
        self.row = take_change(self.row, change, self.now, LEASE).row

    def is_awaited(self) -> bool:
        """Somebody waits for a verdict, and may take a change back."""
        return any(flight.change is not None for flight in self.flying)

    def texts_of_owner(self) -> list[str]:
        """The last change, if it has happened in its owner's eyes."""
        assert self.last is not None
        number = json.loads(self.last.body)["kwh"]
        return [self.last.body] if number in self.owners else []

    # The worker ----------------------------------------------------------------------------------

    def due(self) -> bool:
        row = self.row
        if row is None or row.state not in (DirectedState.PENDING, DirectedState.IN_FLIGHT):
            return False
        at = row.lease_until or row.next_attempt_at
        return at is not None and at <= self.now

    @precondition(lambda self: self.due())
    @rule()
    def claim(self) -> None:
        row = self.row
        assert row is not None
        silent = row.state is DirectedState.IN_FLIGHT
        if silent and row.attempt_id:
            self.doubted.add(row.attempt_id)
        attempt_id = uuid.uuid4()
        self.row = replace(
            row,
            state=DirectedState.IN_FLIGHT,
            attempt_id=attempt_id,
            lease_until=self.now + LEASE,
            attempts=row.attempts + 1,
            next_attempt_at=None,
            unknown_outcomes=row.unknown_outcomes + silent,
            doubted_until=self.now + LEASE if silent else row.doubted_until,
        )
        attempt = Attempt(attempt_id, KEY, row.version, EMSP, row.body, "c")
        self.flying.append(Flight(attempt, None))

    @rule(long=st.booleans())
    def time_passes(self, long: bool) -> None:
        self.now += timedelta(hours=2) if long else timedelta(seconds=10)
        self.lingering = [late for late in self.lingering if late[0] > self.now]

    # Attempts ------------------------------------------------------------------------------------

    def apply(self, flight: Flight) -> None:
        """What the receiver does; one that lacks the session gets it whole in the same attempt."""
        attempt = flight.attempt
        if flight.applied:
            return
        flight.applied = True
        if attempt.patch is not None and self.receiver is not None:
            self.receiver = appended_periods(self.receiver, attempt.patch)
        else:
            self.receiver = attempt.body

    def report(self, flight: Flight, verdict: Verdict) -> None:
        self.flying.remove(flight)
        row, attempt = self.row, flight.attempt
        assert row is not None
        report = AttemptReport(attempt, verdict, acknowledged=flight.change is None)
        doubted = attempt.attempt_id in self.doubted
        self.row = settle_session(row, report, self.now, PATIENCE, 0.5, doubted=doubted, slow=LEASE)
        if isinstance(verdict, Unknown):
            self.doubted.add(attempt.attempt_id)
        else:
            self.doubted.discard(attempt.attempt_id)
        if flight.change is not None and isinstance(verdict, Refused):
            self.hears_refusal(flight.change, attempt)

    def hears_refusal(self, change: SessionChange, attempt: Attempt) -> None:
        row = self.row
        assert row is not None
        if row.version > attempt.version:
            return  # superseded: the hub says that it holds the change
        if attempt.before is None:
            return  # refused as a whole; the owner brings it again one day
        self.owners = self.owners_before[change.attempt_id]

    def flight(self, data: st.DataObject) -> Flight:
        return data.draw(st.sampled_from(self.flying))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        flight = self.flight(data)
        self.apply(flight)
        self.report(flight, Delivered(OK))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def reach(self, data: st.DataObject) -> None:
        """The answer is on its way."""
        self.apply(self.flight(data))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        flight = self.flight(data)
        # What an owner makes of a refusal while a later change of its is lost is its own affair.
        if self.is_current(flight) and self.unanswered is None and not flight.applied:
            self.report(flight, Refused(NO))

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), verdict=st.sampled_from([Failed(NOTHING), NotSent(NOTHING)]))
    def fail(self, data: st.DataObject, verdict: Verdict) -> None:
        flight = self.flight(data)
        if not flight.applied:
            self.report(flight, verdict)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), applied=st.sampled_from(["at once", "later", "never"]))
    def stay_unknown(self, data: st.DataObject, applied: str) -> None:
        flight = self.flight(data)
        self.lose_answer(flight, applied)
        self.report(flight, Unknown(NOTHING))

    def lose_answer(self, flight: Flight, applied: str) -> None:
        if applied == "at once":
            self.apply(flight)
        elif applied == "later":
            self.lingering.append((self.now + LEASE, flight))

    @precondition(lambda self: self.lingering)
    @rule(data=st.data())
    def act_late(self, data: st.DataObject) -> None:
        """A slow receiver gets to what it was asked long ago."""
        late = data.draw(st.sampled_from(self.lingering))
        self.lingering.remove(late)
        self.apply(late[1])

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """The sender has waited long enough."""
        self.flight(data).change = None

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), applied=st.sampled_from(["at once", "later", "never"]))
    def die(self, data: st.DataObject, applied: str) -> None:
        """The process is killed; what it had sent reached the receiver, or not."""
        flight = self.flight(data)
        if not self.is_current(flight):
            return
        self.lose_answer(flight, applied)
        self.flying.remove(flight)
        if flight.change is not None and flight.change is self.last and self.unanswered is None:
            self.unanswered = flight.change

    def is_current(self, flight: Flight) -> bool:
        row = self.row
        return row is not None and row.attempt_id == flight.attempt.attempt_id

    # What has to hold ----------------------------------------------------------------------------

    @invariant()
    def hub_has_what_its_owner_has(self) -> None:
        if self.row is not None and self.unanswered is None:
            assert periods_in(self.row.body) == self.owners

    @invariant()
    def clean_means_that_the_receiver_has_it(self) -> None:
        row = self.row
        if row is None or row.state is not DirectedState.DELIVERED or self.flying:
            return
        assert not self.lingering
        assert self.receiver is not None
        assert json.loads(self.receiver) == json.loads(row.body)

    def teardown(self) -> None:
        """In the end everything goes well."""
        if self.unanswered is not None:
            self.push_again_what_was_not_answered()
        self.settle_all()
        # What was refused after its 1000 goes out with the next change.
        known = self.row is not None
        self.bring(self.change(partial=known, start=Start.SEND, patchable=True, later=True))
        self.settle_all()
        assert self.row is not None
        assert self.row.state is DirectedState.DELIVERED
        assert periods_in(self.receiver) == self.owners

    def settle_all(self) -> None:
        """What nobody waits for any more reaches the receiver last."""
        self.time_passes(long=True)
        while self.flying or self.due():
            if self.due():
                self.claim()
            for flight in reversed(list(self.flying)):
                self.apply(flight)
                self.report(flight, Delivered(OK))
            self.time_passes(long=True)
        self.clean_means_that_the_receiver_has_it()


SessionMachine.TestCase.settings = settings(
    max_examples=rounds(60, 1000), stateful_step_count=40, deadline=None
)
TestSessions = SessionMachine.TestCase
