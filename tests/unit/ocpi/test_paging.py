from __future__ import annotations

import base64
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.paging import Cursor, PageRequest, next_url, parse_page

BASE = "https://hub.example/ocpi/2.2.1/sender/tokens"
HERE = Cursor(after_serial=981_234_567, total=1_000_000)


def query_of(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


@pytest.mark.req("TF-12", "TF-14")
def test_no_parameters_ask_for_the_first_page_of_the_maximum() -> None:
    assert parse_page([], maximum=500) == PageRequest(None, None, 0, 500)


@pytest.mark.req("TF-14")
def test_limit_above_the_maximum_is_lowered() -> None:
    assert parse_page([("limit", "501")], maximum=500).limit == 500
    assert parse_page([("limit", "7"), ("offset", "14")], maximum=500) == PageRequest(
        None, None, 14, 7
    )


@pytest.mark.req("TY-03", "TF-13")
def test_dates_are_read_as_utc() -> None:
    page = parse_page(
        [("date_from", "2026-01-02T03:04:05"), ("date_to", "2026-01-03T00:00:00.5Z")], maximum=10
    )
    assert page.date_from == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert page.date_to == datetime(2026, 1, 3, 0, 0, 0, 500_000, tzinfo=UTC)


def test_first_one_of_a_repeated_parameter_counts() -> None:
    assert parse_page([("offset", "1"), ("offset", "2")], maximum=10).offset == 1


@pytest.mark.req("ER-11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offset", "-1"),
        ("offset", "1.0"),
        ("offset", ""),
        ("offset", "٣"),
        ("offset", "1" * 16),
        ("limit", "0"),
        ("limit", "-5"),
        ("limit", "ten"),
        ("limit", " 1"),
        ("date_from", "2026-01-01"),
        ("date_from", "2026-01-01T00:00:00+01:00"),
        ("date_to", ""),
        ("cursor", ""),
        ("cursor", "x"),
        ("cursor", "ü"),
        ("cursor", "A" * 43),
        ("cursor", "A" * 4000),
    ],
)
def test_bad_value_is_refused_with_2001(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{name}: ") as refusal:
        parse_page([(name, value)], maximum=10)
    assert (refusal.value.http_status, refusal.value.status_code) == (200, 2001)


@pytest.mark.req("TF-16")
def test_next_url_repeats_the_filters_and_carries_the_cursor() -> None:
    query = [("date_from", "2026-01-01T00:00:00Z"), ("offset", "0"), ("limit", "100"), ("x", "ä&b")]
    url = next_url(BASE, query, offset=100, limit=100, cursor=HERE)
    assert url.startswith(BASE + "?")
    repeated = query_of(url)
    assert repeated[:-1] == [
        ("date_from", "2026-01-01T00:00:00Z"),
        ("x", "ä&b"),
        ("offset", "100"),
        ("limit", "100"),
    ]
    assert parse_page(repeated, maximum=100) == PageRequest(
        datetime(2026, 1, 1, tzinfo=UTC), None, 100, 100, HERE
    )


@pytest.mark.req("TF-18")
def test_cursor_is_left_out_of_account_at_another_offset() -> None:
    pairs = dict(query_of(next_url(BASE, [], offset=100, limit=100, cursor=HERE)))
    page = parse_page(list({**pairs, "offset": "99"}.items()), maximum=100)
    assert (page.offset, page.cursor) == (99, None)


def test_cursor_is_left_out_of_account_under_other_filters() -> None:
    pairs = query_of(next_url(BASE, [], offset=100, limit=100, cursor=HERE))
    page = parse_page([("date_from", "2026-01-01T00:00:00Z"), *pairs], maximum=100)
    assert page.cursor is None


def test_cursor_holds_at_another_limit() -> None:
    pairs = dict(query_of(next_url(BASE, [], offset=100, limit=100, cursor=HERE)))
    assert parse_page(list({**pairs, "limit": "5"}.items()), maximum=100).cursor == HERE


def test_changed_cursor_is_refused() -> None:
    text = dict(query_of(next_url(BASE, [], offset=1, limit=1, cursor=HERE)))["cursor"]
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for index in range(len(raw)):
        changed = bytearray(raw)
        changed[index] ^= 1
        other = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        with pytest.raises(InvalidRequest, match=r"^cursor: "):
            parse_page([("offset", "1"), ("cursor", other)], maximum=10)


@pytest.mark.req("TY-07")
def test_next_url_has_at_most_255_characters() -> None:
    dates = [("date_from", "2026-01-01T00:00:00Z"), ("date_to", "2026-02-01T00:00:00.123456789Z")]
    url = next_url(BASE, dates, offset=10**14, limit=10**4, cursor=Cursor(2**63 - 1, 10**12))
    assert len(url) <= 255
    assert parse_page(query_of(url), maximum=10**4).cursor == Cursor(2**63 - 1, 10**12)


@pytest.mark.req("TY-07")
def test_next_url_drops_unknown_parameters_then_the_cursor_to_stay_short() -> None:
    dates = [("date_from", "2026-01-01T00:00:00Z")]
    url = next_url(BASE, [*dates, ("x", "y" * 300)], offset=1, limit=1, cursor=HERE)
    assert len(url) <= 255
    assert parse_page(query_of(url), maximum=1).cursor == HERE
    long_base = "https://hub.example/" + "p" * 160
    url = next_url(long_base, dates, offset=1, limit=1, cursor=HERE)
    assert len(url) <= 255
    assert query_of(url) == [*dates, ("offset", "1"), ("limit", "1")]


def test_next_url_without_cursor_carries_none() -> None:
    assert next_url(BASE, [], offset=2, limit=1, cursor=None) == f"{BASE}?offset=2&limit=1"


def test_fraction_of_a_date_that_counts_for_nothing_is_left_out() -> None:
    query = [("date_from", "2026-01-01T00:00:00." + "1" * 300 + "Z")]
    url = next_url(BASE, query, offset=1, limit=1, cursor=HERE)
    pairs = query_of(url)
    assert pairs[0] == ("date_from", "2026-01-01T00:00:00.111111Z")
    assert parse_page(pairs, maximum=1).cursor == HERE
