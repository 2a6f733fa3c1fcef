"""The response_url in bodies and queries."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.response_url import read_query, replaced_in_body

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
HUB_URL = "https://hub.example/ocpi/2.2.1/sender/commands/STOP_SESSION/xyz"


@pytest.mark.req("CM-04", "RT-08")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"response_url":"https://a.example/1","n":1.50}', '{"response_url":"%s","n":1.50}'),
        ('{ "n" : 1e2,\n "response_url" : "x:\\u0079" }', '{ "n" : 1e2,\n "response_url" : "%s" }'),
        ('{"respons\\u0065_url":"x:y"}', '{"respons\\u0065_url":"%s"}'),
        (
            '{"token":{"response_url":"x:inner"},"response_url":"x:y","é":"ü"}',
            '{"token":{"response_url":"x:inner"},"response_url":"%s","é":"ü"}',
        ),
        ('{"s":"\\"response_url\\":\\"x:y\\"","response_url":"x:y","x":[]}',
         '{"s":"\\"response_url\\":\\"x:y\\"","response_url":"%s","x":[]}'),
    ],
)  # fmt: skip
def test_only_the_value_of_the_response_url_changes(before: str, after: str) -> None:
    assert replaced_in_body(before.encode(), HUB_URL).decode() == after % HUB_URL


def test_a_body_without_a_response_url_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="response_url"):
        replaced_in_body(b'{"location_id":"LOC1"}', HUB_URL)


@given(
    st.dictionaries(
        TEXT.filter(lambda name: name != "response_url"),
        st.one_of(st.integers(), TEXT),
        max_size=4,
    ),
    st.booleans(),
)
def test_whatever_else_is_in_the_body_stays(others: dict[str, object], ascii_only: bool) -> None:
    value = {**others, "response_url": "x:y"}
    body = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()
    assert json.loads(replaced_in_body(body, HUB_URL)) == {**others, "response_url": HUB_URL}


def escaped(url: str) -> str:
    return quote(url, safe="")


PLAIN = "https://msp.example/ocpi/response"


@pytest.mark.req("CP-02", "CP-03")
@pytest.mark.parametrize(
    ("query", "url"),
    [
        # As the specification's sample has it: not escaped, with a query of its own.
        (f"duration=900&response_url={PLAIN}?request_id=5678", f"{PLAIN}?request_id=5678"),
        (f"response_url={PLAIN}?a=1&b=2&duration=900", f"{PLAIN}?a=1&b=2"),
        (f"response_url={PLAIN}?a=x%20y&duration=900", f"{PLAIN}?a=x%20y"),
        (f"response_url={PLAIN}?a=x%2By%26z&duration=900", f"{PLAIN}?a=x%2By%26z"),
        (f"duration=900&response_url={PLAIN}", PLAIN),
        (f"response_url={PLAIN}/a%20b&duration=900", f"{PLAIN}/a%20b"),
        # As encoders write it.
        (f"response_url={escaped(PLAIN + '?a=1&b=2')}&duration=900", f"{PLAIN}?a=1&b=2"),
        (f"response_url={escaped(PLAIN + '?a=x%20y+z')}&duration=900", f"{PLAIN}?a=x%20y+z"),
        (f"response_url={PLAIN}?a%3D1%26b%3D2&duration=900", f"{PLAIN}?a=1&b=2"),
        (f"response_url={PLAIN}?a%3Dx%2520y&duration=900", f"{PLAIN}?a=x%20y"),
        (f"response_url={PLAIN}/c+d&duration=900", f"{PLAIN}/c+d"),
        (f"duration=900&response%5Furl={escaped(PLAIN)}", PLAIN),
    ],
)
def test_a_url_is_read_however_it_was_escaped(query: str, url: str) -> None:
    asked = read_query(query, known=("duration",))
    assert asked.response_url == url
    assert dict(asked.replaced("x:y")) == {"duration": "900", "response_url": "x:y"}


@given(
    st.from_regex(r"https://[a-z]{1,8}\.example(/[!-~]{0,20})?(\?[!-~]{0,20})?", fullmatch=True),
    st.sampled_from(["", "/", ":/?@", "!$'()*,;:@/?"]),
)
def test_every_encoder_is_understood(url: str, safe: str) -> None:
    asked = read_query(f"response_url={quote(url, safe=safe)}&duration=1", known=("duration",))
    assert asked.response_url == url


def test_other_parameters_go_on_in_their_order() -> None:
    asked = read_query(f"x=%C3%BC&response_url={escaped(PLAIN)}&duration=9&y", known=("duration",))
    replaced = asked.replaced(HUB_URL)
    assert replaced == (("x", "ü"), ("response_url", HUB_URL), ("duration", "9"), ("y", ""))
    assert tuple(parse_qsl(urlencode(replaced), keep_blank_values=True)) == replaced


@pytest.mark.parametrize(
    "query", ["", "duration=900", f"response_url={PLAIN}&response_url={PLAIN}", "response=a"]
)
def test_there_is_one_response_url(query: str) -> None:
    with pytest.raises(InvalidRequest, match="response_url"):
        read_query(query, known=("duration",))
