from __future__ import annotations

import pytest

from ocpi_hub.party.rawjson import array_items, fingerprint


def test_array_elements_keep_their_text() -> None:
    assert [text for _, text in array_items(' [ {"a" : 1.10}, 2 ,"x,]"]\n')] == [
        '{"a" : 1.10}',
        "2",
        '"x,]"',
    ]
    assert array_items("[ ]") == []


@pytest.mark.parametrize("text", ["", "{}", "[1", "[1 2]", "[1,]", "[,1]", "[1] 2", "[x]"])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"array|comma|Expecting"):
        array_items(text)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('{"a":1.10,"b":2}', '{ "b": 2.0, "a": 1.1 }', True),
        ('{"a":1}', '{"a":"1"}', False),
        ('{"a":0.1}', '{"a":0.10000000000000001}', False),
        ('{"a":null}', "{}", False),
        ('"\\u00e9"', '"\u00e9"', True),
        ("[1,2]", "[2,1]", False),
    ],
)
def test_fingerprints_compare_content(one: str, other: str, equal: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is equal
