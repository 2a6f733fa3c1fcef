"""Asking an eMSP about a token: the authorization's way to the outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ocpi_hub.delivery.relay import Relay, leg_of
from ocpi_hub.domain.exchange import Answer, Exchange
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import PartyId, Platform
from ocpi_hub.routing.route import ToParty


class AskByRelay:
    """Implements `authorization.protocols.Asker`: the CPO's request, passed on unchanged."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def ask(
        self,
        emsp: PartyId,
        platform: Platform,
        message: Message,
        *,
        deadline_s: float,
        late: Callable[[Answer], None] | None = None,
    ) -> Awaitable[Exchange]:
        """Raises as `Relay.send`."""
        leg = leg_of(message, ToParty(emsp, platform, online=True), urgent=True)
        return self._relay.send(leg, deadline_s=deadline_s, late=late)
