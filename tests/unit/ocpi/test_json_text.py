from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ocpi_hub.ocpi.json_text import dump, elements, fingerprint, members
from ocpi_hub.ocpi.merge import merge_patch


def test_members_keep_the_text_of_values() -> None:
    text = ' { "a" : 1.10 , "b":{"c": [1E2, "}"]},\n"d":"x\\"y" ,"a":null} '
    assert members(text) == [
        ("a", "1.10"),
        ("b", '{"c": [1E2, "}"]}'),
        ("d", '"x\\"y"'),
        ("a", "null"),
    ]


def test_elements_keep_the_text_of_values() -> None:
    assert elements('[ {"a": 1.0} ,2e0,\n"]" ]') == ['{"a": 1.0}', "2e0", '"]"']


def test_member_names_are_decoded() -> None:
    assert members(r'{"\u00e4\n":1}') == [("ä\n", "1")]


@pytest.mark.parametrize("text", ["{}", " { } "])
def test_empty_object_has_no_members(text: str) -> None:
    assert members(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        '{"a":1 "b":2}',
        "{a:1}",
        "{1:1}",
        '{"a":1}x',
        '{"a":1}{}',
        '{"a":NaN}',
        '{"a":' + "[" * 100_000,
    ],
)
def test_members_of_something_else_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        members(text)


@pytest.mark.parametrize("text", ["", "{}", "[", "[1,]", "[1 2]", "[1]]", "[,1]"])
def test_elements_of_something_else_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        elements(text)


@pytest.mark.req("TF-21", "TF-22")
def test_patch_alters_only_the_fields_sent_and_keeps_numbers_as_written() -> None:
    stored = '{"id":"1","kwh":1.10,"periods":[1,2],"cost":{"a":1,"b":1E2},"vendor":{"x":0.30}}'
    patch = '{"cost":{"a":2.0},"periods":[3],"new":5.00}'
    assert merge_patch(stored, patch) == (
        '{"id":"1","kwh":1.10,"periods":[3],"cost":{"a":2.0},"vendor":{"x":0.30},"new":5.00}'
    )


@pytest.mark.req("TF-22")
def test_patch_with_null_removes_the_field() -> None:
    assert merge_patch('{"a":1,"b":2}', '{"a":null,"c": null }') == '{"b":2}'


def test_last_one_of_a_repeated_key_is_the_one_that_stays() -> None:
    assert merge_patch('{"a":1,"b":2,"a":3}', '{"b":4,"b":5}') == '{"a":3,"b":5}'


@pytest.mark.parametrize(("stored", "patch"), [("[]", "{}"), ("{}", "[]"), ("{}", "null")])
def test_merging_what_is_no_object_is_refused(stored: str, patch: str) -> None:
    with pytest.raises(ValueError, match="is expected"):
        merge_patch(stored, patch)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":[1,2]}', ' { "b" : [ 1 , 2 ] , "a" : 1 } '),
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":1}', '{"a":1.00}'),
        ('{"a":100}', '{"a":1E2}'),
        ('{"a":0.01}', '{"a":1e-2}'),
        ('{"a":0}', '{"a":-0.00e5}'),
        ('{"a":1e50}', '{"a":0.1E+51}'),
        ('{"a":1e999999999}', '{"a":10e999999998}'),
        ('{"a":"é"}', '{"a":"\\u00e9"}'),
        ('{"a":1,"a":2}', '{"a":2}'),
    ],
)
def test_fingerprint_ignores_layout_order_and_writing_of_numbers(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other.encode())
    assert len(fingerprint(one)) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":null}', "{}"),
        ('{"a":"x"}', '{"a":"X"}'),
        ('{"a":"x "}', '{"a":"x"}'),
        ('{"a":0.1}', '{"a":0.10000000000000000000000000001}'),
        ('{"a":12345678901234567890}', '{"a":12345678901234567891}'),
        ('{"a":1e999999999}', '{"a":1e999999998}'),
        ('{"a":-1}', '{"a":1}'),
        ('{"a":10}', '{"a":1}'),
        ('{"a":"e\\u0301"}', '{"a":"\\u00e9"}'),
    ],
)
def test_fingerprint_tells_contents_apart(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("number", ["1e" + "9" * 2000, "9" * 100_000, "0." + "0" * 100_000 + "1"])
def test_fingerprint_of_monstrous_numbers_is_made_without_expanding_them(number: str) -> None:
    assert fingerprint(f'{{"a":{number}}}') != fingerprint('{"a":1}')


@pytest.mark.parametrize("text", ["", "{", '{"a":NaN}', "[" * 100_000])
def test_fingerprint_of_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fingerprint(text)


def test_dump_writes_decimals_as_numbers_with_all_their_digits() -> None:
    value = {
        "a": Decimal("1.10"),
        "b": [Decimal("1E+2"), Decimal("0.30000000000000000000000000004")],
        "c": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "d": (True, None, "ü\n", 7),
        "e": {},
        "f": Decimal("1E+30"),
    }
    assert dump(value).decode() == (
        '{"a":1.10,"b":[100,0.30000000000000000000000000004],"c":"2026-01-02T03:04:05.000Z",'
        '"d":[true,null,"ü\\n",7],"e":{},"f":1E+30}'
    )


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_dump_refuses_numbers_that_json_does_not_know(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dump({"a": value})


def test_dump_refuses_what_json_cannot_express() -> None:
    with pytest.raises(TypeError):
        dump({"a": object()})
