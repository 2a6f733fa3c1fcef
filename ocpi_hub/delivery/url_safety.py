"""Which URLs and addresses the hub may call: partners choose the URLs, so they choose the targets.

Two checks (decision D-10). `UrlPolicy.check` reads the text of a URL, without looking any name up;
registration uses it to refuse a URL early. `UrlPolicy.check_address` judges an address, and
`CheckedResolver` applies it to everything a name resolves to: the client connects to the addresses
it returns and looks nothing up itself, so a name cannot resolve differently between
check and use. A URL is taken apart in one place, for the check and for the request alike.

Reasons are written for partners: they never contain what a name resolved to, which would make the
hub a probe of its own network. Operators find the address in the log.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohappyeyeballs import AddrInfoType

from ocpi_hub.domain.value import value
from ocpi_hub.settings import IPNetwork
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Resolves a host name to addresses as text. Raises OSError when there are none."""

MAX_URL_LENGTH = 8000
"""Characters. OCPI's URLs have at most 255, but links of pages carry queries."""

REMEDY = "allow_networks and allow_http open what the hub may call, if this is intended"
"""What operators read next to a refusal."""

_LOOKUP_THREADS = 32
_PORT_DIGITS = 5
_DEFAULT_PORTS = {"https": 443, "http": 80}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?(?P<target>[^#]*)(?:#.*)?"
)
_AFTER_SCHEME = len("https://")
"""Where the first slash after an authority is looked for."""
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:@]+))(?::(?P<port>\d*))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")

# What `ipaddress` calls global, or calls nothing at all, in one of the Python versions we run on.
_NOT_PUBLIC: tuple[tuple[IPNetwork, str], ...] = (
    (ipaddress.IPv4Network("100.64.0.0/10"), "a carrier-grade NAT address"),
    (ipaddress.IPv4Network("192.0.0.0/24"), "a reserved address"),
    (ipaddress.IPv4Network("192.88.99.0/24"), "a reserved address"),
    # The host agent of a large cloud, reachable from every machine in it.
    (ipaddress.IPv4Network("168.63.129.16/32"), "a cloud metadata address"),
    (ipaddress.IPv6Network("2001::/23"), "a reserved address"),
    (ipaddress.IPv6Network("3fff::/20"), "a reserved address"),
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


@value
class Address:
    """Where to connect to."""

    ip: IPAddress
    port: int

    def as_addrinfo(self) -> AddrInfoType:
        """The same as `getaddrinfo` has it."""
        if isinstance(self.ip, ipaddress.IPv4Address):
            return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", self._pair)
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (*self._pair, 0, 0))

    @property
    def _pair(self) -> tuple[str, int]:
        return str(self.ip), self.port


@value
class Server:
    """A server that may be called.

    Attributes:
        host: in lower case, without brackets.
        address: of a host that is one; None for a name.
        header: for `Host`.
        name: tells servers apart.
    """

    tls: bool
    host: str
    port: int
    address: Address | None
    header: str
    name: str


@value
class Place:
    """A URL taken apart. `target`: path and query for the request line, as they were written."""

    server: Server
    target: str


class ForbiddenAddress(Exception):
    """A host resolved to an address that must not be called; the text is the reason."""


class UrlPolicy:
    """What may be called.

    Args:
        allow_http: accept http next to https.
        allow_networks: addresses in these networks may be called although they are not public.
    """

    def __init__(self, *, allow_http: bool, allow_networks: Iterable[IPNetwork]) -> None:
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._allow_networks = tuple(allow_networks)
        # Every call asks, mostly about the few hosts of the partners.
        self._known_server = functools.lru_cache(maxsize=1024)(self._server)
        self._known_origin = functools.lru_cache(maxsize=1024)(self._origin)

    def check(self, url: str) -> str | None:
        """The reason why a URL must not be called, by its text alone; None when it may be."""
        judged = self.place(url)
        return judged if isinstance(judged, str) else None

    def place(self, url: str) -> Place | str:
        """Where a request to this URL goes; the reason when it must not be called."""
        if len(url) > MAX_URL_LENGTH:
            return f"the URL is longer than {MAX_URL_LENGTH} characters"
        # The text goes into the request line as it is: a line break there would be a second
        # request, and a backslash is a slash to some parsers and not to others.
        if not (url and url.isascii() and url.isprintable()) or " " in url or "\\" in url:
            return "the URL contains characters that must be percent-encoded"
        slash = url.find("/", _AFTER_SCHEME)
        if slash > 0 and "#" not in url and (origin := self._known_origin(url[:slash])):
            return Place(origin, url[slash:])
        match = _URL.fullmatch(url)
        scheme = match["scheme"].lower() if match else ""
        if match is None or scheme not in self._schemes:
            return f"the URL must start with {' or '.join(f'{s}://' for s in self._schemes)}"
        server = self._known_server(scheme, match["authority"] or "")
        if isinstance(server, str):
            return server
        path_and_query = match["target"]
        rooted = path_and_query if path_and_query.startswith("/") else f"/{path_and_query}"
        return Place(server, rooted)

    def _origin(self, url: str) -> Server | None:
        """The server of a URL that is nothing but scheme and authority, if it may be called."""
        match = _URL.fullmatch(url)
        if match is None or match["target"] or match["scheme"].lower() not in self._schemes:
            return None
        server = self._known_server(match["scheme"].lower(), match["authority"] or "")
        return server if isinstance(server, Server) else None

    def _server(self, scheme: str, authority: str) -> Server | str:
        if "@" in authority:
            return "the URL must not contain a user name or password"
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            return "the URL names no host" if not authority else "the URL's host is malformed"
        digits = match["port"] or str(_DEFAULT_PORTS[scheme])
        port = int(digits) if len(digits) <= _PORT_DIGITS else 0
        if not 1 <= port <= 65535:
            return "the URL's port must be between 1 and 65535"
        host, bracketed = match["v6"] or match["host"], match["v6"] is not None
        reason = self._check_host(host, bracketed=bracketed)
        if reason is not None:
            return reason
        address = Address(ipaddress.ip_address(host), port) if _is_address(host) else None
        named = f"[{host}]" if bracketed else host
        return Server(
            tls=scheme == "https",
            host=host.lower(),
            port=port,
            address=address,
            header=named if port == _DEFAULT_PORTS[scheme] else f"{named}:{port}",
            name=f"{scheme}://{named.lower()}:{port}",
        )

    def _check_host(self, host: str, *, bracketed: bool) -> str | None:
        labels = host.removesuffix(".").split(".")
        if not bracketed and not _NUMERIC_LABEL.fullmatch(labels[-1]):
            if len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels):
                return None  # A name: its addresses are checked when it is resolved.
            return "the URL's host is malformed"
        # A name whose last label is a number is an address to many resolvers: 127.1, 0x7f000001,
        # 2130706433. Only the usual spelling is accepted, so that check and use agree on it.
        try:
            address = ipaddress.IPv6Address(host) if bracketed else ipaddress.IPv4Address(host)
        except ValueError:
            return "the URL's host is not a valid IP address"
        kind = self.check_address(address)
        return None if kind is None else f"the URL's host is {kind}"

    def check_address(self, address: IPAddress) -> str | None:
        """The kind of address ("a private address"), when it must not be called; else None.

        An IPv4 address that an IPv6 address stands for is judged in its place.
        """
        if any(address in network for network in self._allow_networks):
            return None
        if isinstance(address, ipaddress.IPv6Address):
            embedded = _embedded(address)
            return self.check_address(embedded) if embedded else _kind(address)
        return _kind(address)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to `address` ends up at. Teredo is never public anyway."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _kind(address: IPAddress) -> str | None:
    for network, kind in _NOT_PUBLIC:
        if address in network:
            return kind
    kinds = (
        (address.is_unspecified, "an unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (address.is_reserved, "a reserved address"),
        (address.is_private, "a private address"),
        (address.version == 6 and address not in _GLOBAL_UNICAST, "a reserved address"),
        (not address.is_global, "not a public address"),
    )
    return next((kind for applies, kind in kinds if applies), None)


def _is_address(host: str) -> bool:
    """Of a host that was checked: names never consist of digits and dots, or hold a colon."""
    return ":" in host or bool(_NUMERIC_LABEL.fullmatch(host.removesuffix(".").rpartition(".")[2]))


class CheckedResolver:
    """Resolves names, and only to addresses that may be called.

    One forbidden address among several refuses the name: a partner has no reason to publish it.

    Args:
        lookup: resolves a name; None: the system's resolver. Look-ups run in threads of their own,
            because a name server that hangs must not hold up other users of threads.
    """

    def __init__(self, policy: UrlPolicy, *, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="resolve")
        self._lookup = lookup or self._system_lookup

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Resolve and check.

        Raises:
            OSError: the name has no addresses.
            ForbiddenAddress: one of them must not be called.
        """
        addresses = [ipaddress.ip_address(text) for text in await self._lookup(host)]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
        for address in addresses:
            kind = self._policy.check_address(address)
            if kind is not None:
                log.warning(
                    "outbound_address_forbidden",
                    host=host,
                    address=str(address),
                    kind=kind,
                    remedy=REMEDY,
                )
                raise ForbiddenAddress("the URL's host does not resolve to a public address")
        return [Address(address, port) for address in addresses]

    async def _system_lookup(self, host: str) -> Sequence[str]:
        infos = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return [str(info[4][0]) for info in infos]

    def close(self) -> None:
        # A look-up that still runs ends by itself; nobody waits for it.
        self._threads.shutdown(wait=False, cancel_futures=True)
