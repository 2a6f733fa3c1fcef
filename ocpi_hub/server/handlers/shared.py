"""What the handlers of shared objects have in common: lists, pushes by owners, and looking back.

A push is stored first. A broadcast is answered by the hub then; what is addressed to one party is
relayed and answered with that party's verdict (decision D-16).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.quality import STALE, Noticed, Quality, noticed
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import Change, Changed, Deletion, SharedStore
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.errors import NotFound
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import Parsed, require_object_text
from ocpi_hub.ocpi.patch import look_at_patch
from ocpi_hub.routing.route import Route, ToParty, check_caller, route, to_party
from ocpi_hub.routing.rules import ModuleRules
from ocpi_hub.server.handlers.common import (
    Limits,
    addressed_by_link,
    audience_of,
    changed_reply,
    owner_in_path,
    owners_shown_to,
    page_asked,
    patch_fields,
    require_applied,
    require_room,
    subject_of,
)
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok, page_reply

OWNER: Final = 2
"""Segments of a path that name the owner."""

_NOT_HELD = frozenset({Changed.MISSING, Changed.UNKNOWN_LOCATION})


@dataclass(frozen=True, slots=True)
class Services:
    """What every handler of shared objects works with."""

    store: SharedStore
    relay: Relay
    addressed: AddressedPushes
    links: PageLinks
    limits: Limits
    public_url: str
    quality: Quality


@dataclass(frozen=True, slots=True)
class Read:
    """What a handler reads in a valid body.

    Attributes:
        parsed: None where the body is not one whole object or part.
        object_type: see `ObjectKey`.
    """

    last_updated: datetime
    parsed: Parsed[OcpiModel] | None
    object_type: str = ""


class SharedHandler(ABC):
    """Serves both interfaces of one module of shared objects.

    Attributes:
        rule: the module.
        ids: names of the ids that may follow the owner in a URL: of the object, and of parts of it.
    """

    rule: ClassVar[ModuleRules]
    ids: ClassVar[tuple[str, ...]] = ("id",)

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._relay = services.relay
        self._addressed = services.addressed
        self._links = services.links
        self._limits = services.limits
        self._public_url = services.public_url
        self._quality = services.quality

    def __call__(self, inbound: Inbound) -> Awaitable[Reply]:
        message = inbound.message
        if message.interface_role is InterfaceRole.RECEIVER:
            return self._receiver(message, inbound.directory)
        check_caller(message, self.rule, inbound.directory)
        if message.method == "GET" and not message.path:
            return self._list(addressed_by_link(message, self._links), inbound.directory)
        return self._beside_list(inbound)

    # Sender interface ----------------------------------------------------------------------------

    async def _list(self, message: Message, directory: Directory) -> Reply:
        target = route(message, self.rule, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        page = page_asked(message, self._limits)
        found = await self._store.page(
            self.rule.module,
            message.sender,
            owners_shown_to(message.sender, self.rule, directory),
            page,
            to_publish=self._to_publish(directory, message.sender),
        )
        return page_reply(found, page, message, self._public_url)

    def _to_publish(self, directory: Directory, reader: PartyId) -> bool:
        """See `SharedStore.page`."""
        return False

    def _beside_list(self, inbound: Inbound) -> Awaitable[Reply]:
        """What the SENDER interface serves besides the list."""
        raise NotFound(f"{self.rule.module} SENDER serves the list alone")

    # Receiver interface --------------------------------------------------------------------------

    async def _receiver(self, message: Message, directory: Directory) -> Reply:
        target = route(message, self.rule, directory)
        owner = owner_in_path(message, levels=len(self.ids))
        if isinstance(target, ToParty) and owner != message.sender:
            # The relation that counts is the owner's, whoever of its platform sends.
            to_party(owner, target.receiver, directory)
        if message.method == "GET":
            return await self._get(message, owner, target)
        if message.method == "DELETE":
            return await self._delete(message, owner, target)
        change, seen = self._change(message, owner, target)
        position = 0
        if isinstance(target, ToParty):
            placed = await self._store.place(change)
            changed, position = placed.changed, placed.position
        else:
            changed = await self._store.change(change)
        if changed in _NOT_HELD and isinstance(target, ToParty):
            # LO-09, ER-10: it goes on to the addressed party, which may hold what the hub lacks.
            return await self._relay.pass_on(message, target)
        require_applied(changed)
        subject = subject_of(message, owner, "/".join(message.path[OWNER:]))
        if changed is Changed.STALE:
            self._quality.deviates(subject, STALE)
        else:
            self._quality.accepted(subject, seen)
        if isinstance(target, ToParty) and changed is not Changed.STALE:
            return await self._addressed.pass_on(message, target, change.feed_key, position)
        return changed_reply(changed, change)

    async def _get(self, message: Message, owner: PartyId, target: Route) -> Reply:
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        return ok((await self._held(message, owner)).encode())

    async def _delete(self, message: Message, owner: PartyId, target: Route) -> Reply:
        audience, origin = audience_of(target)
        key = ObjectKey(self.rule.module, owner, message.path[OWNER], audience=audience)
        deletion = Deletion(key, origin, message.ids.correlation_id)
        if isinstance(target, ToParty):
            placed = await self._store.place(deletion)
            if placed.changed is Changed.MISSING:
                return await self._relay.pass_on(message, target)
            return await self._addressed.pass_on(message, target, key, placed.position)
        if await self._store.delete(deletion) is Changed.MISSING:
            raise NotFound(f"The hub holds no such object of {self.rule.module}")
        return ok()

    def _change(self, message: Message, owner: PartyId, target: Route) -> tuple[Change, Noticed]:
        """The change that a push asks for, and what is to be counted about it."""
        require_room(len(message.body), self._limits)
        partial = message.method == "PATCH"
        if partial:
            last_updated, fields = patch_fields(message, self._limits)
            parsed = look_at_patch(fields, self._model(message))
            read = Read(last_updated, parsed, self._type_of_patch(message, fields))
        else:
            read = self._read(message, message.body)
        for name, value in zip(self.ids, message.path[OWNER:], strict=False):
            require_keepable(name, value)
        require_keepable("type", read.object_type)
        audience, origin = audience_of(target)
        change = Change(
            key=ObjectKey(self.rule.module, owner, message.path[OWNER], read.object_type, audience),
            body=require_object_text(message.body),
            partial=partial,
            last_updated=read.last_updated,
            origin=origin,
            correlation_id=message.ids.correlation_id,
            max_bytes=self._limits.object_bytes,
            part=message.path[OWNER + 1 :],
            check=lambda text: self._read(message, text.encode()),
        )
        return change, noticed(read.parsed)

    @abstractmethod
    async def _held(self, message: Message, owner: PartyId) -> str:
        """The text of the object, or of the part of it, that a URL names.

        Raises:
            NotFound: the hub holds none.
        """

    @abstractmethod
    def _model(self, message: Message) -> type[OcpiModel]:
        """The object or part that a URL names."""

    @abstractmethod
    def _read(self, message: Message, body: bytes) -> Read:
        """Validate a body, and that it is about what the URL names (TF-26).

        Raises:
            MalformedJson: not JSON.
            InvalidRequest: not such an object, or another one.
        """

    def _type_of_patch(self, message: Message, fields: Mapping[str, object]) -> str:
        """The object type that a PATCH is about."""
        return ""
