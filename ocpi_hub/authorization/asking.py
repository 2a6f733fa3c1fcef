"""Asking eMSPs: all at once, or the likely owner a little before the others.

Who stays silent until its time is over is not waited for; what it says after all is told to the
case, for the evidence. Platforms with an open circuit are not asked (`circuits.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from ocpi_hub.authorization.answer import Answered, Failed, Failure, read_answer
from ocpi_hub.authorization.candidates import Candidate
from ocpi_hub.authorization.circuits import Circuits, answered
from ocpi_hub.authorization.decision import Plan, Settled, ToAsk, is_final, settle
from ocpi_hub.authorization.protocols import Asker, LateAnswer, LegRecord
from ocpi_hub.authorization.reply import Request
from ocpi_hub.clock import Clock
from ocpi_hub.domain.exchange import Answer
from ocpi_hub.errors import HubRoutingError, ReceiverNotConnected
from ocpi_hub.settings import Settings

RESERVED_SHARE = 0.1
"""Part of the budget, at most, kept for recording a decision that the hub makes itself."""
HEAD_START_SHARE = 0.25
HEAD_START_S = 0.5
"""How long the likely owner is asked alone: a part of the budget, and seconds, at most."""
PATIENT_SHARE = 0.5
"""Part of the hub's own budget that a platform must have had for its silence to count."""

Told = tuple[Sequence[Settled], Sequence[LegRecord]]
"""What those who were asked came to, and how long that took."""
Late = Callable[[LateAnswer], None]
"""Takes what comes too late."""


class Inquirer:
    """Asks eMSPs about a token.

    Attributes:
        patient_s: what a platform must have had for its silence to count.
    """

    def __init__(
        self, asker: Asker, circuits: Circuits, *, settings: Settings, clock: Clock
    ) -> None:
        self.asker = asker
        self.circuits = circuits
        self._clock = clock
        self._evidence_wait_s = settings.evidence_wait_ms / 1000
        self.patient_s = settings.authorize_budget_ms / 1000 * PATIENT_SHARE

    def ask(
        self, planned: Plan, request: Request, received_at: float, late: Late
    ) -> Awaitable[Told]:
        """Ask until one answers ALLOWED; the results in the order of the answers.

        Args:
            planned: with somebody to ask.
            received_at: monotonic seconds from which the budgets count.
        """
        inquiry = _Inquiry(self, request, received_at, late, reserved=planned.may_end_in_store)
        if len(planned.ask) == 1:
            return inquiry.ask(planned.ask[0])
        if planned.first:
            return inquiry.ask_many(planned.ask[:1], planned.ask[1:])
        return inquiry.ask_many(planned.ask, ())

    def remaining_s(self, budget_ms: int, received_at: float) -> float:
        return received_at + budget_ms / 1000 - self._clock.monotonic()

    def limit_s(self, candidate: Candidate, received_at: float, *, reserved: bool) -> float:
        """Seconds that an eMSP has.

        Args:
            reserved: end a little before the budget does, because the hub may have to decide.
        """
        budget_ms = candidate.terms.budget_ms
        limit_s = self.remaining_s(budget_ms, received_at)
        if reserved:
            limit_s -= min(self._evidence_wait_s, budget_ms / 1000 * RESERVED_SHARE)
        return limit_s

    def leg(self, candidate: Candidate, started: float, outcome: str) -> LegRecord:
        return LegRecord(candidate.emsp, self.ms_since(started), outcome)

    def ms_since(self, started: float) -> float:
        return round((self._clock.monotonic() - started) * 1000, 3)

    def now(self) -> float:
        return self._clock.monotonic()


class _Inquiry:
    """The questions about one token."""

    __slots__ = ("_inquirer", "_late", "_received_at", "_request", "_reserved")

    def __init__(
        self,
        inquirer: Inquirer,
        request: Request,
        received_at: float,
        late: Late,
        *,
        reserved: bool,
    ) -> None:
        self._inquirer = inquirer
        self._request = request
        self._received_at = received_at
        self._late = late
        self._reserved = reserved

    async def ask(self, target: ToAsk) -> Told:
        """Ask one eMSP, whose circuit hears how it ended."""
        candidate, inquirer = target.candidate, self._inquirer
        emsp, platform, circuits = candidate.emsp, candidate.platform, inquirer.circuits
        started = inquirer.now()
        limit_s = inquirer.limit_s(candidate, self._received_at, reserved=self._reserved)
        result: Answered | Failed
        if limit_s <= 0:
            result = Failed(Failure.TIMEOUT, f"{emsp} did not answer in time")
        elif not circuits.admit(platform.platform_id):
            result = Failed(Failure.OFFLINE, f"{emsp} is OFFLINE")
        else:
            told: bool | None = None
            try:
                exchange = await inquirer.asker.ask(
                    emsp,
                    platform,
                    self._request.message,
                    deadline_s=limit_s,
                    late=partial(self._too_late, candidate, started),
                )
                told = answered(exchange, patient=limit_s >= inquirer.patient_s)
                result = read_answer(exchange, self._request.asked, emsp)
            except ReceiverNotConnected as error:
                result = Failed(Failure.UNREACHABLE, error.message)
            except HubRoutingError as error:
                result = Failed(Failure.NO_INTERFACE, error.message)
            finally:
                circuits.ended(platform.platform_id, told)
        return (settle(candidate, result),), (inquirer.leg(candidate, started, result.outcome),)

    def _too_late(self, candidate: Candidate, started: float, answer: Answer) -> None:
        said = read_answer(answer, self._request.asked, candidate.emsp)
        self._late(LateAnswer(candidate.emsp, self._inquirer.ms_since(started), said.outcome))

    async def ask_many(self, first: Sequence[ToAsk], rest: Sequence[ToAsk]) -> Told:
        """Ask several, until one answers ALLOWED.

        Args:
            rest: asked when those before have said no, or have had their head start.
        """
        found: list[Settled] = []
        legs: list[LegRecord] = []
        started = self._inquirer.now()
        async with asyncio.TaskGroup() as group:
            waiting = {group.create_task(self.ask(each)): each for each in first}
            while waiting and not any(map(is_final, found)):
                head_start_s = self._head_start_s(first[0]) if rest else None
                done, _ = await asyncio.wait(
                    waiting, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del waiting[task]
                    settled, ended = task.result()
                    found += settled
                    legs += ended
                if not any(map(is_final, found)):
                    waiting |= {group.create_task(self.ask(each)): each for each in rest}
                    rest = ()
            for task, each in waiting.items():
                task.cancel()
                legs.append(self._inquirer.leg(each.candidate, started, "cancelled"))
        return found, legs

    def _head_start_s(self, target: ToAsk) -> float:
        terms = target.candidate.terms
        return min(HEAD_START_S, terms.budget_ms / 1000 * HEAD_START_SHARE)
