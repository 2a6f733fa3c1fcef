"""What partners claim, and the tokens they get."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.credentials import Credentials
from ocpi_hub.registration.claims import MAX_ROLES, claimed_roles, new_token
from tests.support.scripted_partner import role_of

HUB = PartyId("EU", "HUB")


def make_credentials(*roles: dict[str, object]) -> Credentials:
    body = {"token": "t", "url": "https://partner.example/versions", "roles": list(roles)}
    return parse_object(json.dumps(body).encode(), Credentials, max_depth=32).value


@pytest.mark.req("CR-17")
def test_tokens_differ_and_are_printable_ascii_of_at_most_64_characters() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(0 < len(token) <= 64 for token in tokens)
    assert all("\x21" <= character <= "\x7e" for token in tokens for character in token)


@pytest.mark.req("CR-19")
def test_one_party_may_hold_several_roles_and_one_role_several_parties() -> None:
    roles = (role_of("NL*CPO", "CPO"), role_of("NL*CPO", "EMSP"), role_of("NL*TWO", "CPO"))
    claimed = claimed_roles(make_credentials(*roles), HUB)
    assert [(str(held.party), held.role) for held in claimed] == [
        ("NL*CPO", Role.CPO),
        ("NL*CPO", Role.EMSP),
        ("NL*TWO", Role.CPO),
    ]


def test_party_ids_are_folded_and_business_details_kept_as_they_came() -> None:
    details = {"name": "Charge Co", "website": "https://charge.example", "extra": {"a": 1.50}}
    (held,) = claimed_roles(
        make_credentials({**role_of("nl*cpo"), "business_details": details}), HUB
    )
    assert held.party == PartyId("NL", "CPO")
    assert json.loads(held.business_details) == details


@pytest.mark.parametrize("party", ["EU*HUB", "eu*hub"])
def test_the_hubs_own_party_cannot_be_claimed(party: str) -> None:
    with pytest.raises(InvalidRequest, match="this hub itself"):
        claimed_roles(make_credentials(role_of(party)), HUB)


@pytest.mark.req("RT-43")
def test_another_hub_claims_itself_and_the_parties_behind_it() -> None:
    roles = (role_of("BE*HUB", "HUB"), role_of("BE*CPO", "CPO"))
    claimed = claimed_roles(make_credentials(*roles), HUB)
    assert [(str(held.party), held.role) for held in claimed] == [
        ("BE*HUB", Role.HUB),
        ("BE*CPO", Role.CPO),
    ]


def test_another_hub_alone_is_told_to_list_the_parties_behind_it() -> None:
    with pytest.raises(InvalidRequest, match="list the parties behind it"):
        claimed_roles(make_credentials(role_of("BE*HUB", "HUB")), HUB)


def test_the_number_of_roles_is_limited() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    many = [role_of(f"NL*{a}{b}{c}") for a in "ABC" for b in alphabet for c in alphabet]
    with pytest.raises(InvalidRequest, match=str(MAX_ROLES)):
        claimed_roles(make_credentials(*many[: MAX_ROLES + 1]), HUB)
