"""What counts as an answer of an eMSP."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.authorization.answer import Answered, Asked, Failed, Failure, read_answer
from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from tests.unit.authorization.scene import (
    EMSP,
    OTHER,
    UID,
    UNKNOWN,
    code_answer,
    info_answer,
    token_value,
)

ASKED = Asked(UID, "RFID")


def read(exchange: Exchange, asked: Asked = ASKED) -> Answered | Failed:
    return read_answer(exchange, asked, EMSP)


def test_allowed_for_the_asked_token_is_an_answer() -> None:
    exchange = info_answer(authorization_reference="ref-1")
    assert read(exchange) == Answered(exchange, 1000, "ALLOWED", "ref-1")


def test_uid_and_party_are_compared_without_case() -> None:
    value = token_value(uid=UID.lower(), country_code="de", party_id="msp")
    assert isinstance(read(info_answer(token=value)), Answered)


@pytest.mark.req("TK-08")
@pytest.mark.parametrize(
    "allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED", "A_NEW_VALUE"]
)
def test_a_no_is_an_answer(allowed: str) -> None:
    result = read(info_answer(allowed))
    assert isinstance(result, Answered)
    assert not result.says_yes
    assert result.outcome == allowed


@pytest.mark.req("TK-07")
def test_unknown_token_and_too_little_information_are_answers() -> None:
    unknown, too_little = read(UNKNOWN), read(code_answer(2002))
    assert isinstance(unknown, Answered)
    assert unknown.says_unknown
    assert isinstance(too_little, Answered)
    assert not too_little.says_unknown


@pytest.mark.req("RT-17")
@pytest.mark.parametrize("code", [2000, 2001, 2003, 2999, 3000, 3001, 4002, 4003])
def test_every_other_status_code_is_an_answer(code: int) -> None:
    assert isinstance(read(code_answer(code)), Answered)


@pytest.mark.req("RT-15", "RT-18", "TK-17")
@pytest.mark.parametrize(
    "exchange",
    [
        info_answer(http_status=401),
        info_answer(http_status=403),
        info_answer(http_status=429),
        info_answer(http_status=500),
        info_answer(http_status=503),
        info_answer(http_status=302),
        info_answer(http_status=404),
        code_answer(2004, 500),
        Answer(200, {}, b""),
        Answer(200, {}, b"<html>"),
        Answer(200, {}, b"[]"),
        Answer(200, {}, b'{"status_code":"1000"}'),
        Answer(404, {}, b""),
        Answer(405, {}, b"Method Not Allowed"),
        code_answer(1000),
        info_answer(None),
        info_answer(""),
        info_answer(1),
        info_answer(token="a text"),
        info_answer(token=[]),
        info_answer(token={}),
    ],
)
def test_what_cannot_be_passed_on_is_no_answer(exchange: Answer) -> None:
    result = read(exchange)
    assert isinstance(result, Failed)
    assert result.failure is Failure.UNUSABLE


@pytest.mark.parametrize(
    "value",
    [
        token_value(uid="another"),
        token_value(OTHER),
        token_value(type="APP_USER"),
        token_value() | {"uid": None},
        token_value(country_code=7),
    ],
)
def test_allowed_for_another_token_is_no_answer(value: dict[str, object]) -> None:
    result = read(info_answer(token=value))
    assert isinstance(result, Failed)
    assert not result.denied


def test_a_no_about_another_token_stays_a_no() -> None:
    assert isinstance(read(info_answer("BLOCKED", token=token_value(OTHER))), Answered)


def test_a_broken_no_is_remembered_as_a_no() -> None:
    for exchange in (info_answer("BLOCKED", token=[]), info_answer("BLOCKED", http_status=404)):
        result = read(exchange)
        assert isinstance(result, Failed)
        assert result.denied


def test_a_missing_answer_tells_whether_the_emsp_was_reached() -> None:
    refused, silent = read(Unreachable("refused")), read(NoAnswer("timeout"))
    crowded = read(Busy("too many requests in flight"))
    assert isinstance(refused, Failed)
    assert isinstance(silent, Failed)
    assert isinstance(crowded, Failed)
    assert (refused.failure, silent.failure) == (Failure.UNREACHABLE, Failure.TIMEOUT)
    assert crowded.failure is Failure.TIMEOUT


def test_what_is_kept_for_the_evidence_is_short_and_storable() -> None:
    body = json.dumps(
        {
            "status_code": 1000,
            "data": {
                "allowed": "ALLOWED",
                "token": token_value(),
                "authorization_reference": "a\x00b" + "c" * 1000,
            },
        }
    ).encode()
    result = read(Answer(200, {}, body))
    assert isinstance(result, Answered)
    assert result.reference is not None
    assert result.reference.startswith("abc")
    assert len(result.reference) < 200
