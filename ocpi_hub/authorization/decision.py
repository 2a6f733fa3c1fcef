"""The decision about an authorization: what to do before asking, and what to answer after. Pure.

What one eMSP comes to stands in `table.py`. When several are concerned, the first ALLOWED wins;
without one, an eMSP that stayed silent (it might have said ALLOWED) outranks the others' no.
docs/authorization.md tells the whole rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.authorization.answer import Answered, Failed, Failure
from ocpi_hub.authorization.candidates import Candidate, Refuse
from ocpi_hub.authorization.protocols import DecidedBy, KnownToken
from ocpi_hub.authorization.table import ERRORS, KINDS, RULE_OF, Kind, NoFallback, Rule, by_list
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import ReceiverNotConnected, ReceiverTimeout, UnknownToken
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType


@value
class AnswerFromStore:
    """The hub decides by a stored token: ALLOWED or BLOCKED."""

    candidate: Candidate
    token: KnownToken
    decided_by: DecidedBy
    reason: str

    @property
    def allowed(self) -> AllowedType:
        return AllowedType.ALLOWED if self.token.valid else AllowedType.BLOCKED


@value
class Silent:
    """No answer from this eMSP, and no stored token to stand in for it."""

    candidate: Candidate
    failed: Failed
    why: NoFallback

    @property
    def reason(self) -> str:
        return f"{self.failed.failure}:{self.why}"


@value
class PassOn:
    """An eMSP's answer is the answer."""

    candidate: Candidate
    answered: Answered


@value
class ToAsk:
    """This eMSP is asked.

    Attributes:
        fallback: its stored token may stand in if no answer comes.
    """

    candidate: Candidate
    fallback: bool


Settled = AnswerFromStore | PassOn | Silent
"""What one eMSP came to."""
Final = AnswerFromStore | PassOn | Refuse
"""What the authorization came to."""


@value
class Plan:
    """eMSPs to ask, and what the others came to.

    Attributes:
        left_out: those that are not asked because too many would be.
        first: the first to ask is the likely owner of the token.
    """

    ask: tuple[ToAsk, ...]
    settled: tuple[AnswerFromStore | Silent, ...]
    left_out: int = 0
    first: bool = False

    @property
    def may_end_in_store(self) -> bool:
        """Whether the hub may have to decide itself after asking."""
        for each in self.ask:
            if each.fallback:
                return True
        return any(map(says_yes, self.settled))


def plan(candidates: Sequence[Candidate], *, most: int, likely: PartyId | None = None) -> Plan:
    """Whom to ask. An ALLOWED that is known already saves asking anybody.

    Args:
        most: how many are asked. The others count as silent: any of them may be the one that knows.
        likely: whom to ask first.
    """
    if len(candidates) == 1 and likely is None and most:
        step = first_step(candidates[0])
        return Plan((step,), ()) if isinstance(step, ToAsk) else Plan((), (step,))
    steps = [first_step(candidate) for candidate in candidates]
    settled = tuple([step for step in steps if not isinstance(step, ToAsk)])
    if any(map(is_final, settled)):
        return Plan((), settled)
    ask = [step for step in steps if isinstance(step, ToAsk)]
    first = False
    if likely is not None:
        ask.sort(key=lambda step: step.candidate.emsp != likely)
        first = bool(ask) and ask[0].candidate.emsp == likely
    if len(ask) <= most:
        return Plan(tuple(ask), settled, first=first)
    detail = f"More than {most} parties may know this token, and not all were asked"
    left_out = tuple(
        _without(each.candidate, Failed(Failure.NOT_ASKED, detail)) for each in ask[most:]
    )
    return Plan(tuple(ask[:most]), settled + left_out, len(left_out), first)


def first_step(candidate: Candidate) -> ToAsk | AnswerFromStore | Silent:
    """What one eMSP comes to before anybody was asked."""
    token, rule = candidate.token, _rule(candidate)
    if token is not None and rule.listed is not None:
        return AnswerFromStore(candidate, token, DecidedBy.HUB_WHITELIST, rule.listed)
    if not candidate.online:
        return _without(candidate, Failed(Failure.OFFLINE, f"{candidate.emsp} is OFFLINE"))
    if not candidate.offers:
        detail = f"{candidate.emsp}'s platform offers no tokens SENDER"
        return _without(candidate, Failed(Failure.NO_INTERFACE, detail))
    return ToAsk(candidate, fallback=rule.without is None)


def settle(candidate: Candidate, result: Answered | Failed) -> Settled:
    """What one eMSP comes to after it was asked."""
    match result:
        case Answered():
            return PassOn(candidate, result)
        case Failed():
            return _without(candidate, result)


def _without(candidate: Candidate, failed: Failed) -> AnswerFromStore | Silent:
    """What one eMSP comes to without an answer."""
    token = candidate.token
    why = NoFallback.DENIED if failed.denied else _rule(candidate).without
    if why is not None or token is None:
        return Silent(candidate, failed, why or NoFallback.UNKNOWN_TOKEN)
    return AnswerFromStore(candidate, token, DecidedBy.HUB_FALLBACK, failed.failure.value)


def says_yes(settled: Settled) -> bool:
    """Whether this is an ALLOWED, which needs no further answer."""
    match settled:
        case PassOn(answered=answered):
            return answered.says_yes
        case AnswerFromStore(token=token):
            return token.valid
        case Silent():
            return False


def is_final(settled: Settled) -> bool:
    """Whether this ends the asking: an ALLOWED that does not rest on somebody's silence."""
    fallback = isinstance(settled, AnswerFromStore) and (
        settled.decided_by is DecidedBy.HUB_FALLBACK
    )
    return says_yes(settled) and not fallback


def conclude(settled: Sequence[Settled], *, searching: bool = False) -> Final:
    """The answer, once every eMSP concerned has come to something or one said ALLOWED.

    Args:
        settled: at least one, in the order in which they came.
        searching: nobody knew whose token it is; then any silence is 4002, because the one that
            stayed silent may be the one that knows.
    """
    if len(settled) == 1 and not isinstance(settled[0], Silent):
        return settled[0]
    decided = [each for each in settled if not isinstance(each, Silent)]
    # An eMSP's own word counts more than what the hub remembers of another one.
    yes = sorted(filter(says_yes, decided), key=lambda each: not isinstance(each, PassOn))
    if yes:
        return yes[0]
    silent = [each for each in settled if isinstance(each, Silent)]
    if silent:
        emsp = silent[0].candidate.emsp if len(settled) == 1 else None
        return _silence(silent, emsp, searching=searching)
    return _best_no(decided)


def _rule(candidate: Candidate) -> Rule:
    """The row of the table that an eMSP is judged by."""
    token, terms = candidate.token, candidate.terms
    if token is None:
        return RULE_OF[terms.mode, Kind.UNKNOWN, False, terms.fallback]
    kind = KINDS.get(token.whitelist, Kind.NEVER)
    listed = by_list(terms.mode, kind)
    max_age_s = terms.whitelist_max_age_s if listed else terms.fallback_max_age_s
    fresh = token.knowledge_age_s is not None and token.knowledge_age_s < max_age_s
    return RULE_OF[terms.mode, kind, fresh, terms.fallback]


def _silence(silent: Sequence[Silent], emsp: PartyId | None, *, searching: bool) -> Refuse:
    """The error for silence: a timeout before no connection before nothing usable."""
    first = min(silent, key=lambda each: _SILENCE_RANK[each.failed.failure])
    error = ERRORS[first.failed.failure](first.failed.detail)
    if searching and isinstance(error, ReceiverNotConnected):
        error = ReceiverTimeout(error.message)
    return Refuse(error, first.reason, emsp)


_SILENCE_RANK = {
    Failure.TIMEOUT: 0,
    Failure.NOT_ASKED: 1,
    Failure.UNREACHABLE: 2,
    Failure.OFFLINE: 3,
    Failure.UNUSABLE: 4,
    Failure.NO_INTERFACE: 5,
}


def _best_no(settled: Sequence[PassOn | AnswerFromStore]) -> Final:
    """The no that says most; among equals the first."""
    best = min(settled, key=_no_rank)
    if len(settled) > 1 and isinstance(best, PassOn) and best.answered.says_unknown:
        return Refuse(UnknownToken(), "unknown_token", decided_by=DecidedBy.EMSP)
    return best


def _no_rank(settled: PassOn | AnswerFromStore) -> int:
    if isinstance(settled, AnswerFromStore):
        return 1
    answered = settled.answered
    if answered.allowed is not None:
        return 0
    if answered.says_unknown:
        return 4
    return 2 if answered.status_code == StatusCode.NOT_ENOUGH_INFORMATION else 3
