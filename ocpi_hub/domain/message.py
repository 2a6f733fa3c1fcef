"""One request as the hub works with it, and the reply to it.

Handlers never read headers: the middlewares parse them once into a `Message`.
Spec: 2.2.1 transport_and_format_message_routing, transport_and_format_unique_messageg_ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ocpi_hub.domain.party import InterfaceRole, OcpiVersion, PartyId, Platform
from ocpi_hub.domain.value import value


@value
class MessageIds:
    """X-Request-ID and X-Correlation-ID of one leg."""

    request_id: str
    correlation_id: str


@value
class Message:
    """A request of a partner on a functional module.

    Attributes:
        sender: the FROM party; checked to be a party of `platform`.
        to: the TO party, None for an Open Routing Request.
        module: the module identifier of the path, lower case.
        path: the segments after the module, percent-decoded; no empty trailing segment.
        query: the query parameters, percent-decoded, in order of arrival.
        body: the bytes as they came; empty when there is no body.
        raw_query: the query as it came, without its question mark.
    """

    platform: Platform
    sender: PartyId
    to: PartyId | None
    version: OcpiVersion
    module: str
    interface_role: InterfaceRole
    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    body: bytes
    ids: MessageIds
    raw_query: str = ""

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        for key, text in self.query:
            if key == name:
                return text
        return None


@value
class Reply:
    """What a handler answers: ready bytes, so that relayed answers stay untouched.

    Attributes:
        sender: the party that answers (FROM of the response); None: the hub itself.
    """

    http_status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sender: PartyId | None = None
