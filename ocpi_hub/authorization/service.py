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
from functools import partial

from ocpi_hub.authorization.asking import Inquirer
from ocpi_hub.authorization.candidates import Addressed, Candidate, Refuse, owners, strangers
from ocpi_hub.authorization.circuits import Circuits
from ocpi_hub.authorization.decision import Final, PassOn, Settled, conclude, plan
from ocpi_hub.authorization.evidence import Case, Recorder
from ocpi_hub.authorization.hints import OwnerHints
from ocpi_hub.authorization.protocols import Asker, EvidenceSink, KnownToken, LegRecord, TokenLookup
from ocpi_hub.authorization.reply import Request, new_reference, read_request, reply_of
from ocpi_hub.clock import Clock
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.errors import Overloaded, StoreError
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOOK_UP_SHARE = 0.25
"""Part of the budget that a look-up may take; a database that is slower counts as away."""


class Authorizer:
    """Decides authorizations (design section 4).

    Args:
        circuits: platforms that are not to be asked now.
        mask: makes a uid unrecognizable for logs: a keyed HMAC.
    """

    def __init__(
        self,
        asker: Asker,
        tokens: TokenLookup,
        evidence: EvidenceSink,
        circuits: Circuits,
        *,
        settings: Settings,
        clock: Clock,
        mask: Callable[[str], str],
    ) -> None:
        self._tokens = tokens
        self._circuits = circuits
        self._inquirer = Inquirer(asker, circuits, settings=settings, clock=clock)
        self._hints = OwnerHints(clock, keep_s=settings.owner_hint_s)
        self._recorder = Recorder(evidence, settings=settings, clock=clock, mask=mask)
        self._settings = settings
        self._max_depth = settings.max_json_depth
        self._fanout = settings.unknown_token_fanout
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
        request = read_request(message, max_depth=self._max_depth)
        candidates, searching = await self._candidates(request, directory, received_at)
        legs: Sequence[LegRecord] = ()
        case = Case(request, received_at)
        if isinstance(candidates, Refuse):
            final: Final = candidates
        else:
            likely = self._hints.owner(request.asked) if searching else None
            planned = plan(candidates, most=self._fanout, likely=likely)
            if planned.left_out:
                log.warning("authorization_fanout_cut", left_out=planned.left_out)
            settled: Sequence[Settled] = planned.settled
            if planned.ask:
                late = partial(self._recorder.late, case)
                told, legs = await self._inquirer.ask(planned, request, received_at, late)
                settled = [*told, *settled]
            final = conclude(settled, searching=searching)
            if searching:
                self._remember(final, request)
        reference = new_reference(final)
        await self._recorder.record(final, case, reference, legs)
        return reply_of(final, request, reference)

    def _remember(self, final: Final, request: Request) -> None:
        """Whose token it was, for the next time."""
        if isinstance(final, PassOn) and final.answered.allowed is not None:
            self._hints.note(request.asked, final.candidate.emsp)

    # Who decides ---------------------------------------------------------------------------------

    async def _candidates(
        self, request: Request, directory: Directory, received_at: float
    ) -> tuple[Sequence[Candidate] | Refuse, bool]:
        """The eMSPs concerned; and whether nobody knows whose token it is."""
        message, settings = request.message, self._settings
        cpo = message.sender
        to = None if message.to == directory.hub else message.to
        away = self._circuits.away
        named = self._addressed.find(cpo, to, directory, away) if to else None
        if isinstance(named, Refuse):
            return named, False
        budget_ms = named.terms.budget_ms if named else settings.authorize_budget_ms
        asked = request.asked
        tokens = self._tokens.known(asked.uid, asked.token_type, cpo)
        if tokens is None:
            tokens = await self._look_up(request, budget_ms, received_at)
        if named is not None:
            return (named.holding(tokens or ()),), False
        away = self._circuits.away
        if tokens:
            return owners(cpo, tokens, directory, settings, away), False
        answered = tokens is not None
        found = strangers(cpo, message.platform, directory, settings, away, store_answered=answered)
        return found, True

    async def _look_up(
        self, request: Request, budget_ms: int, received_at: float
    ) -> Sequence[KnownToken] | None:
        """Stored tokens; None when the database does not answer in time.

        The token then counts as unknown, so that real time goes on without the database.
        """
        asked = request.asked
        limit_s = self._inquirer.remaining_s(budget_ms, received_at) * LOOK_UP_SHARE
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
