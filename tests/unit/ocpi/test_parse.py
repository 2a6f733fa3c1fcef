from __future__ import annotations

from decimal import Decimal

import pytest

from ocpi_hub.errors import InvalidRequest, MalformedJson
from ocpi_hub.ocpi.parse import (
    MAX_MESSAGE,
    parse_json,
    parse_object,
    require_object_text,
)
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from tests.unit.ocpi.factories import encode, make_cdr, make_token


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":1.}',
        b'{"a":1} x',
        b'{"a":"\n"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson, match="The body is not"):
        parse_json(body, max_depth=64)


def test_malformed_json_message_has_a_place_and_no_content() -> None:
    with pytest.raises(MalformedJson) as refusal:
        parse_json(b'{\n "uid": secret}', max_depth=64)
    assert refusal.value.message == "The body is not JSON: Expecting value at line 2 column 9"


@pytest.mark.req("TY-05")
def test_numbers_come_out_exact() -> None:
    body = b'{"a":1.10,"b":12345678901234567890.123456789,"c":1E2,"d":7}'
    assert parse_json(body, max_depth=4) == {
        "a": Decimal("1.10"),
        "b": Decimal("12345678901234567890.123456789"),
        "c": Decimal("1E2"),
        "d": 7,
    }


@pytest.mark.parametrize(
    "number",
    ["1e101", "1e-101", "1e999999999", "1e99999999999999999999", "0." + "1" * 100, "9" * 5000],
)
def test_numbers_that_cost_more_than_they_say_are_refused(number: str) -> None:
    with pytest.raises(InvalidRequest, match="number out of all range") as refusal:
        parse_json(f'{{"a":{number}}}'.encode(), max_depth=4)
    assert refusal.value.http_status == 200


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b'[{"x":{"a":1,"\\u0061":1}}]'])
def test_a_field_that_comes_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse_json(body, max_depth=4)


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"[" * 8 + b"]" * 8, 8),
        (b'{"a":' * 8 + b"1" + b"}" * 8, 8),
        (b'[{"a":[' * 3 + b"]}]" * 3, 9),
        (rb'["]]\"]]", [["\\"], "[["]]', 3),
        (b"[" + b",".join([b"[]"] * 50) + b"]", 2),
        (b'["' + b"[" * 99 + b'"]', 1),
    ],
)
def test_depth_counts_brackets_outside_of_strings(body: bytes, depth: int) -> None:
    parse_json(body, max_depth=depth)
    with pytest.raises(MalformedJson, match=f"nested deeper than {depth - 1} levels"):
        parse_json(body, max_depth=depth - 1)


@pytest.mark.parametrize("body", [b"[" * 4_000_000, b'{"a":' * 800_000, b'["' + b'\\"[' * 900_000])
def test_hostile_nesting_is_refused_quickly(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse_json(body, max_depth=64)


def test_nesting_beyond_the_interpreter_is_refused_even_where_the_limit_allows_it() -> None:
    with pytest.raises(MalformedJson, match="too deeply"):
        parse_json(b"[" * 100_000 + b"]" * 100_000, max_depth=1_000_000)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a":"\ud800"}',
        rb'{"a":"\udc00\ud800"}',
        rb'{"\ud800":1}',
        rb'{"a":["x\u0000y"]}',
        rb'{"a\u0000":1}',
    ],
)
def test_characters_that_cannot_be_stored_are_refused_with_2001(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_json(body, max_depth=8)
    assert (refusal.value.http_status, refusal.value.status_code) == (200, 2001)


def test_surrogate_pairs_and_escaped_backslashes_are_text() -> None:
    assert parse_json(rb'{"a":"\ud83d\ude97","b":"\\u0000"}', max_depth=8) == {
        "a": "\U0001f697",
        "b": "\\u0000",
    }


def test_object_text_is_the_body_without_space_around_it() -> None:
    assert require_object_text(b' \r\n\t{"a": 1.0}\n') == '{"a": 1.0}'


@pytest.mark.parametrize("body", [b"[]", b"1", b'"{"', b""])
def test_object_text_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="must be a JSON object"):
        require_object_text(body)


def test_object_text_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedJson):
        require_object_text(b'{"a":"\xff"}')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1,2]", "The body: must be an object, got a list of 2"),
        (b"null", "The body: must be an object, got null"),
        (b'"x"', "The body: must be an object, got a string of 1 characters"),
    ],
)
def test_body_that_is_no_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(body, Token, max_depth=8)
    assert refusal.value.message == message
    assert (refusal.value.http_status, refusal.value.status_code) == (200, 2001)


@pytest.mark.req("TF-20")
def test_missing_required_field_is_named() -> None:
    token = make_token()
    del token["contract_id"]
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(encode(token), Token, max_depth=8)
    assert refusal.value.message == "contract_id: is required"


@pytest.mark.req("TF-20")
def test_optional_fields_not_sent_are_null() -> None:
    token = parse_object(encode(make_token()), Token, max_depth=8).value
    assert (token.group_id, token.visual_number, token.energy_contract) == (None, None, None)


def test_message_names_three_faults_and_counts_the_rest() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(b'{"valid":"yes"}', Token, max_depth=8)
    assert refusal.value.message == (
        "country_code: is required; party_id: is required; uid: is required; and 6 more"
    )


def test_message_tells_the_shape_and_never_the_content() -> None:
    cdr = make_cdr()
    cdr["cdr_token"]["uid"] = "Geheim\n"
    cdr["charging_periods"][0]["dimensions"][0]["volume"] = "4711"
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(encode(cdr), CDR, max_depth=16)
    assert refusal.value.message == (
        "cdr_token.uid: must be a CiString(36): printable ASCII, not empty,"
        " got a string of 7 characters;"
        " charging_periods[0].dimensions[0].volume: must be a JSON number,"
        " got a string of 4 characters"
    )


def test_message_is_short_however_many_faults_there_are() -> None:
    cdr = make_cdr(charging_periods=[{}] * 5000, tariffs=[{"elements": [{}]}] * 50)
    with pytest.raises(InvalidRequest) as refusal:
        parse_object(encode(cdr), CDR, max_depth=16)
    assert len(refusal.value.message) <= MAX_MESSAGE
    assert refusal.value.message.endswith(" more")


@pytest.mark.parametrize("body", [b"", b" \r\n"], ids=["nothing", "spaces"])
def test_an_empty_body_is_called_so(body: bytes) -> None:
    with pytest.raises(MalformedJson) as refusal:
        parse_json(body, max_depth=8)
    assert refusal.value.message == "The body is not JSON: it is empty"
