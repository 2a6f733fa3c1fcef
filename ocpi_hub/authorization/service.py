"""Authorization: find out who decides, ask within the budget, record the decision.

The rules are pure and live in `candidates.py`, `answer.py` and `decision.py`; here is what takes
time. The stored token is looked up before anybody is asked, because an ALWAYS token must not be
asked about and because the look-up brings along what the fallback needs: once asking has begun,
no decision depends on the database.

Spec: 2.2.1 mod_tokens_real-time_authorization, mod_tokens_post_method.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ocpi_hub.authorization.answer import Answered, Failed, Failure, read_answer
from ocpi_hub.authorization.candidates import Addressed, Candidate, Refuse, owners, strangers
from ocpi_hub.authorization.decision import (
    Final,
    Plan,
    Settled,
    ToAsk,
    conclude,
    is_final,
    plan,
    settle,
)
from ocpi_hub.authorization.evidence import Recorder
from ocpi_hub.authorization.protocols import Asker, EvidenceSink, KnownToken, LegRecord, TokenLookup
from ocpi_hub.authorization.reply import Request, new_reference, read_request, reply_of
from ocpi_hub.clock import Clock
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.errors import HubRoutingError, Overloaded, ReceiverNotConnected, StoreError
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOOK_UP_SHARE = 0.25
"""Part of the budget that a look-up may take; a database that is slower counts as away."""
RESERVED_SHARE = 0.1
"""Part of the budget, at most, kept for recording a decision that the hub makes itself."""


class Authorizer:
    """Decides authorizations (design section 4).

    Args:
        mask: makes a uid unrecognizable for logs: a keyed HMAC.
    """

    def __init__(
        self,
        asker: Asker,
        tokens: TokenLookup,
        evidence: EvidenceSink,
        *,
        settings: Settings,
        clock: Clock,
        mask: Callable[[str], str],
    ) -> None:
        self._asker = asker
        self._tokens = tokens
        self._recorder = Recorder(evidence, settings=settings, clock=clock, mask=mask)
        self._settings = settings
        self._clock = clock
        self._addressed = Addressed(settings)

    async def authorize(
        self, message: Message, directory: Directory, *, received_at: float
    ) -> Reply:
        """Decide about `POST {uid}/authorize?type=`; the sender may call the tokens SENDER.

        Args:
            received_at: monotonic seconds when the request's head arrived; the budget counts
                from there.

        Raises:
            OcpiError: a malformed body, or why nobody decided.
        """
        request = read_request(message, max_depth=self._settings.max_json_depth)
        candidates, searching = await self._candidates(request, directory, received_at)
        legs: list[LegRecord] = []
        if isinstance(candidates, Refuse):
            final: Final = candidates
        else:
            planned = plan(candidates, most=self._settings.unknown_token_fanout)
            if planned.left_out:
                log.warning("authorization_fanout_cut", left_out=planned.left_out)
            settled, legs = await self._ask_all(planned, request, received_at)
            final = conclude([*settled, *planned.settled], searching=searching)
        reference = new_reference(final)
        await self._recorder.record(final, request, reference, legs, received_at=received_at)
        return reply_of(final, request, reference)

    # Who decides ---------------------------------------------------------------------------------

    async def _candidates(
        self, request: Request, directory: Directory, received_at: float
    ) -> tuple[Sequence[Candidate] | Refuse, bool]:
        """The eMSPs concerned; and whether nobody knows whose token it is."""
        message, settings = request.message, self._settings
        cpo = message.sender
        to = None if message.to == directory.hub else message.to
        named = self._addressed.find(cpo, to, directory) if to else None
        if isinstance(named, Refuse):
            return named, False
        budget_ms = named.terms.budget_ms if named else settings.authorize_budget_ms
        tokens = await self._look_up(request, budget_ms, received_at)
        if named is not None:
            return (named.holding(tokens or ()),), False
        if tokens:
            return owners(cpo, tokens, directory, settings), False
        answered = tokens is not None
        found = strangers(cpo, message.platform, directory, settings, store_answered=answered)
        return found, True

    async def _look_up(
        self, request: Request, budget_ms: int, received_at: float
    ) -> Sequence[KnownToken] | None:
        """Stored tokens; None when the database does not answer in time.

        The token then counts as unknown, so that real time goes on without the database.
        """
        asked = request.asked
        limit_s = self._remaining_s(budget_ms, received_at) * LOOK_UP_SHARE
        try:
            looking = self._tokens.find(asked.uid, asked.token_type, request.message.sender)
            if not looking.done():
                await asyncio.wait({looking}, timeout=max(limit_s, 0))
            if looking.done():
                return looking.result()
            log.warning("token_lookup_failed", reason="the database is slow")
        except (StoreError, Overloaded) as error:
            log.warning("token_lookup_failed", reason=str(error))
        return None

    # Asking --------------------------------------------------------------------------------------

    async def _ask_all(
        self, planned: Plan, request: Request, received_at: float
    ) -> tuple[list[Settled], list[LegRecord]]:
        """Ask all at once, until one answers ALLOWED; the results in the order of the answers."""
        reserved = planned.may_end_in_store
        if not planned.ask:
            return [], []
        if len(planned.ask) == 1:
            settled, leg = await self._ask(planned.ask[0], request, received_at, reserved=reserved)
            return [settled], [leg]
        found: list[Settled] = []
        legs: list[LegRecord] = []
        started = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            waiting = {
                group.create_task(self._ask(each, request, received_at, reserved=reserved)): each
                for each in planned.ask
            }
            while waiting and not any(map(is_final, found)):
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del waiting[task]
                    settled, leg = task.result()
                    found.append(settled)
                    legs.append(leg)
            for task, each in waiting.items():
                task.cancel()
                legs.append(self._leg(each.candidate, started, "cancelled"))
        return found, legs

    async def _ask(
        self, target: ToAsk, request: Request, received_at: float, *, reserved: bool
    ) -> tuple[Settled, LegRecord]:
        """Ask one eMSP.

        Args:
            reserved: end a little before the budget does, because the hub may have to decide.
        """
        candidate = target.candidate
        started = self._clock.monotonic()
        limit_s = self._remaining_s(candidate.terms.budget_ms, received_at)
        if reserved:
            share_s = candidate.terms.budget_ms / 1000 * RESERVED_SHARE
            limit_s -= min(self._settings.evidence_wait_ms / 1000, share_s)
        if limit_s > 0:
            result = await self._exchange(candidate, request, limit_s)
        else:
            result = _too_late(candidate)
        return settle(candidate, result), self._leg(candidate, started, result.outcome)

    async def _exchange(
        self, candidate: Candidate, request: Request, limit_s: float
    ) -> Answered | Failed:
        emsp = candidate.emsp
        try:
            exchange = await self._asker.ask(
                emsp, candidate.platform, request.message, deadline_s=limit_s
            )
        except ReceiverNotConnected as error:
            return Failed(Failure.UNREACHABLE, error.message)
        except HubRoutingError as error:
            return Failed(Failure.NO_INTERFACE, error.message)
        return read_answer(exchange, request.asked, emsp)

    def _leg(self, candidate: Candidate, started: float, outcome: str) -> LegRecord:
        ms = (self._clock.monotonic() - started) * 1000
        return LegRecord(candidate.emsp, round(ms, 3), outcome)

    def _remaining_s(self, budget_ms: int, received_at: float) -> float:
        return received_at + budget_ms / 1000 - self._clock.monotonic()


def _too_late(candidate: Candidate) -> Failed:
    return Failed(Failure.TIMEOUT, f"{candidate.emsp} did not answer in time")
