"""Changes of a Session's text against the same changes of its values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.ocpi.json_text import elements, members
from ocpi_hub.ocpi.session_text import appended_periods

names = st.sampled_from(["kwh", "status", "vendor", "ü", 'a"\\', ""])
spaces = st.text(" \t\r\n", max_size=2)
value_texts = (
    st.from_regex(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?([eE][+-]?[0-9])?", fullmatch=True)
    | st.sampled_from(["true", "null", '"\\u00e9\\/"', '"]}, ["', "[ ]", '{ "a" : 1.0 }'])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(json.dumps)
)
fields = st.lists(st.tuples(names, value_texts), max_size=4, unique_by=lambda pair: pair[0])


def write(pairs: list[tuple[str, str]], space: str) -> str:
    body = f"{space},".join(f"{json.dumps(name)}{space}:{space}{text}" for name, text in pairs)
    return f"{{{space}{body}}}"


@st.composite
def objects(draw: st.DrawFn) -> str:
    """The text of a Session or PATCH: any fields, with or without charging periods."""
    pairs, space = draw(fields), draw(spaces)
    periods = draw(st.none() | st.just("null") | st.lists(fields, max_size=3))
    if isinstance(periods, list):
        inner = f"{space},".join(write(period, space) for period in periods)
        periods = f"[{space}{inner}{space}]"
    if periods is not None:
        pairs.append(("charging_periods", periods))
    return write(draw(st.permutations(pairs)), space)


def loads(text: str) -> Any:
    """JSON with numbers as their text: equal values are equal digit by digit."""
    return json.loads(text, parse_float=lambda number: ("#", number), parse_int=str)


def periods_of(text: str) -> list[str]:
    held = dict(members(text)).get("charging_periods", "null")
    return [] if held == "null" else elements(held)


@pytest.mark.req("SE-04", "TF-21", "TF-22")
@given(objects(), objects())
def test_patch_has_the_meaning_it_has_on_values(session: str, patch: str) -> None:
    stored, sent = loads(session), loads(patch)
    added = sent.pop("charging_periods", None) or []
    merged = {**stored, **sent}
    for name in [name for name, value in sent.items() if value is None]:
        del merged[name]
    if added:
        merged["charging_periods"] = [*(stored.get("charging_periods") or []), *added]
    changed = appended_periods(session, patch)
    assert loads(changed) == merged
    assert periods_of(changed) == periods_of(session) + periods_of(patch)


@given(objects(), objects())
def test_fields_that_were_not_sent_keep_their_text_and_order(session: str, patch: str) -> None:
    touched = set(loads(patch)) | {"charging_periods"}
    changed = members(appended_periods(session, patch))
    kept = [pair for pair in members(session) if pair[0] not in touched]
    assert [pair for pair in changed if pair[0] not in touched] == kept
    order = [name for name, _ in members(session)]
    left = [name for name, _ in changed if name in order]
    assert left == [name for name in order if name in left]


@pytest.mark.req("SE-04")
@given(objects(), objects(), objects())
def test_periods_of_patches_stand_in_the_order_of_the_patches(
    session: str, first: str, second: str
) -> None:
    changed = appended_periods(appended_periods(session, first), second)
    assert periods_of(changed) == periods_of(session) + periods_of(first) + periods_of(second)
