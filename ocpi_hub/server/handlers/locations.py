"""Locations with their EVSEs and connectors: pushed by CPOs, listed and shown to everybody related.

Spec: 2.2.1 mod_locations.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import Change, Changed, SharedStore
from ocpi_hub.delivery.unpublished import sees_unpublished
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey, SharedObject
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import NotFound, UnknownLocation, UnknownReceiver
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.location_text import connector_text, evse_text
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.routing.route import Route, ToParty, check_caller, route, to_party
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import (
    Limits,
    addressed_by_link,
    audience_of,
    changed_reply,
    owner_in_path,
    owners_shown_to,
    page_asked,
    patch_fields,
    refuse_page_link,
    report_findings,
    require_applied,
    require_keepable,
    require_room,
    require_same,
)
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok, page_reply

Model = TypeVar("Model", bound=OcpiModel)

RULE = RULES[Module.LOCATIONS]
LEVELS = 3
"""Location, EVSE, connector."""
OWNER = 2
"""Segments of a path that name the owner."""
NESTING = 2
"""Levels of JSON between a part and what contains it."""

_NOT_HELD = frozenset({Changed.MISSING, Changed.UNKNOWN_LOCATION})


class LocationsHandler:
    """Serves both interfaces of the locations module."""

    def __init__(
        self,
        store: SharedStore,
        relay: Relay,
        addressed: AddressedPushes,
        links: PageLinks,
        limits: Limits,
        public_url: str,
    ) -> None:
        self._store = store
        self._relay = relay
        self._addressed = addressed
        self._links = links
        self._limits = limits
        self._public_url = public_url

    async def __call__(self, inbound: Inbound) -> Reply:
        message = inbound.message
        if message.interface_role is InterfaceRole.RECEIVER:
            return await self._receiver(message, inbound.directory)
        check_caller(message, RULE, inbound.directory)
        if not message.path:
            return await self._list(addressed_by_link(message, self._links), inbound.directory)
        if len(message.path) > LEVELS:
            raise NotFound("locations SENDER serves the list and Locations, EVSEs and connectors")
        return await self._one(message, inbound.directory)

    # Sender interface ----------------------------------------------------------------------------

    async def _list(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        page = page_asked(message, self._limits)
        found = await self._store.page(
            RULE.module,
            message.sender,
            owners_shown_to(message.sender, RULE, directory),
            page,
            to_publish=not sees_unpublished(directory, message.sender),
        )
        return page_reply(found, page, message, self._public_url)

    async def _one(self, message: Message, directory: Directory) -> Reply:
        """A Location or a part of it. Without TO, whoever owns the only Location with this id is
        asked (Open Routing); its URL does not name the owner (LO-02)."""
        if message.to is None:
            found = await self._only(message, directory)
            if found is None:
                raise UnknownReceiver("No Location of this id is known: set the OCPI-to headers")
            message = replace(message, to=found.key.owner)
        target = route(message, RULE, directory)
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
            RULE.module,
            message.path[0],
            message.sender,
            owners_shown_to(message.sender, RULE, directory),
            to_publish=not sees_unpublished(directory, message.sender),
        )
        if len(found) > 1:
            raise UnknownReceiver(
                "Several owners have a Location of this id: set the OCPI-to headers to one of them"
            )
        return found[0] if found else None

    # Receiver interface --------------------------------------------------------------------------

    async def _receiver(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        owner = owner_in_path(message, levels=LEVELS)
        if isinstance(target, ToParty) and owner != message.sender:
            # The relation that counts is the owner's, whoever of its platform sends.
            to_party(owner, target.receiver, directory)
        if message.method == "GET":
            return await self._get(message, owner, target)
        change = self._change(message, owner, target)
        changed = await self._store.change(change)
        if changed in _NOT_HELD and isinstance(target, ToParty):
            # LO-09, ER-10: it goes on to the addressed party, which may hold what the hub lacks.
            return await self._relay.pass_on(message, target)
        require_applied(changed)
        if isinstance(target, ToParty) and changed is not Changed.STALE:
            return await self._addressed.pass_on(message, target, change.feed_key)
        return changed_reply(changed, change)

    async def _get(self, message: Message, owner: PartyId, target: Route) -> Reply:
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        found = await self._store.find(ObjectKey(RULE.module, owner, message.path[OWNER]))
        return ok(_level(found, message.path[OWNER + 1 :]).encode())

    def _change(self, message: Message, owner: PartyId, target: Route) -> Change:
        """The change that a push asks for."""
        require_room(len(message.body), self._limits)
        partial = message.method == "PATCH"
        if partial:
            last_updated, _ = patch_fields(message, self._limits)
        else:
            last_updated = self._dated(message, message.body)
        for name, value in zip(("id", "uid", "id"), message.path[OWNER:], strict=False):
            require_keepable(name, value)
        audience, origin = audience_of(target)
        return Change(
            key=ObjectKey(RULE.module, owner, message.path[OWNER], audience=audience),
            body=require_object_text(message.body),
            partial=partial,
            last_updated=last_updated,
            origin=origin,
            correlation_id=message.ids.correlation_id,
            max_bytes=self._limits.object_bytes,
            part=message.path[OWNER + 1 :],
            check=lambda text: self._dated(message, text.encode()),
        )

    def _dated(self, message: Message, body: bytes) -> datetime:
        """`last_updated` of a body of the level that the URL names; both name the same (TF-26).

        Raises:
            MalformedJson: not JSON.
            InvalidRequest: not such an object, or another one.
        """
        names, part = message.path[: OWNER + 1], message.path[OWNER + 1 :]
        if len(part) == 2:
            connector = self._read(message, body, Connector)
            require_same("id", part[1], connector.id)
            return connector.last_updated
        if part:
            evse = self._read(message, body, EVSE)
            require_same("uid", part[0], evse.uid)
            return evse.last_updated
        location = self._read(message, body, Location)
        require_same("country_code", names[0], location.country_code)
        require_same("party_id", names[1], location.party_id)
        require_same("id", names[2], location.id)
        return location.last_updated

    def _read(self, message: Message, body: bytes, model: type[Model]) -> Model:
        part = message.path[OWNER + 1 :]
        depth = self._limits.json_depth - NESTING * len(part)
        parsed = parse_object(body, model, max_depth=depth)
        if message.method == "PUT":
            report_findings(parsed, message)
        return parsed.value


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
