from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import (
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    UnknownToken,
)
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.exchange import Answer, Inbound, interface_of
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.modules import Modules
from tests.support.party import make_cdr, make_token, party_role

BOTH = (party_role("CPO", "NL*CPO"), party_role("EMSP", "DE*MSP"))


class Party:
    """What a platform holds, and what it answers."""

    def __init__(self, **overrides: Any) -> None:
        config = PartyConfig(**{"parties": BOTH, **overrides})
        self.held = Holdings(config.parties)
        self.modules = Modules(config, Listener("127.0.0.1", 8000), self.held)

    def answer(self, request: Inbound) -> Answer:
        return self.modules.answer(request)


def make_request(
    method: str, path: str, body: object = None, *, to: str = "", text: str | None = None
) -> Inbound:
    """A request for a path below the version, with a query if it has one."""
    parts = urlsplit(f"/ocpi/2.2.1/{path}")
    module, role, tail = interface_of(parts.path)
    country_code, _, party_id = to.partition("*")
    headers = {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id} if to else {}
    if text is None:
        text = "" if body is None else json.dumps(body)
    return Inbound(
        method=method,
        path=parts.path,
        module=module,
        role=role,
        tail=tail,
        query=dict(parse_qsl(parts.query)),
        query_string=parts.query,
        headers=headers,
        body=text.encode(),
        ids=MessageIds("request", "correlation"),
    )


def data(answer: Answer) -> Any:
    return json.loads(answer.body)["data"]


def uids(answer: Answer) -> list[str]:
    return [token["uid"] for token in data(answer)]


@pytest.fixture
def party() -> Party:
    made = Party(page_limit=2)
    for day in range(1, 6):
        made.held.load_token(make_token(f"U{day}", last_updated=f"2026-01-0{day}T00:00:00Z"))
    return made


@pytest.mark.req("TF-14", "TF-15", "TF-16")
def test_pages_follow_links_that_repeat_the_filters(party: Party) -> None:
    seen, path = [], "sender/tokens?date_from=2026-01-02T00:00:00Z"
    while True:
        answer = party.answer(make_request("GET", path))
        assert answer.headers["X-Total-Count"] == "4"
        assert answer.headers["X-Limit"] == "2"
        seen += uids(answer)
        link = next_link(answer.headers.get("Link"))
        if link is None:
            break
        assert link.startswith("http://127.0.0.1:8000/ocpi/2.2.1/sender/tokens?")
        path = f"sender/tokens?{urlsplit(link).query}"
    assert seen == ["U2", "U3", "U4", "U5"]


@pytest.mark.req("TF-13")
def test_date_from_is_inclusive_and_date_to_exclusive(party: Party) -> None:
    path = "sender/tokens?date_from=2026-01-02T00:00:00&date_to=2026-01-03T00:00:00Z"
    assert uids(party.answer(make_request("GET", path))) == ["U2"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "offset=-1", "date_from=yesterday", "limit=9999999999999999"]
)
def test_unusable_parameters_answer_2001(party: Party, query: str) -> None:
    with pytest.raises(InvalidRequest):
        party.answer(make_request("GET", f"sender/tokens?{query}"))


def test_offset_beyond_the_end_is_an_empty_page(party: Party) -> None:
    answer = party.answer(make_request("GET", "sender/tokens?offset=50"))
    assert data(answer) == []
    assert "Link" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "sender/parking", NotFound),
        ("GET", "sender/tokens/UID", NotFound),
        ("PUT", "sender/tokens", MethodNotAllowed),
        ("DELETE", "receiver/tokens/DE/MSP/U1", MethodNotAllowed),
        ("PUT", "receiver/cdrs", MethodNotAllowed),
        ("GET", "receiver/cdrs/7", NotFound),
        ("GET", "receiver/cdrs/x", NotFound),
        ("GET", "receiver/tokens/DE/MSP/NOBODY", UnknownToken),
    ],
)
def test_what_is_not_there_is_refused(
    party: Party, method: str, path: str, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        party.answer(make_request(method, path))


def test_left_out_interfaces_are_neither_listed_nor_answered() -> None:
    party = Party(left_out=frozenset({("cdrs", InterfaceRole.RECEIVER)}))
    listed = {(entry["identifier"], entry["role"]) for entry in party.modules.endpoints()}
    assert listed == {
        ("locations", "SENDER"),
        ("locations", "RECEIVER"),
        ("tokens", "SENDER"),
        ("tokens", "RECEIVER"),
        ("tariffs", "SENDER"),
        ("tariffs", "RECEIVER"),
        ("sessions", "SENDER"),
        ("sessions", "RECEIVER"),
        ("cdrs", "SENDER"),
        ("commands", "SENDER"),
        ("commands", "RECEIVER"),
        ("chargingprofiles", "SENDER"),
        ("chargingprofiles", "RECEIVER"),
        ("hubclientinfo", "RECEIVER"),
    }
    with pytest.raises(NotFound):
        party.answer(make_request("POST", "receiver/cdrs", make_cdr()))


def test_sender_and_receiver_have_different_urls() -> None:
    urls = [e["url"] for e in Party().modules.endpoints() if e["identifier"] == Module.TOKENS]
    assert len(set(urls)) == 2


def test_to_must_be_a_party_of_the_platform(party: Party) -> None:
    with pytest.raises(InvalidRequest):
        party.answer(make_request("GET", "sender/tokens", to="FR*XXX"))
    assert party.modules.answerer(make_request("GET", "sender/tokens")) == PartyId("DE", "MSP")
    assert party.modules.answerer(make_request("GET", "sender/cdrs")) == PartyId("NL", "CPO")


def test_to_selects_whose_objects_are_listed() -> None:
    parties = (party_role("EMSP", "DE*MSP"), party_role("EMSP", "DE*TWO"))
    party = Party(parties=parties)
    party.held.load_token(make_token("A"))
    party.held.load_token(make_token("B", "DE*TWO"))
    assert uids(party.answer(make_request("GET", "sender/tokens", to="DE*TWO"))) == ["B"]
    assert uids(party.answer(make_request("GET", "sender/tokens"))) == ["A", "B"]
    with pytest.raises(UnknownToken):
        party.answer(make_request("POST", "sender/tokens/A/authorize", to="DE*TWO"))


def test_authorize_finds_a_token_by_uid_and_type(party: Party) -> None:
    party.held.load_token(make_token("APP", type="APP_USER"))
    with pytest.raises(UnknownToken):
        party.answer(make_request("POST", "sender/tokens/APP/authorize"))
    answer = party.answer(make_request("POST", "sender/tokens/app/authorize?type=APP_USER"))
    assert data(answer)["token"]["uid"] == "APP"


def test_authorization_references_are_unique(party: Party) -> None:
    request = make_request("POST", "sender/tokens/U1/authorize")
    references = {data(party.answer(request))["authorization_reference"] for _ in range(50)}
    assert len(references) == 50
    assert all(len(reference) <= 36 for reference in references)


def test_put_creates_then_replaces_and_patch_changes_what_it_names(party: Party) -> None:
    path = "receiver/tokens/FR/AAA/T1"
    token = make_token("T1", "FR*AAA", visual_number="1")
    assert party.answer(make_request("PUT", path, token)).http_status == 201
    assert party.answer(make_request("PUT", path, token)).http_status == 200
    changes = {"valid": False, "last_updated": "2026-02-01T00:00:00Z"}
    assert party.answer(make_request("PATCH", path, changes)).accepted
    assert data(party.answer(make_request("GET", path))) == {**token, **changes}


@pytest.mark.parametrize(
    ("method", "body", "error"),
    [
        ("PUT", make_token("OTHER", "FR*AAA"), InvalidRequest),
        ("PUT", make_token("T1", "FR*BBB"), InvalidRequest),
        ("PUT", {"uid": "T1"}, InvalidRequest),
        ("PUT", [], InvalidRequest),
        ("PATCH", {"valid": False}, InvalidRequest),
        ("PATCH", {"last_updated": "2026-02-01T00:00:00Z"}, UnknownToken),
    ],
)
def test_unfit_token_bodies_are_refused(
    party: Party, method: str, body: object, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        party.answer(make_request(method, "receiver/tokens/FR/AAA/T1", body))
    assert len(party.held.cached) == 0


def test_type_parameter_must_agree_with_the_body(party: Party) -> None:
    path = "receiver/tokens/FR/AAA/T1?type=APP_USER"
    with pytest.raises(InvalidRequest):
        party.answer(make_request("PUT", path, make_token("T1", "FR*AAA")))


def test_text_that_is_no_json_is_malformed(party: Party) -> None:
    with pytest.raises(MalformedJson):
        party.answer(make_request("POST", "receiver/cdrs", text="{"))


def test_cdr_is_stored_once_and_counted(party: Party) -> None:
    text = json.dumps(make_cdr())
    first = party.answer(make_request("POST", "receiver/cdrs", text=text))
    spaced = party.answer(make_request("POST", "receiver/cdrs", text=text.replace(",", " ,")))
    assert (first.http_status, first.note) == (201, None)
    assert (spaced.http_status, spaced.note) == (200, "duplicate")
    location = first.headers["Location"]
    assert spaced.headers["Location"] == location
    with pytest.raises(InvalidRequest):
        party.answer(make_request("POST", "receiver/cdrs", make_cdr(total_energy=12)))
    copy = party.answer(make_request("GET", location.partition("/2.2.1/")[2]))
    assert text.encode() in copy.body
    (held,) = party.held.cdrs.received()
    assert (held.count, held.conflicts, held.text) == (2, 1, text)


def test_cdr_for_another_emsp_is_refused(party: Party) -> None:
    with pytest.raises(InvalidRequest):
        party.answer(make_request("POST", "receiver/cdrs", make_cdr(receiver="FR*XXX")))
    assert party.held.cdrs.received() == []


def test_loaded_cdrs_are_listed_with_their_own_text(party: Party) -> None:
    text = json.dumps(make_cdr()).replace("3.99", "3.9900")
    party.held.load_cdr(text)
    answer = party.answer(make_request("GET", "sender/cdrs", to="NL*CPO"))
    assert text.encode() in answer.body


def test_only_own_objects_can_be_loaded(party: Party) -> None:
    with pytest.raises(InvalidRequest):
        party.held.load_token(make_token("A", "NL*CPO"))
    with pytest.raises(InvalidRequest):
        party.held.load_cdr(json.dumps(make_cdr(owner="DE*MSP")))


def test_own_objects_change_as_they_would_at_the_peer(party: Party) -> None:
    changes = {"valid": False, "last_updated": "2026-02-01T00:00:00Z"}
    party.held.change(make_request("PATCH", "receiver/tokens/DE/MSP/U1", changes))
    entry = party.held.issued.get(PartyId("DE", "MSP"), "U1", "RFID")
    assert entry is not None
    assert not entry.valid
    party.held.change(make_request("POST", "receiver/cdrs", make_cdr()))
    assert len(list(party.held.cdrs.listed())) == 1
    with pytest.raises(InvalidRequest):
        party.held.change(make_request("PUT", "receiver/tokens/FR/AAA/T1", make_token("T1")))
