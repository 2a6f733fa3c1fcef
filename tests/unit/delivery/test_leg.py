"""The onward request: URL, headers, quirks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocpi_hub.delivery.leg import Leg, absolute_url, join_url, outbound_request
from ocpi_hub.domain.party import InterfaceRole, Platform, Quirk, Role
from ocpi_hub.errors import HubRoutingError, InvalidRequest, ReceiverNotConnected
from tests.support.factories import CPO, EMSP, make_platform

URL = "https://partner.example/ocpi/2.2.1/tokens"


def platform(*quirks: Quirk, url: str = URL) -> Platform:
    endpoints = {("tokens", role): url for role in InterfaceRole}
    return replace(make_platform((EMSP, Role.EMSP), endpoints=endpoints), quirks=frozenset(quirks))


def leg(
    at: Platform,
    *path: str,
    query: tuple[tuple[str, str], ...] = (),
    interface_role: InterfaceRole = InterfaceRole.RECEIVER,
    body: bytes = b"",
) -> Leg:
    return Leg(
        receiver=EMSP,
        platform=at,
        sender=CPO,
        module="tokens",
        interface_role=interface_role,
        method="GET",
        correlation_id="correlation-1",
        path=path,
        query=query,
        body=body,
    )


@pytest.mark.req("TF-35")
@pytest.mark.parametrize("base", [URL, f"{URL}/"])
def test_paths_join_an_endpoint_with_or_without_trailing_slash(base: str) -> None:
    assert join_url(base, ("04AA", "authorize")) == f"{URL}/04AA/authorize"
    assert join_url(base, ("04AA",), [("type", "RFID")]) == f"{URL}/04AA?type=RFID"


@pytest.mark.req("TF-34")
@pytest.mark.parametrize("base", [URL, f"{URL}/"])
def test_an_endpoint_without_path_is_called_as_announced(base: str) -> None:
    assert join_url(base, ()) == base
    assert join_url(base, (), [("limit", "5")]) == f"{base}?limit=5"


@pytest.mark.req("TF-39")
def test_path_and_query_are_encoded_again() -> None:
    url = join_url(URL, ("DE*1/2#3", "ä b"), [("type", "A&B=C"), ("q", "+ %")])
    assert url == f"{URL}/DE%2A1%2F2%233/%C3%A4%20b?type=A%26B%3DC&q=%2B%20%25"


@pytest.mark.parametrize("path", [("..", "credentials"), ("T", "."), ("T", "..", "..")])
def test_a_path_never_leads_out_of_the_endpoint(path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        join_url(URL, path)


def test_headers_name_both_parties_and_keep_the_correlation() -> None:
    at = platform()
    first, second = (outbound_request(leg(at, "T"), deadline_s=3) for _ in range(2))
    headers = dict(first.headers)
    assert headers.pop("X-Request-ID") != second.headers["X-Request-ID"]
    assert headers == {
        "Authorization": "Token b3VyLXRva2VuLWF0LXRoZS1wYXJ0bmVy",
        "X-Correlation-ID": "correlation-1",
        "OCPI-to-country-code": "DE",
        "OCPI-to-party-id": "MSP",
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "CPO",
    }
    assert (first.deadline_s, first.limit_key, first.body) == (3, at.platform_id, None)


def test_a_body_is_json_and_untouched() -> None:
    request = outbound_request(leg(platform(), body=b'{ "a":1.0 }'), deadline_s=1)
    assert request.body == b'{ "a":1.0 }'
    assert request.headers["Content-Type"] == "application/json"


def test_quirk_raw_token_leaves_base64_out() -> None:
    request = outbound_request(leg(platform(Quirk.RAW_TOKEN)), deadline_s=1)
    assert request.headers["Authorization"] == "Token our-token-at-the-partner"


def test_quirk_no_routing_headers_leaves_them_out() -> None:
    request = outbound_request(leg(platform(Quirk.NO_ROUTING_HEADERS)), deadline_s=1)
    assert not [name for name in request.headers if name.startswith("OCPI-")]


def test_quirk_trailing_slash_adds_one() -> None:
    at = platform(Quirk.TRAILING_SLASH)
    with_query = outbound_request(leg(at, "T", query=(("type", "RFID"),)), deadline_s=1)
    assert with_query.url == f"{URL}/T/?type=RFID"
    assert outbound_request(leg(at), deadline_s=1).url == f"{URL}/"


def test_quirk_lowercase_ids_writes_party_ids_small_and_nothing_else() -> None:
    at = platform(Quirk.LOWERCASE_IDS)
    owned = outbound_request(leg(at, "DE", "MSP", "Token-1"), deadline_s=1)
    assert owned.url == f"{URL}/de/msp/Token-1"
    assert owned.headers["OCPI-to-party-id"] == "msp"
    sender = leg(at, "LOC1", "EVSE1", "C1", interface_role=InterfaceRole.SENDER)
    assert outbound_request(sender, deadline_s=1).url == f"{URL}/LOC1/EVSE1/C1"


@pytest.mark.req("RT-15")
def test_an_interface_that_was_not_announced_is_a_routing_error() -> None:
    at = make_platform((EMSP, Role.EMSP), endpoints={})
    with pytest.raises(HubRoutingError, match="tokens RECEIVER") as caught:
        outbound_request(leg(at), deadline_s=1)
    assert caught.value.status_code == 4000


def test_a_platform_without_credentials_is_not_connected() -> None:
    with pytest.raises(ReceiverNotConnected):
        outbound_request(leg(replace(platform(), our_token=None)), deadline_s=1)


def test_what_a_partner_calls_a_url_may_be_none() -> None:
    assert absolute_url(URL, "/x") == "https://partner.example/x"
    assert absolute_url(URL, "https://else.example/x") == "https://else.example/x"
    assert absolute_url(URL, "https://[x") is None
