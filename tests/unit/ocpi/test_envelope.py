from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.envelope import Envelope, dump, envelope, parse_envelope, timestamp

NOW = datetime(2026, 2, 3, 4, 5, 6, 789_999, tzinfo=UTC)


@pytest.mark.req("TY-04")
def test_timestamp_has_milliseconds_and_fits_a_datetime() -> None:
    assert timestamp(NOW) == "2026-02-03T04:05:06.789Z"
    assert len(timestamp()) <= 25
    assert parse_datetime(timestamp()).tzinfo is UTC


@pytest.mark.req("TY-03")
def test_timestamp_is_utc_whatever_the_zone_of_the_clock() -> None:
    assert timestamp(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-02-03T04:05:06.789Z"


@pytest.mark.req("TF-10")
def test_envelope_holds_code_message_time_and_data_untouched() -> None:
    body = envelope(b'{"a": 1.10}', status_code=1000, message='ok "ü"', now=NOW)
    assert body == (
        b'{"data":{"a": 1.10},"status_code":1000,"status_message":"ok \\"\\u00fc\\"",'
        b'"timestamp":"2026-02-03T04:05:06.789Z"}'
    )
    assert json.loads(body)["status_message"] == 'ok "ü"'


@pytest.mark.req("TF-11")
def test_envelope_without_data_leaves_it_unset() -> None:
    assert json.loads(envelope(now=NOW)) == {
        "status_code": 1000,
        "timestamp": "2026-02-03T04:05:06.789Z",
    }
    assert b'"data":[]' in envelope(b"[]")


@pytest.mark.req("TF-10", "TF-11")
@pytest.mark.parametrize("data", [None, [], [1], {"a": 1}, "ACCEPTED"])
def test_envelope_of_a_partner_is_read_whatever_its_data(data: object) -> None:
    body = dump({"data": data, "status_code": 2001, "status_message": "x", "timestamp": "t"})
    assert parse_envelope(body) == Envelope(2001, "x", data)


@pytest.mark.req("ER-06")
@pytest.mark.parametrize("code", [1901, 2999, 3950, 4999, 1000])
def test_codes_of_others_are_read_as_they_are(code: int) -> None:
    assert parse_envelope(dump({"status_code": code})) == Envelope(code, None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"status_code":"1000"}',
        b'{"status_code":true}',
        b'{"status_code":1000.5}',
        b'{"status_code":999}',
        b'{"status_code":10000}',
        b'{"status_code":1000,"x":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_other_bytes_are_no_envelope(body: bytes) -> None:
    assert parse_envelope(body) is None


def test_message_that_is_no_text_is_left_out() -> None:
    assert parse_envelope(b'{"status_code":1000,"status_message":5}') == Envelope(1000, None, None)


def test_dump_refuses_numbers_that_json_does_not_know() -> None:
    assert dump({"a": [1, None, "ü"]}) == '{"a":[1,null,"ü"]}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"a": float("nan")})
