"""Cursors come back as they went out, and nothing else passes for one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.admin.cursors import cursor_place, cursor_text

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(TEXT, st.integers(0, 2**63 - 1))
def test_a_cursor_comes_back(name: str, number: int) -> None:
    text = cursor_text("things", name, number)
    assert text.isascii()
    assert not set(text) & set("+/=&? ")
    assert cursor_place("things", text, str, int) == (name, number)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "!!!!",
        encoded({}),
        encoded([]),
        encoded(["things"]),
        encoded(["others", "a", 1]),
        encoded(["things", "a", "1"]),
        encoded(["things", "a", True]),
        encoded(["things", "a", -1]),
        encoded(["things", "a", 2**63]),
        encoded(["things", "a\0", 1]),
        encoded(["things", "\ud800", 1]),
        encoded(["things", "a", 1, 2]),
        encoded("[" * 5000),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begin without one"):
        cursor_place("things", text, str, int)


@given(st.text())
def test_any_text_is_a_cursor_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="begin without one"):
        cursor_place("things", text, str, int)
