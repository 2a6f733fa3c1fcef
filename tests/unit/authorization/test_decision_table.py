"""The whole space of one eMSP's decisions, against a plain reading of the rules."""

from __future__ import annotations

from itertools import product

import pytest

from ocpi_hub.authorization.answer import Answered, Failed, Failure
from ocpi_hub.authorization.candidates import Candidate, Refuse, Terms
from ocpi_hub.authorization.decision import (
    AnswerFromStore,
    Final,
    PassOn,
    conclude,
    plan,
    settle,
)
from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.party import Fallback, RelationMode
from tests.unit.authorization.scene import (
    EMSP,
    UNKNOWN,
    code_answer,
    info_answer,
    make_platform,
    make_token,
)

MODES = (RelationMode.REALTIME, RelationMode.WHITELIST)
WHITELISTS = ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER", "SOMETHING_NEW", "")
AGES = (None, 0.0, 99.0, 100.0, 150.0, 200.0, 1e9)
WHITELIST_MAX_AGE_S = 100
FALLBACK_MAX_AGE_S = 200

OUTCOMES: dict[str, Answered | Failed] = {
    "allowed": Answered(info_answer(), 1000, "ALLOWED"),
    "blocked": Answered(info_answer("BLOCKED"), 1000, "BLOCKED"),
    "unknown": Answered(UNKNOWN, 2004, None),
    "too_little": Answered(code_answer(2002), 2002, None),
    "server_error": Answered(code_answer(3000), 3000, None),
    "timeout": Failed(Failure.TIMEOUT, "no answer"),
    "unreachable": Failed(Failure.UNREACHABLE, "refused"),
    "unusable": Failed(Failure.UNUSABLE, "garbage"),
    "broken_no": Failed(Failure.UNUSABLE, "a broken no", denied=True),
}
CODES = {
    "timeout": 4002,
    "unreachable": 4003,
    "offline": 4003,
    "unusable": 4000,
    "broken_no": 4000,
    "no_interface": 4000,
}


def make_candidate(
    *,
    mode: RelationMode = RelationMode.REALTIME,
    fallback: Fallback = Fallback.HUB,
    whitelist: str | None = "ALLOWED",
    valid: bool = True,
    age_s: float | None = 10.0,
    online: bool = True,
    offers: bool = True,
) -> Candidate:
    """`whitelist=None`: the token is unknown."""
    return Candidate(
        emsp=EMSP,
        platform=make_platform(EMSP, online=online, offers=offers),
        terms=Terms(mode, fallback, 3000, WHITELIST_MAX_AGE_S, FALLBACK_MAX_AGE_S),
        online=online,
        offers=offers,
        token=None
        if whitelist is None
        else make_token(valid=valid, whitelist=whitelist, age_s=age_s),
    )


def decide(candidate: Candidate, outcome: str) -> tuple[bool, Final]:
    """Whether the eMSP is asked, and the decision."""
    planned = plan([candidate], most=20)
    asked = [settle(each.candidate, OUTCOMES[outcome]) for each in planned.ask]
    return bool(planned.ask), conclude([*asked, *planned.settled])


def verdict(final: Final) -> str:
    match final:
        case PassOn():
            return "emsp's answer"
        case AnswerFromStore(decided_by=decided_by):
            return f"{decided_by} {final.allowed}"
        case Refuse(error=error):
            return str(error.status_code)


def oracle(
    mode: RelationMode,
    fallback: Fallback,
    whitelist: str | None,
    valid: bool,
    age_s: float | None,
    online: bool,
    offers: bool,
    outcome: str,
) -> tuple[bool, str]:
    """The rules as prose tells them, without any structure."""
    stored = "ALLOWED" if valid else "BLOCKED"
    kept = whitelist in ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE")
    age = float("inf") if age_s is None else age_s
    by_list = kept and (mode is RelationMode.WHITELIST or whitelist == "ALWAYS")
    if by_list and age < WHITELIST_MAX_AGE_S:
        return False, f"hub_whitelist {stored}"
    asked = online and offers
    if not online:
        outcome = "offline"
    elif not offers:
        outcome = "no_interface"
    if outcome not in CODES:
        return asked, "emsp's answer"
    may_fall_back = kept and not by_list and fallback is Fallback.HUB
    if may_fall_back and age < FALLBACK_MAX_AGE_S and outcome != "broken_no":
        return asked, f"hub_fallback {stored}"
    return asked, str(CODES[outcome])


@pytest.mark.req("TK-06", "TK-08", "TK-10", "TK-12", "TK-13")
def test_every_combination_is_decided_as_the_rules_say() -> None:
    space = product(
        MODES,
        Fallback,
        (*WHITELISTS, None),
        (True, False),
        AGES,
        (True, False),
        (True, False),
        OUTCOMES,
    )
    seen = 0
    for mode, fallback, whitelist, valid, age_s, online, offers, outcome in space:
        candidate = make_candidate(
            mode=mode,
            fallback=fallback,
            whitelist=whitelist,
            valid=valid,
            age_s=age_s,
            online=online,
            offers=offers,
        )
        asked, final = decide(candidate, outcome)
        expected = oracle(mode, fallback, whitelist, valid, age_s, online, offers, outcome)
        assert (asked, verdict(final)) == expected, (candidate, outcome)
        seen += 1
    assert seen == 2 * 2 * 7 * 2 * 7 * 2 * 2 * 9


@pytest.mark.req("TK-10")
@pytest.mark.parametrize("outcome", [*CODES, *(name for name in OUTCOMES if name not in CODES)])
def test_without_an_answer_the_hub_never_invents_a_no(outcome: str) -> None:
    """BLOCKED comes from a stored token that is not valid, from nothing else."""
    for mode, whitelist, age_s in product(MODES, (*WHITELISTS, None), AGES):
        candidate = make_candidate(mode=mode, whitelist=whitelist, age_s=age_s, valid=True)
        if outcome in OUTCOMES:
            _, final = decide(candidate, outcome)
            assert not isinstance(final, AnswerFromStore) or final.allowed == "ALLOWED"


def test_reasons_name_the_silence_and_why_the_token_does_not_stand_in() -> None:
    def reason(outcome: str = "timeout", **overrides: object) -> str:
        _, final = decide(make_candidate(**overrides), outcome)  # type: ignore[arg-type]  # a test
        assert isinstance(final, Refuse | AnswerFromStore)
        return final.reason

    assert reason() == "timeout"
    assert reason(online=False) == "offline"
    assert reason("unusable") == "unusable"
    assert reason(mode=RelationMode.WHITELIST) == "whitelist"
    assert reason(whitelist="ALWAYS") == "always"
    assert reason(whitelist=None) == "timeout:unknown_token"
    assert reason("unreachable", whitelist="NEVER") == "unreachable:never"
    assert reason(age_s=200.0) == "timeout:too_old"
    assert reason(fallback=Fallback.CPO) == "timeout:fallback_cpo"
    assert reason("broken_no") == "unusable:denied"
    assert reason(offers=False, whitelist="NEVER") == "no_interface:never"
    assert reason(mode=RelationMode.WHITELIST, age_s=100.0) == "timeout:too_old"


def test_a_decision_by_the_stored_token_says_who_decided() -> None:
    _, by_list = decide(make_candidate(mode=RelationMode.WHITELIST), "timeout")
    _, by_fallback = decide(make_candidate(), "timeout")
    assert isinstance(by_list, AnswerFromStore)
    assert isinstance(by_fallback, AnswerFromStore)
    assert by_list.decided_by is DecidedBy.HUB_WHITELIST
    assert by_fallback.decided_by is DecidedBy.HUB_FALLBACK
