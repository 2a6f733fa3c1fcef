"""Several eMSPs concerned: equal uids at several owners, and tokens nobody has stored."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.exchange import Unreachable
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import PartyId, PlatformState, RelationMode, Role
from ocpi_hub.errors import OcpiError, ReceiverNotConnected, ReceiverTimeout, UnknownToken
from tests.unit.authorization.scene import (
    CPO,
    EMSP,
    OTHER,
    UNKNOWN,
    Outcome,
    Scene,
    Script,
    answers,
    code_answer,
    hangs,
    info_answer,
    make_message,
    make_platform,
    make_relation,
    make_scene,
    make_token,
    token_value,
)

OPEN = make_message(to=None)
NO = info_answer("NO_CREDIT")
OTHERS_YES = info_answer(token=token_value(OTHER))
BUDGET_MS = 1000


def two_emsps(one: Script, other: Script, **settings: object) -> Scene:
    """Two eMSPs; the token is unknown unless tokens are given."""
    return make_scene(
        make_platform(EMSP),
        make_platform(OTHER),
        scripts={EMSP: one, OTHER: other},
        authorize_budget_ms=BUDGET_MS,
        **settings,  # type: ignore[arg-type]  # passed through
    )


def code(outcome: Outcome) -> tuple[int, int]:
    if isinstance(outcome.reply, OcpiError):
        return outcome.reply.http_status, outcome.reply.status_code
    assert isinstance(outcome.reply, Reply), outcome.reply
    return outcome.reply.http_status, outcome.body["status_code"]


@pytest.mark.req("TK-11")
def test_the_first_allowed_wins_and_the_others_are_not_awaited() -> None:
    scene = two_emsps(hangs, answers(OTHERS_YES, after_s=0.1))
    outcome = scene.authorize(OPEN)
    assert isinstance(outcome.reply, Reply)
    assert (outcome.reply.body, outcome.reply.sender) == (OTHERS_YES.body, OTHER)
    assert outcome.took_s == pytest.approx(0.1)
    assert scene.emsps.cancelled == [EMSP]
    assert (scene.record.emsp, scene.record.decided_by) == (OTHER, DecidedBy.EMSP)
    outcomes = {leg.emsp: leg.outcome for leg in scene.record.legs}
    assert outcomes == {OTHER: "ALLOWED", EMSP: "cancelled"}


@pytest.mark.req("TK-11")
def test_a_no_waits_for_an_allowed_of_another_emsp() -> None:
    scene = two_emsps(answers(NO, after_s=0.01), answers(OTHERS_YES, after_s=0.5))
    assert scene.authorize(OPEN).data["allowed"] == "ALLOWED"


@pytest.mark.req("TK-07", "TK-11")
def test_when_all_say_unknown_the_answer_is_404_and_2004() -> None:
    scene = two_emsps(answers(UNKNOWN), answers(code_answer(2004)))
    outcome = scene.authorize(OPEN)
    assert isinstance(outcome.reply, UnknownToken)
    assert code(outcome) == (404, 2004)
    assert (scene.record.decided_by, scene.record.emsp) == (DecidedBy.EMSP, None)


@pytest.mark.req("TK-11")
def test_a_single_emsps_unknown_token_is_passed_on() -> None:
    scene = make_scene(scripts={EMSP: answers(UNKNOWN)})
    outcome = scene.authorize(OPEN)
    assert isinstance(outcome.reply, Reply)
    assert (outcome.reply.http_status, outcome.reply.body) == (404, UNKNOWN.body)


@pytest.mark.req("TK-11")
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("answer", [NO, code_answer(2002), code_answer(3000)])
def test_the_no_of_who_knows_more_is_passed_on(answer: object, first: bool) -> None:
    one, other = answers(UNKNOWN), answers(answer)  # type: ignore[arg-type]  # parametrized
    outcome = (two_emsps(other, one) if first else two_emsps(one, other)).authorize(OPEN)
    assert isinstance(outcome.reply, Reply)
    assert outcome.reply.body == answer.body  # type: ignore[attr-defined]  # parametrized


@pytest.mark.req("TK-11")
@pytest.mark.parametrize("answer", [UNKNOWN, NO])
@pytest.mark.parametrize("silence", [hangs, answers(Unreachable("refused"))])
def test_silence_of_one_that_was_asked_is_4002(answer: object, silence: Script) -> None:
    scene = two_emsps(answers(answer), silence)  # type: ignore[arg-type]  # parametrized
    outcome = scene.authorize(OPEN)
    assert isinstance(outcome.reply, ReceiverTimeout)
    assert outcome.took_s <= BUDGET_MS / 1000 + 0.05


def test_garbage_of_one_that_was_asked_is_4000() -> None:
    scene = two_emsps(answers(UNKNOWN), answers(info_answer(http_status=500)))
    assert code(scene.authorize(OPEN)) == (200, 4000)


@pytest.mark.req("TK-11")
def test_an_offline_emsp_is_not_asked_about_an_unknown_token() -> None:
    scene = make_scene(
        make_platform(EMSP),
        make_platform(OTHER, online=False),
        scripts={EMSP: answers(UNKNOWN)},
    )
    assert code(scene.authorize(OPEN)) == (404, 2004)
    assert scene.emsps.parties == [EMSP]


def test_an_unknown_token_is_4003_when_all_that_may_know_it_are_offline() -> None:
    scene = make_scene(make_platform(EMSP, online=False))
    assert isinstance(scene.authorize(OPEN).reply, ReceiverNotConnected)


def test_an_unknown_token_is_2004_when_nobody_can_know_it() -> None:
    scene = make_scene(
        make_platform(EMSP, offers=False),
        make_platform(OTHER, state=PlatformState.SUSPENDED),
        make_platform(PartyId("SE", "CPO"), Role.CPO),
        make_platform(PartyId("SE", "NSP"), Role.NSP),
        make_platform(PartyId("SE", "MSP")),
        relations=[make_relation(PartyId("SE", "MSP"), RelationMode.NONE)],
    )
    assert code(scene.authorize(OPEN)) == (404, 2004)
    assert scene.emsps.asked == []


def test_an_unknown_token_is_asked_about_in_whitelist_mode_too() -> None:
    scene = two_emsps(answers(info_answer()), answers(UNKNOWN), mode=RelationMode.WHITELIST)
    assert scene.authorize(OPEN).data["allowed"] == "ALLOWED"


def test_the_requesters_own_platform_is_not_asked() -> None:
    own = make_platform(CPO, Role.EMSP)
    scene = make_scene(own, make_platform(EMSP), scripts={EMSP: answers(UNKNOWN)})
    scene.authorize(OPEN)
    assert scene.emsps.parties == [EMSP]


@pytest.mark.parametrize("stored", [False, True])
def test_no_more_than_the_fanout_are_asked_and_the_others_may_know_the_token(stored: bool) -> None:
    parties = [PartyId("SE", f"E{number:02}") for number in range(5)]
    scene = make_scene(
        *map(make_platform, parties),
        scripts=dict.fromkeys(parties, answers(UNKNOWN)),
        tokens=[make_token(party, whitelist="NEVER") for party in parties] if stored else [],
        unknown_token_fanout=3,
    )
    with capture_logs() as logs:
        assert code(scene.authorize(OPEN)) == (200, 4002)
    assert sorted(scene.emsps.parties) == parties[:3]
    [cut] = [line for line in logs if line["event"] == "authorization_fanout_cut"]
    assert cut["left_out"] == 2
    assert scene.record.reason.startswith("not_asked:")


def test_an_allowed_within_the_fanout_is_the_answer() -> None:
    parties = [PartyId("SE", f"E{number:02}") for number in range(5)]
    scene = make_scene(
        *map(make_platform, parties),
        scripts=dict.fromkeys(parties, answers(UNKNOWN))
        | {parties[2]: answers(info_answer(token=token_value(parties[2])))},
        unknown_token_fanout=3,
    )
    assert scene.authorize(OPEN).data["allowed"] == "ALLOWED"


def test_each_emsp_has_the_budget_of_its_relation() -> None:
    scene = two_emsps(
        hangs, hangs, relations=[make_relation(OTHER, authorize_budget_ms=400)], tokens=[]
    )
    scene.authorize(OPEN)
    deadlines = {emsp: deadline_s for emsp, _, deadline_s in scene.emsps.asked}
    assert deadlines == {EMSP: pytest.approx(1.0), OTHER: pytest.approx(0.4)}


# Equal uids at several owners ---------------------------------------------------------------------


@pytest.mark.req("RT-37")
def test_all_owners_of_an_equal_uid_are_asked() -> None:
    scene = two_emsps(answers(NO), answers(OTHERS_YES), tokens=[make_token(), make_token(OTHER)])
    assert scene.authorize(OPEN).data["allowed"] == "ALLOWED"
    assert sorted(scene.emsps.parties) == [EMSP, OTHER]


def test_a_whitelisted_owner_decides_without_asking_the_others() -> None:
    scene = two_emsps(
        hangs,
        hangs,
        tokens=[make_token(), make_token(OTHER)],
        relations=[make_relation(OTHER, RelationMode.WHITELIST)],
    )
    assert scene.authorize(OPEN).data["token"]["country_code"] == "FR"
    assert scene.emsps.asked == []


def test_a_blocked_whitelisted_owner_does_not_stop_asking_the_others() -> None:
    scene = two_emsps(
        answers(info_answer()),
        hangs,
        tokens=[make_token(), make_token(OTHER, valid=False)],
        relations=[make_relation(OTHER, RelationMode.WHITELIST)],
    )
    assert scene.authorize(OPEN).data["allowed"] == "ALLOWED"


def test_an_emsps_own_word_comes_before_what_is_stored_of_a_silent_one() -> None:
    scene = two_emsps(
        answers(Unreachable("refused")),
        answers(OTHERS_YES, after_s=0.5),
        tokens=[make_token(), make_token(OTHER)],
    )
    outcome = scene.authorize(OPEN)
    assert isinstance(outcome.reply, Reply)
    assert outcome.reply.sender == OTHER


def test_the_stored_token_of_a_silent_owner_comes_before_anothers_no() -> None:
    scene = two_emsps(hangs, answers(NO), tokens=[make_token(), make_token(OTHER)])
    outcome = scene.authorize(OPEN)
    assert outcome.data["allowed"] == "ALLOWED"
    assert outcome.took_s <= BUDGET_MS / 1000
    assert (scene.record.emsp, scene.record.decided_by) == (EMSP, DecidedBy.HUB_FALLBACK)


def test_an_unreachable_owner_without_fallback_is_4003() -> None:
    scene = two_emsps(
        answers(Unreachable("refused")),
        answers(UNKNOWN),
        tokens=[make_token(whitelist="NEVER"), make_token(OTHER)],
    )
    assert code(scene.authorize(OPEN)) == (200, 4003)
