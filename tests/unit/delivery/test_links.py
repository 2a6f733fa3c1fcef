"""Links of relayed lists lead back through the hub and find their page again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from ocpi_hub.delivery.links import PageLinks, foreign_query
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId, Role
from ocpi_hub.errors import HubRoutingError, InvalidRequest
from ocpi_hub.routing.route import ToParty
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_message, make_platform

ENDPOINT = "https://partner.example/sender/tokens"


def mac(text: str) -> str:
    return hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()


CLOCK = ManualClock()
LINKS = PageLinks("https://hub.example", mac, CLOCK, days=7)
CALLER = make_platform((CPO, Role.CPO))
TARGET = ToParty(EMSP, make_platform((EMSP, Role.EMSP)), online=True)


def message(*query: tuple[str, str]) -> Message:
    return make_message(
        CALLER, CPO, to=EMSP, interface_role=InterfaceRole.SENDER, method="GET", query=query
    )


def rewritten(url: str) -> str:
    """The URL that the requester gets for the responder's next page."""
    header = LINKS.rewritten(f'<{url}>; rel="next"', message(), TARGET)
    assert header is not None
    assert header.startswith("<")
    assert header.endswith('>; rel="next"')
    return header[1 : header.index(">")]


def followed(url: str) -> Message:
    """The request that the requester makes with such a URL."""
    return message(*parse_qsl(urlsplit(url).query, keep_blank_values=True))


@pytest.mark.req("RT-42")
def test_a_link_to_the_endpoint_becomes_a_hub_url_that_keeps_the_query() -> None:
    url = rewritten(f"{ENDPOINT}?offset=50&limit=50&q=a%26b%20c&empty=")
    assert url.startswith("https://hub.example/ocpi/2.2.1/sender/tokens?")
    request = followed(url)
    assert foreign_query(request.query) == (
        ("offset", "50"),
        ("limit", "50"),
        ("q", "a&b c"),
        ("empty", ""),
    )
    assert LINKS.addressed(request) == EMSP
    assert LINKS.page_url(request, TARGET) is None


@pytest.mark.req("RT-42")
@pytest.mark.parametrize(
    "url",
    [
        "https://pages.example/next/abc?cursor=%2F%3D&x=1",
        "https://partner.example/sender/tokens/page/2?x=1",
        "https://partner.example:8443/sender/tokens?x=1",
        "https://pages.example/next",
    ],
)
def test_a_link_to_another_place_is_carried_along_sealed(url: str) -> None:
    request = followed(rewritten(url))
    assert LINKS.addressed(request) == EMSP
    assert LINKS.page_url(request, TARGET) == url
    assert urlsplit(rewritten(url)).netloc == "hub.example"


def test_a_relative_link_belongs_to_the_endpoint() -> None:
    assert LINKS.page_url(followed(rewritten("?offset=2")), TARGET) is None
    request = followed(rewritten("/pages/2"))
    assert LINKS.page_url(request, TARGET) == "https://partner.example/pages/2"


@pytest.mark.req("RT-42")
def test_a_sealed_link_that_was_changed_is_refused() -> None:
    request = followed(rewritten("https://pages.example/next"))
    sealed = request.parameter("_at")
    assert sealed is not None
    text, expiry, seal = sealed.split(".")
    elsewhere = base64.urlsafe_b64encode(b"http://169.254.169.254/").decode().rstrip("=")
    forged = [
        f"{elsewhere}.{expiry}.{seal}", f"{text}.{expiry}.", f"{text}.{seal}", text, "", ".", "..",
        f"{text}.{expiry}.{seal[:-1]}", f"{text}.{int(expiry) + 1}.{seal}", f"{text}.\u0663.{seal}",
        f"{text}.{expiry}.\u00e9", f"\u00e9.{expiry}.{seal}", f"a.{expiry}.{seal}",
        f"{text}.{'9' * 5000}.{seal}", f"{text}.{expiry}.{seal}.",
    ]  # fmt: skip
    for at in forged:
        with pytest.raises(InvalidRequest, match="request the list anew"):
            LINKS.page_url(message(("_at", at)), TARGET)


def test_a_sealed_link_goes_only_where_the_party_was_when_it_was_made() -> None:
    request = followed(rewritten("https://pages.example/next"))
    here = TARGET.platform
    moved = replace(here, platform_id=PlatformId("p-other"))
    announced_anew = replace(
        here, endpoints={("tokens", InterfaceRole.SENDER): "https://new.example/sender/tokens"}
    )
    closed = replace(here, endpoints={})
    for platform in (moved, announced_anew, closed):
        with pytest.raises(InvalidRequest, match="request the list anew"):
            LINKS.page_url(request, replace(TARGET, platform=platform))
    with pytest.raises(InvalidRequest, match="request the list anew"):
        LINKS.page_url(request, replace(TARGET, receiver=PartyId("FR", "OTH")))


def test_a_sealed_link_serves_who_got_it_and_for_this_list() -> None:
    request = followed(rewritten("https://pages.example/next"))
    for other in (
        replace(request, sender=PartyId("FR", "OTH")),
        replace(request, module="cdrs"),
        replace(request, interface_role=InterfaceRole.RECEIVER),
    ):
        with pytest.raises(InvalidRequest, match="request the list anew"):
            LINKS.page_url(other, TARGET)


def test_a_sealed_link_expires() -> None:
    clock = ManualClock()
    links = PageLinks("https://hub.example", mac, clock, days=2)
    header = links.rewritten('<https://pages.example/n>; rel="next"', message(), TARGET)
    assert header is not None
    request = followed(header[1 : header.index(">")])
    clock.advance(2 * 86_400 - 1)
    assert links.page_url(request, TARGET) == "https://pages.example/n"
    clock.advance(2)
    with pytest.raises(InvalidRequest, match="request the list anew"):
        links.page_url(request, TARGET)


def test_a_link_names_a_party_or_is_refused() -> None:
    assert LINKS.addressed(message()) is None
    assert LINKS.addressed(message(("_to", "de*msp"))) == EMSP
    with pytest.raises(InvalidRequest, match="_to"):
        LINKS.addressed(message(("_to", "nobody")))


def test_no_next_page_is_no_link() -> None:
    assert LINKS.rewritten(None, message(), TARGET) is None
    assert LINKS.rewritten(f'<{ENDPOINT}>; rel="prev"', message(), TARGET) is None


def test_a_link_that_is_no_url_is_not_taken_for_the_last_page() -> None:
    with pytest.raises(HubRoutingError, match="no URL"):
        LINKS.rewritten('<https://[x>; rel="next"', message(), TARGET)


def test_an_endpoint_with_trailing_slash_is_the_same_place() -> None:
    endpoints = {("tokens", InterfaceRole.SENDER): f"{ENDPOINT}/"}
    target = replace(TARGET, platform=make_platform((EMSP, Role.EMSP), endpoints=endpoints))
    header = LINKS.rewritten(f'<{ENDPOINT}?offset=1>; rel="next"', message(), target)
    assert header is not None
    assert "_at" not in header
