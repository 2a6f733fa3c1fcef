"""What is known of the partner: versions, endpoints, parties, lists. Read once, when it is needed.

What stands in the way of reading something skips the checks that need it: the fault itself belongs
to the one check that is about it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from ocpi_hub.checking.conversation import ORDINARY, Conversation, Manner, Seen
from ocpi_hub.checking.model import Limits, NotPermitted, Skip, Target
from ocpi_hub.checking.reading import (
    Crawl,
    Listing,
    Object,
    joined,
    objects_in,
    roles_in,
    same_server,
    server_of,
    total_of,
)
from ocpi_hub.checking.tls import Certificate, NoCertificate
from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Role
from ocpi_hub.ocpi import headers

VERSION: Final = "2.2.1"
SENDER, RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER

OWNER_ROLE: Final[Mapping[str, Role]] = MappingProxyType(
    {
        Module.LOCATIONS: Role.CPO,
        Module.TARIFFS: Role.CPO,
        Module.SESSIONS: Role.CPO,
        Module.CDRS: Role.CPO,
        Module.TOKENS: Role.EMSP,
        Module.COMMANDS: Role.EMSP,
        Module.CHARGING_PROFILES: Role.EMSP,
    }
)
"""Who is behind the SENDER interface of a module; the other one is behind RECEIVER."""

LISTS: Final = (
    Module.LOCATIONS,
    Module.TARIFFS,
    Module.TOKENS,
    Module.SESSIONS,
    Module.CDRS,
    Module.HUB_CLIENT_INFO,
)
"""Modules whose SENDER interface has a list."""

_LONG_AGO: Final = "2000-01-01T00:00:00Z"
_MOST_SERVERS = 5

TlsLook = Callable[[str], Awaitable[Certificate | NoCertificate | None]]
"""Looks at the certificate behind a URL; None: there is none to look at."""


class Partner:
    """The platform that is checked.

    Attributes:
        http_allowed: the hub may call URLs of http.
    """

    def __init__(
        self,
        conversation: Conversation,
        target: Target,
        limits: Limits,
        clock: Clock,
        tls: TlsLook,
        *,
        http_allowed: bool,
    ) -> None:
        self.conversation = conversation
        self.target = target
        self.limits = limits
        self.clock = clock
        self.http_allowed = http_allowed
        self._tls = tls
        self._certificates: dict[str, Certificate | NoCertificate] | None = None
        self._crawls: dict[Module, Crawl] = {}

    @property
    def said(self) -> list[Seen]:
        """Every exchange so far."""
        return self.conversation.said

    async def certificates(self) -> list[tuple[str, Certificate | NoCertificate]]:
        """Of every https server that the partner announced, by its host."""
        if self._certificates is None:
            urls = [self.target.versions_url]
            with suppress(Skip):
                urls += [*(await self.version_urls()).values(), *(await self.endpoints()).values()]
            self._certificates = {}
            for url in list({server_of(url): url for url in urls}.values())[:_MOST_SERVERS]:
                found = await self._tls(url)
                if found is not None:
                    self._certificates[server_of(url)[:100]] = found
        return list(self._certificates.items())

    @property
    def sender(self) -> PartyId | None:
        """FROM of our requests; None: it is left out."""
        return self.conversation.sender

    # Configuration modules -----------------------------------------------------------------------

    async def versions(self, manner: Manner = ORDINARY) -> Seen:
        return await self.conversation.ask(self.target.versions_url, manner=manner)

    async def version_urls(self) -> Mapping[str, str]:
        """URL of the details by version.

        Raises:
            Skip: there is no list of versions.
        """
        seen = await self.versions()
        if not seen.succeeded or not isinstance(seen.data, list):
            raise Skip(f"there is no list of versions ({seen.outcome})")
        return {
            str(each["version"]): each["url"]
            for each in seen.data
            if isinstance(each, dict) and isinstance(each.get("url"), str) and "version" in each
        }

    async def details_url(self) -> str:
        url = (await self.version_urls()).get(VERSION)
        if url is None:
            raise Skip(f"version {VERSION} is not offered")
        return url

    async def details(self) -> Seen:
        return await self.conversation.ask(await self.details_url())

    async def announced(self) -> tuple[Object, ...]:
        """The endpoints as they stand in the version details.

        Raises:
            Skip: there are none.
        """
        seen = await self.details()
        listed = seen.data.get("endpoints") if isinstance(seen.data, dict) else None
        if not seen.succeeded or not isinstance(listed, list):
            raise Skip(f"the version details hold no endpoints ({seen.outcome})")
        return tuple(each for each in listed if isinstance(each, dict))

    async def endpoints(self) -> Mapping[tuple[str, InterfaceRole], str]:
        """URLs of the functional modules and hubclientinfo, by interface."""
        found: dict[tuple[str, InterfaceRole], str] = {}
        for each in await self.announced():
            identifier, role, url = each.get("identifier"), each.get("role"), each.get("url")
            if not (isinstance(identifier, str) and isinstance(role, str) and isinstance(url, str)):
                continue
            if identifier in Module.__members__.values() and role in InterfaceRole.__members__:
                found.setdefault((identifier, InterfaceRole(role)), url)
        return {key: url for key, url in found.items() if key[0] != Module.CREDENTIALS}

    async def endpoint(self, module: str, role: InterfaceRole) -> str:
        """Raises: Skip: it is not offered."""
        url = (await self.endpoints()).get((module, role))
        if url is None:
            raise Skip(f"{module} {role} is not offered")
        return url

    async def credentials_url(self) -> str:
        for each in await self.announced():
            url = each.get("url")
            if each.get("identifier") == Module.CREDENTIALS and isinstance(url, str):
                return url
        raise Skip("there is no credentials endpoint")

    async def credentials(self) -> Seen:
        return await self.conversation.ask(await self.credentials_url())

    async def roles(self) -> tuple[tuple[PartyId, str], ...]:
        """Parties with their roles, as far as they can be read.

        Raises:
            Skip: there is no credentials object.
        """
        seen = await self.credentials()
        listed = seen.data.get("roles") if isinstance(seen.data, dict) else None
        if not seen.succeeded or not isinstance(listed, list):
            raise Skip(f"the credentials object cannot be read ({seen.outcome})")
        return tuple(roles_in(listed))

    async def known_roles(self) -> tuple[tuple[PartyId, str], ...]:
        """The same; none where they cannot be read."""
        try:
            return await self.roles()
        except Skip:
            return ()

    async def is_hub(self) -> bool:
        return any(role == Role.HUB for _, role in await self.known_roles())

    # Functional modules --------------------------------------------------------------------------

    async def receiver_of(self, module: str, role: InterfaceRole) -> PartyId | None:
        """TO of a request: the hub, else the first party in the role that the interface belongs
        to."""
        roles = await self.known_roles()
        owner = OWNER_ROLE.get(module)
        other = Role.EMSP if owner is Role.CPO else Role.CPO
        wanted = owner if role is SENDER else other
        hubs = [party for party, played in roles if played == Role.HUB]
        fitting = [party for party, played in roles if played == wanted]
        return next(iter((*hubs, *fitting, *(party for party, _ in roles))), None)

    async def ask(
        self,
        module: str,
        role: InterfaceRole,
        *path: str,
        query: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
        manner: Manner = ORDINARY,
        again: bool = False,
        takes_back: bool = False,
    ) -> Seen:
        """A request to an interface; the segments of the path are not encoded yet.

        Raises:
            NotPermitted: an ordinary request was answered 401 or 403.
            Skip: it is not offered.
        """
        url = joined(await self.endpoint(module, role), *path, query=query or {})
        routed = module != Module.HUB_CLIENT_INFO
        to = await self.receiver_of(module, role) if routed else None
        seen = await self.conversation.ask(
            url,
            to=to,
            routed=routed,
            method=method,
            body=body,
            manner=manner,
            again=again,
            takes_back=takes_back,
        )
        if seen.http in {401, 403} and manner is ORDINARY:
            raise NotPermitted(f"{module} {role}", seen)
        return seen

    async def follow(self, listing: Listing, url: str) -> Seen:
        """A page by its URL, which is on the list's own host: the token goes nowhere else."""
        routed = listing.module != Module.HUB_CLIENT_INFO
        to = await self.receiver_of(listing.module, SENDER) if routed else None
        return await self.conversation.ask(url, to=to, routed=routed)

    async def page(self, listing: Listing, **query: str) -> Seen:
        return await self.ask(listing.module, SENDER, query={**listing.query, **query})

    async def listing(self, module: Module) -> Listing:
        """Raises: Skip: the list is not offered, or cannot be read."""
        query = {"date_from": _LONG_AGO} if module is Module.SESSIONS else {}
        first = await self.ask(module, SENDER, query=query)
        if not first.succeeded or not isinstance(first.data, list):
            raise Skip(f"the list of {module} cannot be read ({first.outcome})")
        url = joined(await self.endpoint(module, SENDER), query=query)
        return Listing(module, url, query, first, objects_in(first.data), total_of(first))

    async def listings(self) -> list[Listing]:
        """All lists that can be read.

        Raises:
            Skip: there is none.
        """
        found: list[Listing] = []
        for module in LISTS:
            if (module, SENDER) in await self.endpoints():
                try:
                    found.append(await self.listing(module))
                except Skip:
                    continue
        if not found:
            raise Skip("the partner serves no list that can be read")
        return found

    async def crawl(self, module: Module) -> Crawl:
        """The list, page by page, as far as a run reads."""
        if module not in self._crawls:
            self._crawls[module] = await self._crawl(await self.listing(module))
        return self._crawls[module]

    async def _crawl(self, listing: Listing) -> Crawl:
        pages, items, seen = [listing.first], list(listing.items), listing.first
        for _ in range(self.limits.pages - 1):
            url = headers.next_link(seen.headers.get("link"))
            if url is None or not same_server(url, listing.url):
                break
            seen = await self.follow(listing, url)
            if not seen.succeeded or not isinstance(seen.data, list) or seen in pages:
                break
            pages.append(seen)
            items += objects_in(seen.data)
        whole = headers.next_link(seen.headers.get("link")) is None and seen in pages
        return Crawl(tuple(pages), tuple(items), whole and len(items) == (listing.total or 0))
