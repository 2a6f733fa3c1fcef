"""Locations with their EVSEs and connectors: pushed by CPOs, listed and shown to everybody related.

Spec: 2.2.1 mod_locations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ocpi_hub.delivery.unpublished import sees_unpublished
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey, SharedObject
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NotFound, UnknownLocation, UnknownReceiver
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.location_text import connector_text, evse_text
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.routing.route import ToParty, route
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import (
    owners_shown_to,
    refuse_page_link,
    require_same,
)
from ocpi_hub.server.handlers.shared import OWNER, Read, SharedHandler
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok

Model = TypeVar("Model", bound=OcpiModel)

NESTING = 2
"""Levels of JSON between a part and what contains it."""


class LocationsHandler(SharedHandler):
    """Serves both interfaces of the locations module."""

    rule = RULES[Module.LOCATIONS]
    ids = ("id", "uid", "id")

    # Sender interface ----------------------------------------------------------------------------

    def _to_publish(self, directory: Directory, reader: PartyId) -> bool:
        return not sees_unpublished(directory, reader)

    async def _beside_list(self, inbound: Inbound) -> Reply:
        """A Location or a part of it. Without TO, whoever owns the only Location with this id is
        asked (Open Routing); its URL does not name the owner (LO-02)."""
        message, directory = inbound.message, inbound.directory
        if len(message.path) > len(self.ids):
            raise NotFound("locations SENDER serves the list and Locations, EVSEs and connectors")
        if message.to is None:
            found = await self._only(message, directory)
            if found is None:
                raise UnknownReceiver("No Location of this id is known: set the OCPI-to headers")
            message = replace(message, to=found.key.owner)
        target = route(message, self.rule, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        refuse_page_link(message)
        found = await self._only(message, directory)
        return ok(_level(found, message.path[1:]).encode())

    async def _only(self, message: Message, directory: Directory) -> SharedObject | None:
        """The Location that an id means to the requester; None if there is none.

        Raises:
            UnknownReceiver: several owners have one (RT-37).
        """
        found = await self._store.visible(
            self.rule.module,
            message.path[0],
            message.sender,
            owners_shown_to(message.sender, self.rule, directory),
            to_publish=self._to_publish(directory, message.sender),
        )
        if len(found) > 1:
            raise UnknownReceiver(
                "Several owners have a Location of this id: set the OCPI-to headers to one of them"
            )
        return found[0] if found else None

    # Receiver interface --------------------------------------------------------------------------

    async def _held(self, message: Message, owner: PartyId) -> str:
        found = await self._store.find(ObjectKey(self.rule.module, owner, message.path[OWNER]))
        return _level(found, message.path[OWNER + 1 :])

    def _read(self, message: Message, body: bytes) -> Read:
        names, part = message.path[: OWNER + 1], message.path[OWNER + 1 :]
        if len(part) == 2:
            connector = self._parsed(message, body, Connector)
            require_same("id", part[1], connector.value.id)
            return Read(connector.value.last_updated, connector)
        if part:
            evse = self._parsed(message, body, EVSE)
            require_same("uid", part[0], evse.value.uid)
            return Read(evse.value.last_updated, evse)
        parsed = self._parsed(message, body, Location)
        location = parsed.value
        require_same("country_code", names[0], location.country_code)
        require_same("party_id", names[1], location.party_id)
        require_same("id", names[2], location.id)
        return Read(location.last_updated, parsed)

    def _parsed(self, message: Message, body: bytes, model: type[Model]) -> Parsed[Model]:
        part = message.path[OWNER + 1 :]
        depth = self._limits.json_depth - NESTING * len(part)
        return parse_object(body, model, max_depth=depth)

    def _model(self, message: Message) -> type[OcpiModel]:
        levels: tuple[type[OcpiModel], ...] = (Location, EVSE, Connector)
        return levels[len(message.path) - OWNER - 1]


def _level(location: SharedObject | None, part: tuple[str, ...]) -> str:
    """The text of a Location, or of an EVSE or connector of it.

    Raises:
        UnknownLocation: there is no Location.
        NotFound: it has no such part.
    """
    if location is None:
        raise UnknownLocation
    if not part:
        return location.body
    text = evse_text(location.body, part[0])
    if len(part) == 2:
        text = connector_text(location.body, part[0], part[1])
    if text is None:
        raise NotFound(f"This Location has no such {'EVSE' if len(part) == 1 else 'connector'}")
    return text
