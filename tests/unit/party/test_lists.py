"""What a platform publishes of its own, and what it keeps of a peer's list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.domain.party import InterfaceRole, Module
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.lists import own_pushes
from ocpi_hub.party.outbox import SendRequest
from tests.support.party import make_cdr, make_location, make_session, make_token, party_role
from tests.unit.ocpi.factories import make_tariff
from tests.unit.party.stepping import Platform, make_peer

BOTH = (party_role("CPO", "NL*CPO"), party_role("EMSP", "DE*MSP"))


def sent_headers(platform: Platform) -> list[dict[str, str | None]]:
    return [dict(request.headers) for request in platform.client.sent]


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("locations", "NL/CPO/L%2F1"),
        ("tariffs", "NL/CPO/T%2F1"),
        ("tokens", "DE/MSP/U%2F1"),
        ("sessions", "NL/CPO/S%2F1"),
        ("cdrs", ""),
    ],
)
def test_every_own_object_is_pushed_to_its_place(module: str, path: str) -> None:
    held = Holdings(BOTH)
    held.load_location(json.dumps(make_location("L/1")))
    held.load_tariff(json.dumps(make_tariff(id="T/1")))
    held.load_token(make_token("U/1", type="APP_USER"))
    held.load_session(json.dumps(make_session("S/1", receiver="FR*OTH")))
    held.load_cdr(json.dumps(make_cdr(receiver="FR*OTH")))
    (push,) = own_pushes(held, module, None)
    assert (push.module, push.path) == (module, path)
    assert push.query == ({"type": "APP_USER"} if module == "tokens" else {})
    addressed = module in ("sessions", "cdrs")
    assert str(push.to) == ("FR*OTH" if addressed else "None")
    assert str(push.sender) == ("DE*MSP" if module == "tokens" else "NL*CPO")


def test_a_module_without_objects_is_not_published() -> None:
    with pytest.raises(InvalidRequest):
        own_pushes(Holdings(BOTH), "commands", None)


@pytest.mark.parametrize(
    ("module", "good", "bad"),
    [
        (Module.TOKENS, make_token(), {"uid": "U"}),
        (Module.LOCATIONS, make_location(), make_location(coordinates=None)),
        (Module.TARIFFS, make_tariff(), make_tariff(elements=[])),
        (Module.SESSIONS, make_session(), make_session(status=None)),
        (Module.CDRS, make_cdr(), 7),
    ],
)
def test_an_unusable_object_of_a_list_does_not_cost_the_others(
    module: Module, good: dict[str, Any], bad: object
) -> None:
    held = Holdings(BOTH)
    assert len(held.keep(module, [bad, good])) == 1
    kept = [
        *held.cached,
        *held.cached_locations,
        *held.cached_tariffs,
        *held.cached_sessions,
        *held.cdrs.received(),
    ]
    assert len(kept) == 1


def test_a_cdr_found_on_a_list_is_no_delivery() -> None:
    held = Holdings(BOTH)
    held.keep(Module.CDRS, [make_cdr()])
    (cdr,) = held.cdrs.received()
    assert cdr.count == 0
    assert held.cdrs.receive(make_cdr(), json.dumps(make_cdr())).count == 1
    (message,) = held.keep(Module.CDRS, [make_cdr(total_energy=12.0)])
    assert "other content" in message


async def test_without_a_hub_the_only_party_of_the_peer_is_addressed() -> None:
    platform = Platform()
    await platform.outbox.send(SendRequest(module="tokens", role=InterfaceRole.SENDER))
    await platform.outbox.send(SendRequest(module="hubclientinfo", role=InterfaceRole.SENDER))
    functional, configuration = sent_headers(platform)
    assert functional == {
        "OCPI-to-country-code": "DE",
        "OCPI-to-party-id": "MSP",
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "CPO",
    }
    assert configuration == {}


@pytest.mark.parametrize(
    ("roles", "audience"),
    [
        ((("EMSP", "DE*MSP"), ("CPO", "DE*MSP")), "DE*MSP"),
        ((("EMSP", "DE*MSP"), ("EMSP", "FR*OTH")), "None"),
        ((("HUB", "EU*HUB"),), "EU*HUB"),
        ((("EMSP", "DE*MSP"), ("HUB", "EU*HUB")), "EU*HUB"),
        ((("EMSP", "nobody*"),), "None"),
    ],
)
def test_what_concerns_everybody_goes_to_the_hub_or_the_only_party(
    roles: tuple[tuple[str, str], ...], audience: str
) -> None:
    assert str(Platform(make_peer(*roles)).outbox.audience()) == audience


async def test_a_hub_is_left_to_find_out_who_is_meant() -> None:
    platform = Platform(make_peer(("HUB", "EU*HUB")))
    await platform.outbox.send(SendRequest(module="tokens", role=InterfaceRole.SENDER))
    (headers,) = sent_headers(platform)
    assert headers == {"OCPI-from-country-code": "NL", "OCPI-from-party-id": "CPO"}
