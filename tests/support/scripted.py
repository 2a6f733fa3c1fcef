"""Stand-ins for the outside of the hub: a client that answers as told, and custody in memory."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ocpi_hub.delivery.custody import (
    Attempt,
    AttemptReport,
    Intake,
    Repeat,
    Start,
    TakenIn,
    judge_repeat,
)
from ocpi_hub.delivery.custody_verdicts import settle
from ocpi_hub.delivery.session_verdicts import settle_session
from ocpi_hub.delivery.shared import Page
from ocpi_hub.delivery.verdict import Unknown
from ocpi_hub.domain.exchange import Answer, Exchange, OutboundRequest
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi.paging import PageRequest
from tests.support.stores import LEASE, PATIENCE


def answer(
    code: int | None = 1000, *, http: int = 200, data: str = "null", **headers: str
) -> Answer:
    """An answer with an envelope; without one when there is no code."""
    body = f'{{"data":{data},"status_code":{code},"timestamp":"2026-10-01T08:00:00Z"}}'
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(http, names, b"<html>" if code is None else body.encode())


class ScriptedClient:
    """Answers with what `will` was told, in order; then again and again with the last."""

    def __init__(self) -> None:
        self.requests: list[OutboundRequest] = []
        self._script: deque[Exchange | asyncio.Event | Exception] = deque()
        self._arrived = asyncio.Condition()

    def will(self, *steps: Exchange | asyncio.Event | Exception) -> None:
        """Answers; an event means: wait for it, then go on with the next step."""
        self._script = deque(steps)

    async def send(self, request: OutboundRequest) -> Exchange:
        self.requests.append(request)
        async with self._arrived:
            self._arrived.notify_all()
        while True:
            step = self._script[0] if len(self._script) == 1 else self._script.popleft()
            match step:
                case asyncio.Event():
                    await step.wait()
                case Exception():
                    raise step
                case _:
                    return step

    async def called(self, times: int) -> None:
        """Wait until that many requests have arrived."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= times)


class MemoryCustody:
    """Custody without a database, by the same rules; backoff lasts until `now` is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.rows: dict[ObjectKey, DirectedObject] = {}
        self.reports: list[AttemptReport] = []
        self.broken = False
        self.recording = asyncio.Event()
        self.recording.set()
        self._doubted: set[uuid.UUID] = set()
        self._known: set[uuid.UUID] = set()
        self._changed = asyncio.Condition()

    async def take_in(self, intake: Intake) -> TakenIn:
        existing = self.rows.get(intake.key)
        repeat = judge_repeat(existing, intake) if existing else None
        if repeat not in (None, Repeat.SEND_AGAIN, Repeat.REPLACE):
            return TakenIn(repeat, None)
        row = self._row(intake)
        if existing is not None:
            replaced = repeat is Repeat.REPLACE
            row = replace(
                row,
                version=existing.version + replaced,
                sent_version=existing.sent_version,
                unknown_outcomes=0 if replaced else existing.unknown_outcomes,
                last_answer=existing.last_answer,
                receiver_location=existing.receiver_location,
            )
        await self._put(row)
        if intake.start is not Start.SEND:
            return TakenIn(repeat, None)
        return TakenIn(repeat, self._attempt(self.rows[intake.key]))

    async def record(self, report: AttemptReport) -> DirectedState:
        await self.recording.wait()
        if self.broken:
            raise StoreError("broken")
        self.reports.append(report)
        row = self.rows[report.attempt.key]
        doubted = report.attempt.attempt_id in self._doubted
        self._doubted.discard(report.attempt.attempt_id)
        if isinstance(report.verdict, Unknown) and report.attempt.attempt_id not in self._known:
            self._doubted.add(report.attempt.attempt_id)
        else:
            self._known.add(report.attempt.attempt_id)
        after = _settled(row, report, self.now, doubted=doubted)
        if after.next_attempt_at == self.now:  # the pause is the backoff's, which is not kept here
            after = replace(after, next_attempt_at=self.now + timedelta(seconds=5))
        await self._put(after)
        return after.state

    async def due_receivers(self, candidates: Sequence[PartyId]) -> Sequence[PartyId]:
        return [party for party in candidates if self._due(party)]

    async def claim(self, receiver: PartyId, limit: int) -> Sequence[Attempt]:
        attempts = []
        for row in self._due(receiver)[:limit]:
            silent = row.state is DirectedState.IN_FLIGHT
            if silent and row.attempt_id:
                self._doubted.add(row.attempt_id)
            claimed = replace(
                row,
                state=DirectedState.IN_FLIGHT,
                attempt_id=uuid.uuid4(),
                lease_until=self.now + LEASE,
                next_attempt_at=None,
                unknown_outcomes=row.unknown_outcomes + silent,
            )
            await self._put(claimed)
            attempts.append(self._attempt(claimed))
        return attempts

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        return self.rows.get(key)

    async def page(self, module: str, reader: PartyId, page: PageRequest) -> Page:
        texts = tuple(row.body for row in self.rows.values() if row.receiver == reader)
        return Page(texts, len(texts), None)

    async def pulled(self, module: str, receiver: PartyId, serials: Sequence[int]) -> None:
        """Nothing waits to be pulled here."""

    async def reaches(self, key: ObjectKey, state: DirectedState) -> DirectedObject:
        """Wait until an object has a state."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: key in self.rows and self.rows[key].state is state)
        return self.rows[key]

    async def _put(self, row: DirectedObject) -> None:
        async with self._changed:
            self.rows[row.key] = row
            self._changed.notify_all()

    def _due(self, receiver: PartyId) -> list[DirectedObject]:
        return [
            row
            for row in self.rows.values()
            if row.receiver == receiver
            and row.state in (DirectedState.PENDING, DirectedState.IN_FLIGHT)
            and (at := row.lease_until or row.next_attempt_at) is not None
            and at <= self.now
        ]

    def _row(self, intake: Intake) -> DirectedObject:
        states = {Start.SEND: DirectedState.IN_FLIGHT, Start.HOLD: DirectedState.HELD}
        return DirectedObject(
            key=intake.key,
            serial=len(self.rows) + 1,
            receiver=intake.receiver,
            body=intake.body,
            fingerprint=intake.fingerprint,
            last_updated=intake.last_updated,
            correlation_id=intake.correlation_id,
            state=states.get(intake.start, DirectedState.PENDING),
            version=1,
            sent_version=0,
            attempt_id=intake.attempt_id,
            lease_until=self.now + LEASE if intake.start is Start.SEND else None,
            attempts=1,
            unknown_outcomes=0,
            next_attempt_at=(intake.batch_due_at or self.now)
            if intake.start is Start.WAIT
            else None,
            received_at=self.now,
            last_answer=None,
            receiver_location=None,
            reason=intake.reason,
            batch_due_at=intake.batch_due_at,
        )

    @staticmethod
    def _attempt(row: DirectedObject) -> Attempt:
        assert row.attempt_id is not None
        return Attempt(
            row.attempt_id, row.key, row.version, row.receiver, row.body, row.correlation_id
        )


def _settled(
    row: DirectedObject, report: AttemptReport, now: datetime, *, doubted: bool
) -> DirectedObject:
    if row.key.module == Module.SESSIONS:
        return settle_session(row, report, now, PATIENCE, 1.0, doubted=doubted, slow=LEASE)
    return settle(row, report, now, PATIENCE, 1.0, doubted=doubted)


def status_code(body: bytes) -> int:
    code = json.loads(body)["status_code"]
    assert isinstance(code, int)
    return code
