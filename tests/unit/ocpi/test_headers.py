from __future__ import annotations

import base64
import uuid

import pytest

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi import headers


@pytest.mark.req("TF-02")
@pytest.mark.parametrize("token", ["a", "ab", "abc", "t0ken~!", "ü"])
def test_authorization_is_padded_base64_of_the_token(token: str) -> None:
    scheme, space, encoded = headers.authorization(token).partition(" ")
    assert (scheme, space) == ("Token", " ")
    assert len(encoded) % 4 == 0
    assert base64.b64decode(encoded, validate=True).decode() == token


@pytest.mark.req("TF-03", "TF-04")
def test_token_of_a_header_is_read_as_base64_first_then_raw() -> None:
    assert list(headers.token_candidates("Token YWJj")) == ["abc", "YWJj"]
    assert list(headers.token_candidates(headers.authorization("abc"))) == ["abc", "YWJj"]


@pytest.mark.req("TF-04")
@pytest.mark.parametrize("raw", ["not-base64", "abc", "____", "gICA"])
def test_token_that_is_no_base64_of_text_is_read_raw(raw: str) -> None:
    assert list(headers.token_candidates(f"Token {raw}")) == [raw]


@pytest.mark.req("TF-04")
def test_raw_authorization_for_partners_that_do_not_decode() -> None:
    assert headers.authorization("abc", raw=True) == "Token abc"


@pytest.mark.req("TF-05")
def test_one_trailing_newline_inside_the_base64_is_dropped() -> None:
    one = base64.b64encode(b"abc\n").decode()
    two = base64.b64encode(b"abc\n\n").decode()
    assert next(headers.token_candidates(f"Token {one}")) == "abc"
    assert next(headers.token_candidates(f"Token {two}")) == "abc\n"


@pytest.mark.req("TF-03")
@pytest.mark.parametrize(
    "header", [None, "", "Token", "Token ", "Bearer YWJj", "YWJj", "Token a b", "Token  YWJj"]
)
def test_other_headers_hold_no_token(header: str | None) -> None:
    assert list(headers.token_candidates(header)) == []


def test_scheme_is_case_insensitive_and_the_token_is_not() -> None:
    assert list(headers.token_candidates("token YWJj")) == ["abc", "YWJj"]
    assert list(headers.token_candidates("Token ywjj"))[-1] == "ywjj"


def test_message_ids_are_those_of_the_request() -> None:
    given = {headers.REQUEST_ID: "r-1", headers.CORRELATION_ID: "c-1"}
    ids = headers.message_ids(given)
    assert ids == MessageIds("r-1", "c-1")
    assert headers.id_headers(ids) == given


@pytest.mark.req("TF-32")
@pytest.mark.parametrize("value", [None, "", "a b", "x" * 201, "é", "a\x00"])
def test_missing_and_unusable_message_ids_are_made_up(value: str | None) -> None:
    given = {} if value is None else {headers.REQUEST_ID: value, headers.CORRELATION_ID: value}
    ids = headers.message_ids(given)
    assert uuid.UUID(ids.request_id) != uuid.UUID(ids.correlation_id)


def test_routing_pair_is_a_party() -> None:
    given = {headers.TO_COUNTRY: "nl", headers.TO_PARTY: " Cpo "}
    assert headers.routing_pair(given, headers.TO_COUNTRY, headers.TO_PARTY) == PartyId("NL", "CPO")


@pytest.mark.parametrize("given", [{}, {headers.TO_COUNTRY: "", headers.TO_PARTY: " "}])
def test_routing_pair_that_is_absent_is_none(given: dict[str, str]) -> None:
    assert headers.routing_pair(given, headers.TO_COUNTRY, headers.TO_PARTY) is None


@pytest.mark.parametrize(
    ("country", "party"), [("NL", ""), ("", "CPO"), ("NLD", "CPO"), ("NL", "CP"), ("NL", "C*O")]
)
def test_half_or_malformed_routing_pair_is_refused(country: str, party: str) -> None:
    given = {headers.TO_COUNTRY: country, headers.TO_PARTY: party}
    with pytest.raises(InvalidRequest, match="go together"):
        headers.routing_pair(given, headers.TO_COUNTRY, headers.TO_PARTY)


def test_routing_headers_hold_the_parties_that_are_known() -> None:
    cpo, emsp = PartyId("NL", "CPO"), PartyId("DE", "MSP")
    assert headers.routing_headers(to=None, sender=None) == {}
    assert headers.routing_headers(to=emsp, sender=cpo) == {
        "OCPI-to-country-code": "DE",
        "OCPI-to-party-id": "MSP",
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "CPO",
    }


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://a.example/?offset=1>; rel="next"', "https://a.example/?offset=1"),
        ("<https://a.example/?a=1,2;3>;rel=next", "https://a.example/?a=1,2;3"),
        ('<u1>; rel="prev", <u2>; title="x"; rel="next"; y=1', "u2"),
        ('<u1>; REL = "NEXT"', "u1"),
        ('<u1>; rel="prev"', None),
        ('<u1>; rel="nextpage"', None),
        ("<u1>; rel=nexter", None),
        ("<u1>", None),
        ("", None),
        (None, None),
    ],
)
def test_next_link(header: str | None, url: str | None) -> None:
    assert headers.next_link(header) == url
