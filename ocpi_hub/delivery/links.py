"""`Link` headers of relayed lists lead back through the hub (decision D-7).

The requester has no credentials at the responder's host, so a next page has to come through the
hub as well. The rewritten URL keeps the responder's query; what the hub needs to find the page
again travels in two parameters of its own, so that a retried or late request works in any process:

    _to   the responding party, `CC*PID`, so that TO may be absent
    _at   the responder's own URL, sealed with a MAC, only when it is not the announced endpoint

Spec: 2.2.1 transport_and_format_paginated_response.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ocpi_hub.delivery.leg import absolute_url, endpoint_url
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import HubRoutingError, InvalidRequest
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.routing.route import ToParty

PARTY_PARAMETER = "_to"
URL_PARAMETER = "_at"


class PageLinks:
    """Rewrites next-page links and reads them again.

    Args:
        public_url: base of the hub's own URLs.
        mac: a keyed digest, so that nobody can make the hub call a URL of their own choice.
    """

    def __init__(self, public_url: str, mac: Callable[[str], str]) -> None:
        self._public_url = public_url
        self._mac = mac

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
            own.append((URL_PARAMETER, self._seal(bare, target.receiver)))
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

    def page_url(self, message: Message, receiver: PartyId) -> str | None:
        """The responder's own URL of a page, when the link carries one.

        Raises:
            InvalidRequest: the parameter was not made by this hub for this receiver.
        """
        sealed = message.parameter(URL_PARAMETER)
        if sealed is None:
            return None
        text, _, mac = sealed.partition(".")
        try:
            url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            url = ""
        if not url or not hmac.compare_digest(
            mac.encode(), self._mac(f"{receiver} {url}").encode()
        ):
            raise InvalidRequest(f"{URL_PARAMETER} is not a page link of this hub")
        query = urlencode(foreign_query(message.query), quote_via=quote)
        return f"{url}?{query}" if query else url

    def _seal(self, url: str, receiver: PartyId) -> str:
        text = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
        return f"{text}.{self._mac(f'{receiver} {url}')}"


def foreign_query(query: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The parameters without the hub's own."""
    return tuple(pair for pair in query if pair[0] not in (PARTY_PARAMETER, URL_PARAMETER))


def _place(path: str) -> str:
    return path.rstrip("/")
