"""`Link` headers of relayed lists lead back through the hub (decision D-7).

The requester has no credentials at the responder's host, so a next page has to come through the
hub as well. The rewritten URL keeps the responder's query; what the hub needs to find the page
again travels in two parameters of its own, so that a retried or late request works in any process:

    _to   the responding party, `CC*PID`, so that TO may be absent
    _at   the responder's own URL, sealed, only when it is not the announced endpoint

The page is fetched with the credentials the hub holds at the responder's platform at that time. A
seal therefore covers platform and announced endpoint: once the party has moved, or its platform
announces another endpoint, the old link would send the new credentials to the old host.

Spec: 2.2.1 transport_and_format_paginated_response.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.leg import absolute_url, endpoint_url
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import HubRoutingError, InvalidRequest
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.routing.route import ToParty

PARTY_PARAMETER = "_to"
URL_PARAMETER = "_at"

_DAY_S = 86_400
_SEALED = re.compile(r"([A-Za-z0-9_-]+)\.([0-9]{1,12})\.([0-9a-f]+)")
"""The URL in Base64, the second of the epoch when the link expires, the MAC."""


class PageLinks:
    """Rewrites next-page links and reads them again.

    Args:
        public_url: base of the hub's own URLs.
        mac: a keyed digest, so that nobody can make the hub call a URL of their own choice.
        days: how long a sealed URL can be followed.
    """

    def __init__(
        self, public_url: str, mac: Callable[[str], str], clock: Clock, *, days: int
    ) -> None:
        self._public_url = public_url
        self._mac = mac
        self._clock = clock
        self._valid_s = days * _DAY_S

    def rewritten(self, header: str | None, message: Message, target: ToParty) -> str | None:
        """The Link header for the requester; None when there is no next page.

        Raises:
            HubRoutingError: the link is no URL. Leaving it out would pass for the last page.
        """
        found = next_link(header)
        if found is None:
            return None
        base = endpoint_url(target.platform, message.module, message.interface_role)
        url = absolute_url(base, found)
        if url is None:
            raise HubRoutingError(f"{target.receiver} sent a Link that is no URL")
        page, announced = urlsplit(url), urlsplit(base)
        query = parse_qsl(page.query, keep_blank_values=True)
        own = [(PARTY_PARAMETER, str(target.receiver))]
        if _place(page.path) != _place(announced.path) or page.netloc != announced.netloc:
            bare = urlunsplit((page.scheme, page.netloc, page.path, "", ""))
            own.append((URL_PARAMETER, self._sealed(bare, message, target)))
        path = f"/ocpi/{message.version}/{message.interface_role.lower()}/{message.module}"
        encoded = urlencode([*query, *own], quote_via=quote)
        return f'<{self._public_url}{path}?{encoded}>; rel="next"'

    def addressed(self, message: Message) -> PartyId | None:
        """The party that a rewritten link names.

        Raises:
            InvalidRequest: the parameter is not a party id.
        """
        value = message.parameter(PARTY_PARAMETER)
        if value is None:
            return None
        try:
            return PartyId.parse(value)
        except ValueError as error:
            raise InvalidRequest(f"{PARTY_PARAMETER}: {error}") from None

    def page_url(self, message: Message, target: ToParty) -> str | None:
        """The responder's own URL of a page, when the link carries one.

        Raises:
            InvalidRequest: the parameter was not made by this hub for this list of this receiver
                and this requester, it has expired, or the receiver is not where it was.
        """
        sealed = message.parameter(URL_PARAMETER)
        if sealed is None:
            return None
        url = self._opened(sealed, message, target)
        if url is None:
            raise InvalidRequest(f"{URL_PARAMETER}: this page is gone; request the list anew")
        query = urlencode(foreign_query(message.query), quote_via=quote)
        return f"{url}?{query}" if query else url

    def _sealed(self, url: str, message: Message, target: ToParty) -> str:
        text = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
        expires = int(self._now_s()) + self._valid_s
        return f"{text}.{expires}.{self._seal(url, expires, message, target)}"

    def _opened(self, sealed: str, message: Message, target: ToParty) -> str | None:
        parts = _SEALED.fullmatch(sealed)
        if parts is None:
            return None
        text, expires, mac = parts[1], int(parts[2]), parts[3]
        try:
            url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            return None
        genuine = hmac.compare_digest(mac, self._seal(url, expires, message, target))
        return url if genuine and self._now_s() <= expires else None

    def _seal(self, url: str, expires: int, message: Message, target: ToParty) -> str:
        interface = (message.module, message.interface_role)
        platform = target.platform
        covered = (
            url, expires, *interface, str(message.sender), str(target.receiver),
            platform.platform_id, platform.endpoints.get(interface),
        )  # fmt: skip
        return self._mac(json.dumps(covered))

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def foreign_query(query: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The parameters without the hub's own."""
    return tuple([pair for pair in query if pair[0] not in (PARTY_PARAMETER, URL_PARAMETER)])


def _place(path: str) -> str:
    return path.rstrip("/")
