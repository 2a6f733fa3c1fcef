"""Custom modules: passed on as they come, answered as the receiver answers, nothing kept.

What the hub reads is what OCPI asks of every module: routing headers, a body that is JSON, an
answer in an envelope. Path, query and body keep their bytes.

Spec: 2.2.1 version_information_endpoint_custom_modules.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote_plus

from ocpi_hub.delivery.leg import endpoint_url, join_url
from ocpi_hub.delivery.links import PARTY_PARAMETER, URL_PARAMETER, PageLinks
from ocpi_hub.delivery.relay import Relay, leg_of
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import Quirk
from ocpi_hub.errors import ReceiverNotConnected
from ocpi_hub.ocpi.parse import parse_json
from ocpi_hub.routing.custom import custom_target, require_own_url
from ocpi_hub.routing.route import ToParty
from ocpi_hub.server.handlers.common import addressed_by_link
from ocpi_hub.server.inbound import Inbound

_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))
"""What a query may hold as it is; everything else is percent-encoded."""


class CustomModulesHandler:
    """Serves both interfaces of every custom module.

    Args:
        links: rewrites the next-page links of lists.
        json_depth: of bodies, at most.
    """

    def __init__(self, relay: Relay, links: PageLinks, *, json_depth: int) -> None:
        self._relay = relay
        self._links = links
        self._json_depth = json_depth

    async def __call__(self, inbound: Inbound) -> Reply:
        message = inbound.message
        if _may_be_list(message):
            message = addressed_by_link(message, self._links)
        target = custom_target(message, inbound.directory)
        if message.body:
            parse_json(message.body, max_depth=self._json_depth)
        url = self._url(message, target)
        if not target.online:
            raise ReceiverNotConnected(f"{target.receiver} is OFFLINE")
        exchange = await self._relay.send(leg_of(message, target), url=url)
        return self._relay.reply(exchange, message, target)

    def _url(self, message: Message, target: ToParty) -> str:
        """The receiver's URL. The case of ids stays: nobody knows where in the path they are."""
        if _may_be_list(message) and (page := self._links.page_url(message, target)) is not None:
            return page
        url = join_url(
            endpoint_url(target.platform, message.module, message.interface_role),
            message.path,
            trailing_slash=Quirk.TRAILING_SLASH in target.platform.quirks,
        )
        require_own_url(url, message, target)
        query = _own_query(message.raw_query)
        return f"{url}?{query}" if query else url


def _may_be_list(message: Message) -> bool:
    return message.method == "GET" and not message.path


def _own_query(raw_query: str) -> str:
    """The query as it came, without what the hub put into a next-page link."""
    own = (PARTY_PARAMETER, URL_PARAMETER)
    parts = (
        part for part in raw_query.split("&") if unquote_plus(part.partition("=")[0]) not in own
    )
    return quote("&".join(parts), safe=_VISIBLE)
