"""The Authorizer with scripted eMSPs, in virtual time."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.exchange import NoAnswer, Unreachable
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.party import Fallback, PlatformState, RelationMode, Role
from ocpi_hub.errors import (
    HubRoutingError,
    InvalidRequest,
    MalformedJson,
    OcpiError,
    Overloaded,
    ReceiverNotConnected,
    ReceiverTimeout,
    StoreUnavailable,
    UnknownReceiver,
)
from tests.unit.authorization.scene import (
    CPO,
    EMSP,
    HUB,
    OTHER,
    UID,
    UNKNOWN,
    Outcome,
    answers,
    code_answer,
    hangs,
    info_answer,
    make_message,
    make_platform,
    make_relation,
    make_scene,
    make_token,
    raises,
)

LOCATION = b' {"location_id" : "LOC1", "evse_uids":["E1"], "more": 1.50 } '


def code(outcome: Outcome) -> tuple[int, int]:
    """HTTP status and status code of an answer or error."""
    if isinstance(outcome.reply, OcpiError):
        return outcome.reply.http_status, outcome.reply.status_code
    assert isinstance(outcome.reply, Reply), outcome.reply
    return outcome.reply.http_status, outcome.body["status_code"]


# Passing on ---------------------------------------------------------------------------------------


@pytest.mark.req("TK-05", "TK-06")
@pytest.mark.parametrize(
    "answer",
    [
        info_answer(authorization_reference="ref"),
        info_answer("BLOCKED"),
        info_answer("NO_CREDIT", http_status=201),
        UNKNOWN,
        code_answer(2002),
        code_answer(3000),
    ],
)
def test_an_answer_is_passed_on_as_it_came(answer: object) -> None:
    exchange = answer
    scene = make_scene(scripts={EMSP: answers(exchange)}, tokens=[make_token()])  # type: ignore[arg-type]  # parametrized
    message = make_message(body=LOCATION, token_type="RFID")
    outcome = scene.authorize(message)
    assert isinstance(outcome.reply, Reply)
    assert (outcome.reply.http_status, outcome.reply.body) == (
        exchange.http_status,  # type: ignore[attr-defined]  # parametrized
        exchange.body,  # type: ignore[attr-defined]  # parametrized
    )
    assert outcome.reply.sender == EMSP
    assert scene.emsps.asked[0][1] is message
    assert scene.record.decided_by is DecidedBy.EMSP


def test_the_record_of_a_relayed_answer_holds_the_emsps_reference() -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer(authorization_reference="ref-1"), after_s=0.25)}
    )
    scene.authorize(make_message(body=LOCATION))
    record = scene.record
    assert (record.cpo, record.emsp, record.uid) == (CPO, EMSP, UID)
    assert (record.allowed, record.reference) == ("ALLOWED", "ref-1")
    assert (record.http_status, record.status_code) == (200, 1000)
    assert record.location == LOCATION.decode().strip()
    assert record.total_ms == pytest.approx(250)
    assert [(leg.emsp, leg.outcome) for leg in record.legs] == [(EMSP, "ALLOWED")]
    assert record.legs_ms() == {"DE*MSP": pytest.approx(250)}


@pytest.mark.req("TK-05")
def test_a_relayed_answer_does_not_wait_for_its_record() -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer(), after_s=0.01)})
    scene.evidence.commits_after_s = None
    assert scene.authorize().took_s == pytest.approx(0.01)


@pytest.mark.req("TK-13")
def test_a_token_that_is_not_valid_is_asked_about_in_real_time() -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer())}, tokens=[make_token(valid=False)])
    assert scene.authorize().data["allowed"] == "ALLOWED"


@pytest.mark.req("TK-06")
@pytest.mark.parametrize("whitelist", ["NEVER", "SOMETHING_NEW"])
def test_a_token_that_may_not_be_whitelisted_is_asked_about_in_whitelist_mode(
    whitelist: str,
) -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer("BLOCKED"))},
        tokens=[make_token(whitelist=whitelist)],
        mode=RelationMode.WHITELIST,
    )
    assert scene.authorize().data["allowed"] == "BLOCKED"
    assert scene.emsps.parties == [EMSP]


# From the store -----------------------------------------------------------------------------------


@pytest.mark.req("TK-06", "TK-09")
def test_whitelist_mode_answers_from_the_store_without_asking() -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.WHITELIST)
    outcome = scene.authorize(make_message(body=LOCATION))
    assert code(outcome) == (200, 1000)
    assert isinstance(outcome.reply, Reply)
    assert outcome.reply.sender is None
    assert make_token().body.encode() in outcome.reply.body
    assert LOCATION.strip() in outcome.reply.body
    data = outcome.data
    assert set(data) == {"allowed", "token", "location", "authorization_reference"}
    assert data["allowed"] == "ALLOWED"
    assert len(data["authorization_reference"]) <= 36
    assert scene.emsps.asked == []
    assert scene.record.decided_by is DecidedBy.HUB_WHITELIST
    assert scene.record.reference == data["authorization_reference"]
    assert scene.record.legs == ()


def test_references_of_the_hub_are_never_the_same() -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.WHITELIST)
    references = {scene.authorize().data["authorization_reference"] for _ in range(5)}
    assert len(references) == 5


@pytest.mark.req("TK-08")
def test_a_stored_token_that_is_not_valid_is_blocked() -> None:
    scene = make_scene(tokens=[make_token(valid=False)], mode=RelationMode.WHITELIST)
    outcome = scene.authorize(make_message(body=LOCATION))
    assert code(outcome) == (200, 1000)
    assert set(outcome.data) == {"allowed", "token"}
    assert outcome.data["allowed"] == "BLOCKED"
    assert scene.record.reference is None


@pytest.mark.req("TK-12")
def test_an_always_token_is_never_asked_about() -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer("BLOCKED"))}, tokens=[make_token(whitelist="ALWAYS")]
    )
    assert scene.authorize().data["allowed"] == "ALLOWED"
    assert scene.emsps.asked == []
    assert scene.record.reason == "always"


@pytest.mark.req("TK-06")
def test_silence_is_answered_from_the_store_within_the_budget() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()], authorize_budget_ms=1000)
    outcome = scene.authorize()
    assert outcome.data["allowed"] == "ALLOWED"
    assert 0.8 < outcome.took_s <= 1.0
    assert scene.emsps.cancelled == [EMSP]
    record = scene.record
    assert (record.decided_by, record.reason) == (DecidedBy.HUB_FALLBACK, "timeout")
    assert [leg.outcome for leg in record.legs] == ["timeout"]


def test_an_answer_that_comes_too_late_is_not_returned() -> None:
    late = answers(info_answer("BLOCKED"), after_s=1.2)
    scene = make_scene(scripts={EMSP: late}, tokens=[make_token()], authorize_budget_ms=1000)
    assert scene.authorize().data["allowed"] == "ALLOWED"


def test_a_slow_answer_within_the_budget_counts() -> None:
    slow = answers(info_answer("BLOCKED"), after_s=0.85)
    scene = make_scene(scripts={EMSP: slow}, tokens=[make_token()], authorize_budget_ms=1000)
    assert scene.authorize().data["allowed"] == "BLOCKED"


@pytest.mark.req("TK-06")
def test_an_offline_emsp_costs_no_waiting() -> None:
    scene = make_scene(make_platform(EMSP, online=False), tokens=[make_token()])
    outcome = scene.authorize()
    assert outcome.data["allowed"] == "ALLOWED"
    assert outcome.took_s < 0.01
    assert (scene.record.reason, scene.emsps.asked) == ("offline", [])


@pytest.mark.req("TK-10")
@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (NoAnswer("timeout"), (200, 4002)),
        (Unreachable("refused"), (200, 4003)),
        (info_answer(http_status=401), (200, 4000)),
        (info_answer(token=[]), (200, 4000)),
    ],
)
def test_fallback_cpo_leaves_the_decision_to_the_cpo(
    exchange: NoAnswer, expected: tuple[int, int]
) -> None:
    scene = make_scene(
        scripts={EMSP: answers(exchange)},
        tokens=[make_token()],
        relations=[make_relation(fallback=Fallback.CPO)],
    )
    assert code(scene.authorize()) == expected
    record = scene.record
    assert (record.decided_by, record.allowed) == (DecidedBy.NOBODY, None)
    assert record.reason.endswith(":fallback_cpo")
    assert (record.emsp, record.status_code) == (EMSP, expected[1])


@pytest.mark.req("TK-10")
@pytest.mark.parametrize(
    "tokens",
    [[], [make_token(whitelist="NEVER")], [make_token(age_s=None)], [make_token(age_s=1e7)]],
)
def test_without_a_usable_stored_token_silence_stays_silence(tokens: list[object]) -> None:
    scene = make_scene(
        scripts={EMSP: hangs},
        tokens=tokens,  # type: ignore[arg-type]  # parametrized
        authorize_budget_ms=1000,
    )
    outcome = scene.authorize()
    assert code(outcome) == (200, 4002)
    assert outcome.took_s <= 1.0 + 0.05


@pytest.mark.req("TK-06")
def test_whitelist_knowledge_that_is_too_old_means_asking() -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer("EXPIRED"))},
        tokens=[make_token(age_s=61)],
        relations=[make_relation(mode=RelationMode.WHITELIST, whitelist_max_age_s=60)],
    )
    assert scene.authorize().data["allowed"] == "EXPIRED"


@pytest.mark.req("TK-06")
def test_whitelist_knowledge_that_is_too_old_does_not_answer_for_a_silent_emsp() -> None:
    scene = make_scene(
        scripts={EMSP: answers(Unreachable("refused"))},
        tokens=[make_token(age_s=61)],
        relations=[make_relation(mode=RelationMode.WHITELIST, whitelist_max_age_s=60)],
    )
    assert code(scene.authorize()) == (200, 4003)


# The budget ---------------------------------------------------------------------------------------


def test_the_relations_budget_counts_from_the_arrival_of_the_request() -> None:
    scene = make_scene(scripts={EMSP: hangs}, relations=[make_relation(authorize_budget_ms=500)])
    outcome = scene.authorize(spent_s=0.3)
    assert code(outcome) == (200, 4002)
    assert scene.emsps.asked[0][2] == pytest.approx(0.2)


def test_a_budget_that_is_spent_on_arrival_asks_nobody() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    outcome = scene.authorize(spent_s=10)
    assert outcome.data["allowed"] == "ALLOWED"
    assert scene.emsps.asked == []


def test_a_decision_of_the_hub_waits_for_its_record_but_not_for_long() -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.WHITELIST, evidence_wait_ms=200)
    scene.evidence.commits_after_s = 0.05
    assert scene.authorize().took_s == pytest.approx(0.05)
    scene.evidence.commits_after_s = None
    assert scene.authorize().took_s == pytest.approx(0.2)


def test_waiting_for_the_record_ends_with_the_budget() -> None:
    scene = make_scene(
        scripts={EMSP: hangs},
        tokens=[make_token()],
        authorize_budget_ms=500,
        evidence_wait_ms=400,
    )
    scene.evidence.commits_after_s = None
    assert scene.authorize().took_s == pytest.approx(0.5)


@pytest.mark.parametrize("fault", ["fails", "refuses"])
def test_a_decision_stands_although_its_record_is_lost(fault: str) -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.WHITELIST)
    setattr(scene.evidence, fault, Overloaded())
    with capture_logs() as logs:
        assert scene.authorize().data["allowed"] == "ALLOWED"
    assert [line["event"] for line in logs].count("authorization_evidence_lost") == 1


def test_a_lost_record_of_an_emsps_decision_is_logged_without_the_uid() -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer())})
    scene.evidence.commits_after_s = 0
    scene.evidence.fails = StoreUnavailable("away")
    with capture_logs() as logs:
        assert scene.authorize().data["allowed"] == "ALLOWED"
    [lost] = [line for line in logs if line["event"] == "authorization_evidence_lost"]
    assert lost["uid_hmac"] == f"masked-{len(UID)}"
    assert UID not in str(logs)


def test_a_uid_whose_evidence_could_not_be_found_again_is_asked_about_nowhere() -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer())})
    for length, known in ((100, True), (101, False)):
        outcome = scene.authorize(make_message(uid="A" * length))
        assert isinstance(outcome.reply, InvalidRequest) is not known
    assert (len(scene.emsps.asked), len(scene.evidence.records)) == (1, 1)


# Whom it concerns ---------------------------------------------------------------------------------


def test_an_unknown_receiver_is_4001() -> None:
    scene = make_scene()
    outcome = scene.authorize(make_message(to=OTHER))
    assert isinstance(outcome.reply, UnknownReceiver)
    assert (scene.record.reason, scene.record.emsp) == ("unknown_receiver", OTHER)


@pytest.mark.parametrize("to", [EMSP, None])
def test_without_a_relation_nothing_is_decided(to: object) -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.NONE)
    outcome = scene.authorize(make_message(to=to))  # type: ignore[arg-type]  # parametrized
    assert isinstance(outcome.reply, ReceiverNotConnected)
    assert scene.record.reason == "no_relation"


def test_a_cpo_is_not_asked() -> None:
    scene = make_scene(make_platform(EMSP, Role.CPO))
    assert isinstance(scene.authorize().reply, ReceiverNotConnected)


@pytest.mark.parametrize("to", [EMSP, None])
@pytest.mark.parametrize(
    "state",
    [
        PlatformState.INVITED,
        PlatformState.CONNECTING,
        PlatformState.SUSPENDED,
        PlatformState.DISCONNECTED,
    ],
)
def test_a_platform_that_is_not_connected_decides_nothing(state: PlatformState, to: object) -> None:
    scene = make_scene(
        make_platform(EMSP, state=state), tokens=[make_token()], mode=RelationMode.WHITELIST
    )
    outcome = scene.authorize(make_message(to=to))  # type: ignore[arg-type]  # parametrized
    assert isinstance(outcome.reply, ReceiverNotConnected)
    assert scene.record.reason == "not_connected"


@pytest.mark.req("RT-37")
@pytest.mark.parametrize("to", [None, HUB])
def test_the_stored_token_tells_which_emsp_to_ask(to: object) -> None:
    scene = make_scene(
        make_platform(EMSP),
        make_platform(OTHER),
        scripts={EMSP: answers(info_answer())},
        tokens=[make_token()],
    )
    outcome = scene.authorize(make_message(to=to))  # type: ignore[arg-type]  # parametrized
    assert outcome.data["allowed"] == "ALLOWED"
    assert scene.emsps.parties == [EMSP]


@pytest.mark.req("RT-37")
def test_of_several_owners_those_without_a_relation_do_not_count() -> None:
    scene = make_scene(
        make_platform(EMSP),
        make_platform(OTHER),
        scripts={EMSP: answers(info_answer())},
        tokens=[make_token(OTHER), make_token()],
        relations=[make_relation(OTHER, RelationMode.NONE)],
    )
    assert scene.authorize(make_message(to=None)).data["allowed"] == "ALLOWED"
    assert scene.emsps.parties == [EMSP]


def test_the_addressed_emsp_is_asked_although_the_token_is_anothers() -> None:
    scene = make_scene(
        make_platform(EMSP),
        make_platform(OTHER),
        scripts={EMSP: answers(UNKNOWN)},
        tokens=[make_token(OTHER)],
    )
    assert code(scene.authorize()) == (404, 2004)


def test_a_platform_without_the_interface_is_4000() -> None:
    scene = make_scene(make_platform(EMSP, offers=False))
    outcome = scene.authorize()
    assert code(outcome) == (200, 4000)
    assert scene.emsps.asked == []


@pytest.mark.parametrize(
    ("error", "expected"), [(HubRoutingError("x"), 4000), (ReceiverNotConnected("x"), 4003)]
)
def test_a_leg_that_cannot_be_made_is_no_answer(error: Exception, expected: int) -> None:
    scene = make_scene(scripts={EMSP: raises(error)})
    assert code(scene.authorize()) == (200, expected)


# Requests -----------------------------------------------------------------------------------------


def test_type_defaults_to_rfid_and_may_be_anything() -> None:
    scene = make_scene(scripts={EMSP: answers(UNKNOWN)})
    for given, looked_up in ((None, "RFID"), ("", "RFID"), ("APP_USER", "APP_USER"), ("X", "X")):
        scene.authorize(make_message(token_type=given))
        assert scene.tokens.looked_up[-1] == (UID, looked_up, CPO)


@pytest.mark.parametrize("uid", ["a/b c", "{}", "Ünïcode", "x" * 100, "%2F", "🔌"])
def test_any_uid_is_asked_about(uid: str) -> None:
    scene = make_scene(scripts={EMSP: answers(UNKNOWN)})
    assert code(scene.authorize(make_message(uid=uid))) == (404, 2004)
    assert scene.record.uid == uid


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", MalformedJson),
        (b"\xff", MalformedJson),
        (b"[]", InvalidRequest),
        (b"null", InvalidRequest),
        (b'"LOC1"', InvalidRequest),
        (b'{"evse_uids":["E1"]}', InvalidRequest),
        (b'{"location_id":7}', InvalidRequest),
        (b'{"location_id":"L","evse_uids":"E1"}', InvalidRequest),
    ],
)
def test_a_body_that_is_no_location_references_is_refused(
    body: bytes, error: type[OcpiError]
) -> None:
    scene = make_scene(scripts={EMSP: hangs})
    assert type(scene.authorize(make_message(body=body)).reply) is error
    assert scene.evidence.records == []


@pytest.mark.req("TK-14")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b'{"location_id":"never published"}',
        b'{"location_id":"L","evse_uids":null}',
        b'{"location_id":"L","evse_uids":["closed","REMOVED"],"opening":"x"}',
    ],
)
def test_no_location_is_a_reason_to_refuse(body: bytes) -> None:
    scene = make_scene(tokens=[make_token()], mode=RelationMode.WHITELIST)
    outcome = scene.authorize(make_message(body=body))
    assert outcome.data["allowed"] == "ALLOWED"
    assert outcome.data.get("location") == (json.loads(body) if body.strip() else None)


# Without the database -----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [StoreUnavailable("gone"), Overloaded()])
def test_real_time_goes_on_without_the_database(fault: Exception) -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer())}, tokens=[make_token()])
    scene.tokens.fails = fault
    assert scene.authorize().data["allowed"] == "ALLOWED"


def test_whitelist_mode_asks_in_real_time_without_the_database() -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer())}, tokens=[make_token()], mode=RelationMode.WHITELIST
    )
    scene.tokens.fails = StoreUnavailable("gone")
    assert scene.authorize().data["allowed"] == "ALLOWED"
    assert scene.record.decided_by is DecidedBy.EMSP


def test_a_database_that_hangs_costs_a_part_of_the_budget_only() -> None:
    scene = make_scene(
        scripts={EMSP: answers(info_answer(), after_s=0.5)}, authorize_budget_ms=1000
    )
    scene.tokens.takes_s = 3600
    outcome = scene.authorize()
    assert outcome.data["allowed"] == "ALLOWED"
    assert outcome.took_s == pytest.approx(0.75)


def test_without_the_database_a_token_is_not_called_unknown() -> None:
    scene = make_scene(make_platform(EMSP, offers=False))
    scene.tokens.fails = StoreUnavailable("gone")
    assert code(scene.authorize(make_message(to=None))) == (503, 3000)
    assert scene.record.reason == "store_unavailable"


def test_a_timeout_without_the_database_is_4002() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    scene.tokens.fails = StoreUnavailable("gone")
    assert isinstance(scene.authorize().reply, ReceiverTimeout)
