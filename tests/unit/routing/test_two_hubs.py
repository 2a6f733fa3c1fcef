"""Another hub as a platform: what comes from behind it, what goes there, and what does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from ocpi_hub.authorization.candidates import Refuse, addressed, strangers
from ocpi_hub.directory.snapshot import CredentialsKind, IssuedCredentials
from ocpi_hub.domain.message import Message, MessageIds
from ocpi_hub.domain.party import CredentialsToken, InterfaceRole, PartyId, Role
from ocpi_hub.errors import (
    HubRoutingError,
    NotPermitted,
    ReceiverNotConnected,
)
from ocpi_hub.routing.addressees import askable
from ocpi_hub.routing.route import Broadcast, ToParty, check_caller, route
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import owners_shown_to
from ocpi_hub.server.inbound import Caller, read_message, read_target
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_message, make_platform
from tests.support.postgres import make_settings

OTHER_HUB = PartyId("BE", "HUB")
FAR_CPO, FAR_EMSP, FAR_EMSP_2 = PartyId("BE", "CPO"), PartyId("BE", "MSP"), PartyId("BE", "MS2")

PEER = make_platform(
    (OTHER_HUB, Role.HUB), (FAR_CPO, Role.CPO), (FAR_EMSP, Role.EMSP), (FAR_EMSP_2, Role.EMSP)
)
OWN_CPO, OWN_EMSP = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
DIRECTORY = make_directory(PEER, OWN_CPO, OWN_EMSP)


@pytest.mark.req("RT-43", "RT-06")
@pytest.mark.parametrize(
    ("platform", "sender", "to"), [(OWN_CPO, CPO, FAR_EMSP), (PEER, FAR_CPO, EMSP)]
)
@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs"])
def test_a_party_behind_another_hub_is_a_party_as_any(
    platform: object, sender: PartyId, to: PartyId, module: str
) -> None:
    method = "POST" if module == "cdrs" else "PUT"
    host = PEER if platform is PEER else OWN_CPO
    message = make_message(host, sender, to=to, module=module, method=method)
    expected = OWN_EMSP if to == EMSP else PEER
    assert route(message, RULES[module], DIRECTORY) == ToParty(to, expected, online=True)


@pytest.mark.req("RT-43")
@pytest.mark.parametrize("module", ["locations", "sessions", "cdrs"])
def test_nothing_goes_back_to_the_hub_it_came_from(module: str) -> None:
    method = "POST" if module == "cdrs" else "PUT"
    message = make_message(PEER, FAR_CPO, to=FAR_EMSP, module=module, method=method)
    with pytest.raises(HubRoutingError, match="nothing goes back") as error:
        route(message, RULES[module], DIRECTORY)
    assert (error.value.http_status, error.value.status_code) == (200, 4000)


@pytest.mark.req("RT-43")
def test_open_routing_does_not_lead_back_either() -> None:
    message = make_message(PEER, FAR_CPO, module="cdrs", method="POST")
    with pytest.raises(HubRoutingError, match="nothing goes back"):
        route(message, RULES["cdrs"], DIRECTORY, content_party=FAR_EMSP)
    assert askable(RULES["commands"].module, FAR_EMSP, DIRECTORY) == [CPO]


@pytest.mark.req("RT-43", "RT-26", "RT-27")
def test_a_broadcast_from_behind_another_hub_reaches_the_parties_here_only() -> None:
    message = make_message(PEER, FAR_CPO, to=HUB, module="locations")
    assert route(message, RULES["locations"], DIRECTORY) == Broadcast((EMSP,))


@pytest.mark.req("RT-26")
def test_a_broadcast_reaches_parties_behind_another_hub_but_not_that_hub() -> None:
    message = make_message(OWN_CPO, CPO, to=HUB, module="locations")
    decided = route(message, RULES["locations"], DIRECTORY)
    assert decided == Broadcast((FAR_EMSP_2, FAR_EMSP, EMSP))
    with pytest.raises(ReceiverNotConnected, match="no relation"):
        route(make_message(OWN_CPO, CPO, to=OTHER_HUB, module="locations"),
              RULES["locations"], DIRECTORY)  # fmt: skip


@pytest.mark.req("RT-43", "RT-39")
def test_what_one_hub_brought_is_not_listed_to_it() -> None:
    assert owners_shown_to(FAR_EMSP, RULES["locations"], DIRECTORY) == [CPO]
    assert owners_shown_to(EMSP, RULES["locations"], DIRECTORY) == [FAR_CPO, CPO]


@pytest.mark.req("RT-43")
def test_an_authorization_does_not_go_back_either() -> None:
    settings = make_settings()
    refused = addressed(FAR_CPO, FAR_EMSP, DIRECTORY, settings)
    assert isinstance(refused, Refuse)
    assert refused.error.status_code == 4003
    asked = strangers(FAR_CPO, PEER, DIRECTORY, settings, store_answered=True)
    assert isinstance(asked, tuple)
    assert [candidate.emsp for candidate in asked] == [EMSP]


def test_two_parties_of_a_platform_that_is_no_hub_may_use_this_one_between_them() -> None:
    both = make_platform((CPO, Role.CPO), (EMSP, Role.EMSP))
    message = make_message(both, CPO, to=EMSP, module="cdrs", method="POST")
    decided = route(message, RULES["cdrs"], make_directory(both))
    assert decided == ToParty(EMSP, both, online=True)


def test_another_hub_itself_owns_nothing() -> None:
    message = make_message(PEER, OTHER_HUB, to=EMSP, module="locations")
    with pytest.raises(NotPermitted):
        check_caller(message, RULES["locations"], DIRECTORY)


def received(sender: PartyId, *, platform: object = PEER) -> Message:
    """A request of the other hub (or of a platform) that names this party as FROM."""
    host = PEER if platform is PEER else OWN_EMSP
    token = CredentialsToken("t")
    issued = IssuedCredentials(
        token.sha256, host.platform_id, CredentialsKind.ACCESS, None, expires_at=None
    )
    headers: Mapping[str, str] = {
        "OCPI-from-country-code": sender.country_code,
        "OCPI-from-party-id": sender.party_id,
    }
    path = "/ocpi/2.2.1/receiver/locations/NL/CPO/L1"
    request = make_mocked_request("PUT", path, CIMultiDict(headers))
    caller = Caller(host, issued, token, DIRECTORY)
    return read_message(request, read_target(path), caller, MessageIds("r", "c"), b"{}")


@pytest.mark.req("RT-43")
@pytest.mark.parametrize("sender", [CPO, EMSP, HUB], ids=str)
def test_what_comes_back_from_another_hub_is_a_loop_and_refused(sender: PartyId) -> None:
    with pytest.raises(HubRoutingError, match="loop") as error:
        received(sender)
    assert (error.value.http_status, error.value.status_code) == (200, 4000)


@pytest.mark.req("RT-43", "RT-03")
def test_from_is_any_party_that_the_other_hub_has_listed_and_nobody_else() -> None:
    assert received(FAR_CPO).sender == FAR_CPO
    with pytest.raises(NotPermitted):
        received(PartyId("BE", "XXX"))
    with pytest.raises(NotPermitted):
        received(CPO, platform=OWN_EMSP)


@pytest.mark.req("RT-43")
def test_the_interface_is_kept_through() -> None:
    message = make_message(OWN_CPO, CPO, to=FAR_EMSP, method="GET",
                           interface_role=InterfaceRole.SENDER)  # fmt: skip
    assert route(message, RULES["tokens"], DIRECTORY) == ToParty(FAR_EMSP, PEER, online=True)
