"""Properties of parsing, merging, fingerprints, times and cursors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import MAX_URL, parse_datetime
from ocpi_hub.ocpi.json_text import dump, elements, fingerprint, members
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.paging import Cursor, next_url, parse_page
from ocpi_hub.ocpi.parse import MAX_MESSAGE, parse_json, parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from tests.unit.ocpi.factories import make_cdr

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
scalars = st.none() | st.booleans() | st.integers() | decimals | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=5)
spaces = st.text(" \t\r\n", max_size=3)
number_texts = st.from_regex(
    r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?([eE][+-]?[0-7]?[0-9])?", fullmatch=True
)


def loads(text: str) -> Any:
    """JSON with numbers as their text: two results are equal when all is equal, digit by digit."""
    return json.loads(text, parse_float=lambda number: ("#", number), parse_int=str)


@given(objects, spaces, spaces)
def test_parsed_json_is_what_was_written(value: dict[str, Any], before: str, after: str) -> None:
    body = before.encode() + dump(value) + after.encode()
    assert parse_json(body, max_depth=64) == value
    assert require_object_text(body) == dump(value).decode()


@given(number_texts)
def test_number_is_parsed_exactly(text: str) -> None:
    assert parse_json(f"[{text}]".encode(), max_depth=1) == [Decimal(text)]


@given(st.binary(max_size=60) | texts.map(str.encode))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    refusal = _refusal(lambda: parse_json(body, max_depth=4))
    assert refusal is None or 0 < len(refusal.message) <= MAX_MESSAGE


@given(st.lists(st.tuples(texts, values), max_size=5), spaces)
def test_members_have_the_meaning_of_the_object(pairs: list[tuple[str, Any]], space: str) -> None:
    texts_of = [(key, dump(value).decode()) for key, value in pairs]
    inner = f"{space},{space}".join(
        f"{json.dumps(key)}{space}:{space}{text}" for key, text in texts_of
    )
    assert members(f"{space}{{{space}{inner}{space}}}{space}") == texts_of


@given(st.lists(values, max_size=5), spaces)
def test_elements_have_the_meaning_of_the_list(items: list[Any], space: str) -> None:
    written = [dump(item).decode() for item in items]
    assert elements(f"[{space}{f'{space},{space}'.join(written)}{space}]") == written


@pytest.mark.req("TF-21", "TF-22")
@given(objects, objects, number_texts)
def test_merge_has_the_meaning_of_replacing_fields(
    stored: dict[str, Any], patch: dict[str, Any], number: str
) -> None:
    one = f'{{"number":{number}{"," if stored else ""}{dump(stored).decode()[1:]}'
    other = dump(patch).decode()
    expected = {**loads(one), **loads(other)}
    removed = {key for key, value in loads(other).items() if value is None}
    merged = loads(merge_patch(one, other))
    assert merged == {key: value for key, value in expected.items() if key not in removed}
    kept = [key for key in loads(one) if key in merged]
    assert list(merged)[: len(kept)] == kept


@given(objects, objects)
def test_merging_twice_is_merging_once(stored: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(dump(stored).decode(), dump(patch).decode())
    assert merge_patch(once, dump(patch).decode()) == once


@given(values, st.randoms())
def test_fingerprint_does_not_depend_on_layout_or_order(value: Any, random: Any) -> None:
    def shuffled(part: Any) -> Any:
        if isinstance(part, dict):
            keys = list(part)
            random.shuffle(keys)
            return {key: shuffled(part[key]) for key in keys}
        return [shuffled(item) for item in part] if isinstance(part, list) else part

    assert fingerprint(dump(value)) == fingerprint(b" " + dump(shuffled(value)) + b"\n")


@given(number_texts, number_texts)
def test_fingerprints_of_numbers_are_equal_when_the_numbers_are(one: str, other: str) -> None:
    equal = Decimal(one) == Decimal(other)
    assert (fingerprint(f"[{one}]") == fingerprint(f"[{other}]")) == equal


@given(decimals, st.integers(-45, 45))
def test_fingerprint_of_a_number_does_not_depend_on_its_writing(
    number: Decimal, shift: int
) -> None:
    digits = f"{number:f}"
    moved = f"{number.scaleb(shift):f}e{-shift}" if len(digits) < 20 else digits
    assert fingerprint(f"[{digits}]") == fingerprint(f"[{moved}]")


@given(values, values)
def test_fingerprints_of_different_values_differ(one: Any, other: Any) -> None:
    same = _comparable(one) == _comparable(other)
    assert (fingerprint(dump(one)) == fingerprint(dump(other))) == same


def _comparable(value: Any) -> Any:
    """A value in which True is not 1."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return value


@pytest.mark.req("TY-03")
@given(
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001 - the zone is added below
    st.sampled_from(["", "Z"]),
)
def test_every_utc_time_is_read_back(moment: datetime, designator: str) -> None:
    assert parse_datetime(f"{moment.isoformat()}{designator}") == moment.replace(tzinfo=UTC)


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_no_numeric_offset_is_read(moment: datetime, minutes: int) -> None:
    sign, offset = "-" if minutes < 0 else "+", timedelta(minutes=abs(minutes))
    hours = f"{offset.seconds // 3600:02}:{offset.seconds // 60 % 60:02}"
    with pytest.raises(ValueError, match="DateTime"):
        parse_datetime(f"{moment.isoformat()}{sign}{hours}")


@given(
    st.integers(0, 2**63 - 1),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(1, 1000),
    st.lists(
        st.tuples(texts.filter(lambda name: name not in {"offset", "limit", "cursor"}), texts)
    ),
)
def test_link_leads_back_to_its_page(
    serial: int, total: int, offset: int, limit: int, filters: list[tuple[str, str]]
) -> None:
    filters = [pair for pair in filters if pair[0] not in {"date_from", "date_to"}]
    cursor = Cursor(serial, total)
    url = next_url("https://hub.example/x", filters, offset=offset, limit=limit, cursor=cursor)
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    page = parse_page(query, maximum=1000)
    assert len(url) <= MAX_URL
    assert (page.offset, page.limit, page.cursor) == (offset, limit, cursor)


@given(st.data())
def test_broken_cdr_is_refused_with_a_short_message_or_found_faulty(data: st.DataObject) -> None:
    cdr = json.loads(json.dumps(make_cdr()), parse_float=Decimal)
    part: Any = cdr
    for _ in range(data.draw(st.integers(0, 4))):
        nested = [key for key, item in _items(part) if isinstance(item, dict | list) and item]
        if not nested:
            break
        part = part[data.draw(st.sampled_from(nested))]
    part[data.draw(st.sampled_from([key for key, _ in _items(part)]))] = data.draw(values)
    refusal = _refusal(lambda: parse_object(dump(cdr), CDR, max_depth=64))
    if refusal is not None:
        assert 0 < len(refusal.message) <= MAX_MESSAGE
        assert (refusal.http_status, refusal.status_code) == (200, 2001)


def _refusal(call: Callable[[], object]) -> InvalidRequest | None:
    try:
        call()
    except InvalidRequest as refusal:
        return refusal
    return None


def _items(part: Any) -> list[tuple[Any, Any]]:
    return list(part.items()) if isinstance(part, dict) else list(enumerate(part))
