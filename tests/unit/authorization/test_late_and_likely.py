"""What comes too late is on record, and whoever knew a token is asked first."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_hub.authorization.answer import Asked
from ocpi_hub.authorization.asking import HEAD_START_S
from ocpi_hub.authorization.hints import MOST, OwnerHints
from ocpi_hub.domain.exchange import Answer
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import Overloaded
from tests.support.directory import ManualClock
from tests.unit.authorization.scene import (
    EMSP,
    OTHER,
    UNKNOWN,
    Scene,
    answers,
    code_answer,
    hangs,
    in_virtual_time,
    info_answer,
    make_message,
    make_platform,
    make_relation,
    make_scene,
    make_token,
    token_value,
)

THIRD = PartyId("PL", "MSP")
ANYWHERE = make_message(to=None)


def yes(owner: PartyId) -> Answer:
    return info_answer(token=token_value(owner))


def told_late(scene: Scene, emsp: PartyId, answer: Answer) -> None:
    """The eMSP answers after all."""
    late = scene.emsps.late[emsp]
    assert late is not None

    async def then() -> None:
        late(answer)

    in_virtual_time(then())


# Late answers -------------------------------------------------------------------------------------


def test_a_late_answer_is_on_record_with_its_decision() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    outcome = scene.authorize()
    assert scene.record.decided_by == "hub_fallback"
    told_late(scene, EMSP, info_answer("BLOCKED"))
    (late,) = scene.evidence.late
    assert (late.decided_at, late.correlation_id) == (scene.record.at, "correlation-1")
    assert (late.answer.emsp, late.answer.outcome) == (EMSP, "BLOCKED")
    assert outcome.data["allowed"] == "ALLOWED"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (UNKNOWN, "2004"),
        (code_answer(3000, 500), "unusable"),
        (yes(OTHER), "unusable"),
        (info_answer(), "ALLOWED"),
    ],
    ids=["2004", "500", "another-token", "allowed"],
)
def test_a_late_answer_is_read_like_any_other(answer: Answer, outcome: str) -> None:
    scene = make_scene(scripts={EMSP: hangs})
    scene.authorize()
    told_late(scene, EMSP, answer)
    assert [late.answer.outcome for late in scene.evidence.late] == [outcome]


def test_what_is_late_before_the_decision_waits_for_it() -> None:
    """Budgets differ: one eMSP's time is over while another one is still asked."""

    async def slow(deadline_s: float) -> Any:
        late = scene.emsps.late[EMSP]
        assert late is not None
        late(info_answer())
        return UNKNOWN

    scene = make_scene(
        make_platform(EMSP),
        make_platform(OTHER),
        scripts={EMSP: hangs, OTHER: slow},
        relations=[make_relation(EMSP, authorize_budget_ms=100)],
    )
    scene.authorize(ANYWHERE)
    (late,) = scene.evidence.late
    assert late.decided_at == scene.record.at


def test_a_late_answer_without_room_breaks_nothing() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    scene.authorize()
    scene.evidence.refuses = Overloaded("full")
    told_late(scene, EMSP, info_answer())
    assert scene.evidence.late == []


# The likely owner ---------------------------------------------------------------------------------


def search(**scripts: Any) -> Scene:
    """Three eMSPs, and a token that the hub does not know."""
    platforms = [make_platform(party) for party in (EMSP, OTHER, THIRD)]
    named = {EMSP: scripts["emsp"], OTHER: scripts["other"], THIRD: scripts["third"]}
    return make_scene(*platforms, scripts=named)


def twice(scene: Scene, then: Any = None) -> list[PartyId]:
    """Whom the second of two searches asks, in order.

    Args:
        then: new scripts for the second one.
    """

    def between() -> None:
        scene.emsps.asked.clear()
        scene.evidence.records.clear()
        if then is not None:
            scene.emsps.scripts = then

    scene.authorize_in_turn(ANYWHERE, 2, between=between)
    return scene.emsps.parties


def test_the_owner_is_asked_alone_the_next_time() -> None:
    scene = search(emsp=answers(UNKNOWN), other=answers(yes(OTHER)), third=answers(UNKNOWN))
    assert twice(scene) == [OTHER]
    assert scene.record.emsp == OTHER


def test_a_hint_is_never_an_answer() -> None:
    """The owner says no now: the others are asked, and decide."""
    scene = search(emsp=answers(UNKNOWN), other=answers(yes(OTHER)), third=answers(UNKNOWN))
    asked = twice(
        scene, {EMSP: answers(yes(EMSP)), OTHER: answers(UNKNOWN), THIRD: answers(UNKNOWN)}
    )
    assert asked == [OTHER, EMSP, THIRD]
    assert scene.record.emsp == EMSP


def test_the_others_wait_for_the_owner_no_longer_than_its_head_start() -> None:
    scene = search(emsp=answers(UNKNOWN), other=answers(yes(OTHER)), third=answers(UNKNOWN))
    asked = twice(scene, {EMSP: answers(yes(EMSP)), OTHER: hangs, THIRD: answers(UNKNOWN)})
    assert asked == [OTHER, EMSP, THIRD]
    assert scene.record.emsp == EMSP
    assert HEAD_START_S * 1000 <= scene.record.total_ms < HEAD_START_S * 1000 + 100
    assert {leg.outcome for leg in scene.record.legs} >= {"ALLOWED", "cancelled"}


def test_an_owner_that_is_away_is_no_hint() -> None:
    scene = search(emsp=answers(UNKNOWN), other=answers(yes(OTHER)), third=answers(UNKNOWN))

    def away() -> None:
        for _ in range(3):
            scene.circuits.ended(make_platform(OTHER).platform_id, False)
        scene.emsps.asked.clear()

    scene.authorize_in_turn(ANYWHERE, 2, between=away)
    assert scene.emsps.parties == [EMSP, THIRD]


def test_hints_are_forgotten_in_time_and_bounded() -> None:
    clock = ManualClock()
    hints = OwnerHints(clock, keep_s=60)
    asked = Asked("04a1", "RFID")
    hints.note(asked, EMSP)
    assert hints.owner(Asked("04A1", "RFID")) == EMSP
    assert hints.owner(Asked("04A1", "OTHER")) is None
    clock.advance(60)
    assert hints.owner(asked) is None
    for number in range(MOST + 1):
        hints.note(Asked(str(number), "RFID"), EMSP)
    assert hints.owner(Asked("0", "RFID")) is None
    assert hints.owner(Asked("1", "RFID")) == EMSP


def test_no_hint_is_kept_where_that_is_switched_off() -> None:
    hints = OwnerHints(ManualClock(), keep_s=0)
    hints.note(Asked("04A1", "RFID"), EMSP)
    assert hints.owner(Asked("04A1", "RFID")) is None
