"""What may be called, by the text of a URL and by address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ocpi_hub.delivery.url_safety import CheckedResolver, ForbiddenAddress, Place, UrlPolicy
from ocpi_hub.settings import Settings


def policy(*networks: str, allow_http: bool = False) -> UrlPolicy:
    configured = Settings(
        allow_http=allow_http, allow_networks=tuple(ipaddress.ip_network(n) for n in networks)
    )
    return UrlPolicy(allow_http=configured.allow_http, allow_networks=configured.allow_networks)


@pytest.mark.parametrize(
    "url",
    [
        "https://ocpi.example.com/ocpi/versions",
        "https://ocpi.example.com:8443/2.2.1/cdrs?offset=50&date_from=2024-01-01T00%3A00%3A00Z",
        "HTTPS://OCPI.Example.com",
        "https://my_host.example.com./a%2Fb",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:443/",
        "https://xn--bcher-kva.example/",
        "https://host:/",
        "https://1e100.net/",
    ],
)
def test_public_url_may_be_called(url: str) -> None:
    assert policy().check(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://ocpi.example.com/", "must start with https://"),
        ("ftp://ocpi.example.com/", "must start with"),
        ("file:///etc/passwd", "must start with"),
        ("//ocpi.example.com/", "must start with"),
        ("", "characters that must be"),
        ("https://", "names no host"),
        ("https:///versions", "names no host"),
        ("https:ocpi.example.com", "names no host"),
        ("https://:443/", "host is malformed"),
        ("https://user:pw@ocpi.example.com/", "user name"),
        ("https://8.8.8.8@10.0.0.1/", "user name"),
        ("https://@ocpi.example.com/", "user name"),
        ("https://ocpi.example.com:0/", "port"),
        ("https://ocpi.example.com:65536/", "port"),
        ("https://ocpi.example.com:99999999999999999999/", "port"),
        ("https://ocpi.example.com:0000443/", "port"),
        ("https://ocpi.example.com:+80/", "host is malformed"),
        ("https://ocpi.example.com:8_0/", "host is malformed"),
        ("https://ocpi.example.com/a b", "percent-encoded"),
        ("https://ocpi.example.com/\r\nX-Evil: 1", "percent-encoded"),
        ("https://ocpi.example.com/a\tb", "percent-encoded"),
        ("https://ocpi.example.com\\@10.0.0.1/", "percent-encoded"),
        ("https://büro.example/", "percent-encoded"),
        ("https://\uff11\uff12\uff17.0.0.1/", "percent-encoded"),
        ("https://%31%30.0.0.1/", "not a valid IP address"),
        ("https://ocpi..example.com/", "host is malformed"),
        ("https://.example.com/", "host is malformed"),
        (f"https://{'a' * 64}.example/", "host is malformed"),
        (f"https://{'a.' * 127}example/", "host is malformed"),
        ("https://[::1", "malformed"),
        ("https://[fe80::1%25eth0]/", "host is malformed"),
        ("https://[v1.x]/", "host is malformed"),
        ("https://[:::]/", "not a valid IP address"),
        (f"https://ocpi.example.com/{'a' * 8000}", "longer than"),
    ],
)
def test_malformed_or_unsafe_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    found = policy().check(url)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "127.0.0.0x1",
        "0",
        "1.2.3.4.5",
        "256.1.1.1",
        "name.0x",
    ],
)
def test_odd_spelling_of_an_address_is_refused_even_where_it_would_be_allowed(host: str) -> None:
    found = policy("0.0.0.0/0", allow_http=True).check(f"http://{host}/")
    assert found == "the URL's host is not a valid IP address"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.0.0.0", "an unspecified address"),  # noqa: S104 - judged, not bound
        ("0.1.2.3", "a private address"),
        ("10.1.2.3", "a private address"),
        ("172.16.0.1", "a private address"),
        ("192.168.1.1", "a private address"),
        ("127.0.0.1", "a loopback address"),
        ("127.255.255.254", "a loopback address"),
        ("169.254.169.254", "a link-local address"),
        ("100.64.0.1", "a carrier-grade NAT address"),
        ("100.100.100.200", "a carrier-grade NAT address"),
        ("168.63.129.16", "a cloud metadata address"),
        ("192.0.0.192", "a reserved address"),
        ("192.88.99.1", "a reserved address"),
        ("198.18.0.1", "a private address"),
        ("224.0.0.1", "a multicast address"),
        ("240.0.0.1", "a reserved address"),
        ("255.255.255.255", "a reserved address"),
        ("::", "an unspecified address"),
        ("::1", "a loopback address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("fec0::1", "a reserved address"),
        ("fd00:ec2::254", "a private address"),
        ("ff02::1", "a multicast address"),
        ("2001:db8::1", "a private address"),
        ("3fff::1", "a reserved address"),
        ("100::1", "a reserved address"),
        ("4000::1", "a reserved address"),
        # IPv4 addresses in IPv6 clothes: mapped, compatible, NAT64, 6to4, Teredo.
        ("::ffff:127.0.0.1", "a loopback address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("::127.0.0.1", "a loopback address"),
        ("64:ff9b::10.0.0.1", "a private address"),
        ("64:ff9b:1::10.0.0.1", "a reserved address"),
        ("2002:7f00:1::", "a loopback address"),
        ("2002:a00:1::1", "a private address"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a reserved address"),
    ],
)
def test_address_that_is_not_public_is_refused_by_its_kind(address: str, kind: str) -> None:
    assert policy().check_address(ipaddress.ip_address(address)) == kind
    if "%" not in address:
        host = f"[{address}]" if ":" in address else address
        assert policy().check(f"https://{host}/") == f"the URL's host is {kind}"


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_public_address_may_be_called(address: str) -> None:
    assert policy().check_address(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("127.0.0.0/8", "127.0.0.1", "10.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
        ("::1/128", "::1", "127.0.0.1"),
        ("169.254.0.0/16", "169.254.169.254", "fe80::1"),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", "10.0.0.1"),
    ],
)
def test_allowed_network_opens_only_itself(network: str, inside: str, outside: str) -> None:
    allowing = policy(network)
    assert allowing.check_address(ipaddress.ip_address(inside)) is None
    assert allowing.check_address(ipaddress.ip_address(outside)) is not None


@pytest.mark.parametrize(
    ("url", "name", "target"),
    [
        ("https://cpo.example.com/ocpi/a", "https://cpo.example.com:443", "/ocpi/a"),
        ("HTTPS://CPO.example.com:8443/a?b=//c", "https://cpo.example.com:8443", "/a?b=//c"),
        ("https://cpo.example.com?b=/c/d", "https://cpo.example.com:443", "/?b=/c/d"),
        ("https://cpo.example.com/a#b/c", "https://cpo.example.com:443", "/a"),
        ("https://c/a/b", "https://c:443", "/a/b"),
        ("https://cpo.example.com", "https://cpo.example.com:443", "/"),
    ],
)
def test_url_is_taken_apart_alike_before_and_after_its_server_is_known(
    url: str, name: str, target: str
) -> None:
    judge = policy()
    for _ in range(2):
        place = judge.place(url)
        assert isinstance(place, Place)
        assert (place.server.name, place.target) == (name, target)


def test_http_is_accepted_only_when_allowed() -> None:
    assert policy().check("http://ocpi.example.com/") is not None
    assert policy(allow_http=True).check("http://ocpi.example.com/") is None


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_the_check_fail(text: str) -> None:
    checking = policy(allow_http=True)
    for url in (text, f"http://{text}", f"http://[{text}]/", f"http://h:{text}/"):
        reason = checking.check(url)
        assert reason is None or reason.startswith("the URL")


@settings(deadline=None)
@given(st.ip_addresses())
def test_only_global_unicast_addresses_are_ever_open(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if policy().check_address(address) is None:
        assert not any((address.is_loopback, address.is_link_local, address.is_multicast))
        # Releases of Python differ in whether the network of 6to4 is global.
        end = getattr(address, "sixtofour", None) or address
        assert end.is_global or end in ipaddress.ip_network("64:ff9b::/96")


def resolver(*addresses: str, networks: Sequence[str] = ()) -> CheckedResolver:
    async def lookup(_host: str) -> Sequence[str]:
        return addresses

    return CheckedResolver(policy(*networks), lookup=lookup)


async def test_resolver_returns_every_address_in_order() -> None:
    found = await resolver("8.8.8.8", "2606:4700::1").resolve("ocpi.example.com", 443)
    infos = [address.as_addrinfo() for address in found]
    assert [(family, sockaddr) for family, _, _, _, sockaddr in infos] == [
        (socket.AF_INET, ("8.8.8.8", 443)),
        (socket.AF_INET6, ("2606:4700::1", 443, 0, 0)),
    ]


async def test_one_forbidden_address_among_several_refuses_the_name() -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        await resolver("8.8.8.8", "10.0.0.7").resolve("ocpi.example.com", 443)
    assert str(caught.value) == "the URL's host does not resolve to a public address"


async def test_operators_find_the_address_and_the_remedy_in_the_log() -> None:
    with capture_logs() as logged, pytest.raises(ForbiddenAddress):
        await resolver("10.0.0.7").resolve("ocpi.example.com", 443)
    (line,) = logged
    assert (line["host"], line["address"]) == ("ocpi.example.com", "10.0.0.7")
    assert "allow_networks" in line["remedy"]


async def test_allowed_network_counts_for_resolved_addresses() -> None:
    found = await resolver("10.0.0.7", networks=["10.0.0.0/24"]).resolve("cpo.internal", 443)
    assert [str(address.ip) for address in found] == ["10.0.0.7"]


async def test_name_without_addresses_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no addresses"):
        await resolver().resolve("ocpi.example.com", 443)


async def test_system_lookup_is_checked_too() -> None:
    checking = CheckedResolver(policy())
    try:
        with pytest.raises(ForbiddenAddress):
            await checking.resolve("localhost", 80)
    finally:
        checking.close()
