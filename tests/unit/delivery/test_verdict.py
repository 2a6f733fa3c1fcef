"""What a receiver's answer means for custody."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, judge
from ocpi_hub.domain.exchange import Answer, Busy, NoAnswer, Unreachable


def answer(http: int, code: int | None = None, **headers: str) -> Answer:
    body = b"<html>" if code is None else json.dumps({"status_code": code}).encode()
    return Answer(http, headers, body)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (answer(200, 1000), Delivered),
        (answer(201, 1900), Delivered),
        (answer(200, 2001), Refused),
        (answer(400, 2001), Refused),
        (answer(404, 2003), Refused),
        (answer(200, 3000), Failed),
        (answer(200, 4001), Failed),
        (answer(200, 4003), Failed),
        (answer(200, 4002), Unknown),
        (answer(500, 1000), Unknown),
        (answer(502), Unknown),
        (answer(503, 3000), Unknown),
        (answer(401, 2000), Failed),
        (answer(403, 2001), Failed),
        (answer(404), Failed),
        (answer(405), Failed),
        (answer(429), Failed),
        (answer(200), Unknown),
        (answer(302), Unknown),
        (NoAnswer("no answer in time"), Unknown),
        (Unreachable("connection refused"), Failed),
        (Busy("too many requests in flight"), NotSent),
    ],
)
def test_verdicts(exchange: Answer, expected: type) -> None:
    assert type(judge(exchange)) is expected


def test_retry_after_in_seconds_is_read_and_nonsense_ignored() -> None:
    told = judge(answer(429, None, **{"retry-after": "120"}))
    assert isinstance(told, Failed)
    assert told.retry_after_s == 120
    for nonsense in ("-1", "soon", "1e99", "nan"):
        ignored = judge(answer(429, None, **{"retry-after": nonsense}))
        assert isinstance(ignored, Failed)
        assert ignored.retry_after_s is None


def test_location_and_message_are_kept_within_bounds() -> None:
    body = json.dumps({"status_code": 1000, "status_message": "x" * 10_000}).encode()
    told = judge(Answer(201, {"location": "https://e.example/cdrs/1"}, body))
    assert isinstance(told, Delivered)
    assert told.location == "https://e.example/cdrs/1"
    assert len(told.answer.message or "") == 500


def test_a_message_that_cannot_be_stored_becomes_printable() -> None:
    told = judge(Answer(200, {}, b'{"status_code":2001,"status_message":"a\\u0000b\\nc"}'))
    assert isinstance(told, Refused)
    assert told.answer.message == "a b c"
