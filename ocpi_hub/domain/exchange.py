"""One HTTP exchange with a partner: what is sent, and every way it can end.

The kinds of failure matter: `Unreachable` means that the partner did not get the request (OCPI
4003), `NoAnswer` that it may have (OCPI 4002, and an attempt of unknown outcome under custody).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Protocol

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId
from ocpi_hub.domain.value import value


class LegKind(StrEnum):
    """Why a request was made."""

    INBOUND = "inbound"
    """A platform called the hub."""
    RELAY = "relay"
    """A message passed on while its sender waits: authorizations too."""
    PUSH = "push"
    """The hub brings a receiver up to date."""
    CUSTODY = "custody"
    """An attempt to deliver a directed object."""
    CATCH_UP = "catch_up"
    """The hub fetches what an owner could not push."""
    HANDSHAKE = "handshake"
    """Versions and credentials."""


@value
class LegInfo:
    """What one request between a platform and the hub is about, for its record.

    Attributes:
        platform_id: the platform at the other end; None in a handshake before it has an id.
        sender, receiver: FROM and TO; None where there is none.
        module: the module identifier, `versions`, or `other`.
        endpoint: the URL that the platform announced, which the request's own URL extends.
    """

    kind: LegKind
    platform_id: PlatformId | None
    sender: PartyId | None
    receiver: PartyId | None
    module: str
    interface_role: InterfaceRole | None
    ids: MessageIds
    endpoint: str | None = None


@value
class OutboundRequest:
    """A request to a partner.

    Attributes:
        limit_key: requests with the same key share the limit of requests in flight; the
            platform's id as a rule.
        deadline_s: seconds for all of it: waiting for a slot, connecting, sending, the answer.
        sender_key: on whose behalf; those who send to one receiver share its limit fairly.
        urgent: somebody waits for the answer at a charger: it goes before what can wait.
        about: for the message record; without it none is kept.
        late: told about an answer that comes after the deadline, if it does within a while.
    """

    method: str
    url: str
    limit_key: str
    deadline_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    sender_key: str = ""
    urgent: bool = False
    about: LegInfo | None = None
    late: Callable[[Answer], None] | None = None


@value
class Answer:
    """The partner answered. Header names are lower case."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes


@value
class Unreachable:
    """The request did not reach the partner: forbidden URL, no address, refused, TLS failed.
    `reason` is short and fit for a status_message."""

    reason: str


@value
class Busy(Unreachable):
    """It was not even tried: too many requests were in flight to this receiver all the time. That
    is the hub's own limit and tells nothing about the receiver."""


@value
class NoAnswer:
    """The request may have reached the partner, but no usable answer came: timeout, connection
    lost after sending, an answer larger than allowed, a broken HTTP message."""

    reason: str


Exchange = Answer | Unreachable | NoAnswer


class OutboundClient(Protocol):
    """The only way to call a partner. It never raises for what a partner does."""

    async def send(self, request: OutboundRequest) -> Exchange: ...
