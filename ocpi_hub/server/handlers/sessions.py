"""Sessions: taken into custody for the eMSP of their token. Spec: 2.2.1 mod_sessions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final, assert_never

from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.directed import Judged, JudgedBefore, Kept
from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.quality import STALE, Noticed, Quality, noticed
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.session_change import SessionChange, SessionRead, SessionStore
from ocpi_hub.delivery.session_delivery import (
    Dropped,
    NotHeld,
    SessionAcceptance,
    SessionDelivery,
)
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import InvalidRequest, NotFound, UnknownForPatch, UnknownReceiver
from ocpi_hub.ocpi.paging import DATE_FROM
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.patch import look_at_patch
from ocpi_hub.ocpi.v2_2_1.sessions import ChargingPreferences, Session
from ocpi_hub.routing.route import ToParty, check_caller, route, to_party
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import (
    Limits,
    addressed_by_link,
    owner_in_path,
    page_asked,
    patch_fields,
    require_room,
    require_same,
    subject_of,
)
from ocpi_hub.server.handlers.directed import is_copy_for_scsp, refused_before
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok, page_reply
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

RULE = RULES[Module.SESSIONS]

PREFERENCES: Final = "charging_preferences"


class SessionsHandler:
    """Serves both interfaces of the Sessions module."""

    def __init__(
        self,
        delivery: SessionDelivery,
        store: SessionStore,
        relay: Relay,
        links: PageLinks,
        limits: Limits,
        public_url: str,
        quality: Quality,
    ) -> None:
        self._delivery = delivery
        self._store = store
        self._relay = relay
        self._links = links
        self._limits = limits
        self._public_url = public_url
        self._quality = quality

    async def __call__(self, inbound: Inbound) -> Reply:
        message, directory = inbound.message, inbound.directory
        check_caller(message, RULE, directory)
        if message.interface_role is InterfaceRole.SENDER:
            return await self._sender(message, directory)
        owner = owner_in_path(message)
        if message.method == "GET":
            return await self._get(message, owner, directory)
        return await self._push(message, owner, directory)

    # Sender interface ----------------------------------------------------------------------------

    async def _sender(self, message: Message, directory: Directory) -> Reply:
        match message.method, message.path:
            case "GET", ():
                return await self._list(addressed_by_link(message, self._links), directory)
            case "PUT", (session_id, suffix) if suffix == PREFERENCES:
                return await self._prefer(message, session_id, directory)
            case _:
                raise NotFound(f"sessions SENDER serves the list, and /{{id}}/{PREFERENCES}")

    async def _list(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        if message.parameter(DATE_FROM) is None:
            raise InvalidRequest(f"{DATE_FROM}: is required for a list of Sessions")
        page = page_asked(message, self._limits)
        shown = await self._store.page(message.sender, page)
        if shown.versions:
            await self._store.fetched(message.sender, shown)
        return page_reply(shown.page, page, message, self._public_url)

    async def _prefer(self, message: Message, session_id: str, directory: Directory) -> Reply:
        """What a driver wants goes to the CPO of the session (SE-14)."""
        depth = self._limits.json_depth
        seen = noticed(parse_object(message.body, ChargingPreferences, max_depth=depth))
        owners: list[PartyId] = []
        if message.to is None:
            require_keepable("id", session_id)
            own = {held.party for held in message.platform.roles if held.active}
            owners = [
                row.key.owner
                for row in await self._store.called(session_id)
                if row.receiver in own and directory.related(message.sender, row.key.owner)
            ]
        content_party = owners[0] if len(owners) == 1 else None
        target = route(message, RULE, directory, content_party=content_party)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        self._quality.accepted(subject_of(message, None, session_id), seen)
        return await self._relay.pass_on(message, target)

    # Receiver interface --------------------------------------------------------------------------

    async def _get(self, message: Message, owner: PartyId, directory: Directory) -> Reply:
        """The hub's copy for an owner that asks the hub, else the receiver's."""
        if message.to is not None and message.to != directory.hub:
            target = route(message, RULE, directory)
        else:
            row = await self._store.find(_key(message, owner))
            if row is None:
                raise NotFound("The hub holds no such Session")
            if message.to is not None:
                return ok(row.body.encode())
            target = route(message, RULE, directory, content_party=row.receiver)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        to_party(owner, target.receiver, directory)
        return await self._relay.pass_on(message, target)

    async def _push(self, message: Message, owner: PartyId, directory: Directory) -> Reply:
        require_room(len(message.body), self._limits)
        require_keepable("id", message.path[2])
        if message.method == "PUT":
            parsed = parse_object(message.body, Session, max_depth=self._limits.json_depth)
            seen = noticed(parsed)
            read = _read(message, parsed.value)
            del parsed  # its memory, before anything is awaited
            payer: PartyId | None = read.receiver
            change = self._change(message, owner, read.receiver, read.last_updated, lambda _: read)
        else:
            last_updated, fields = patch_fields(message, self._limits)
            seen = noticed(look_at_patch(fields, Session))
            row = await self._store.find(_key(message, owner))
            payer = row.receiver if row else None
            change = self._change(
                message, owner, payer or owner, last_updated, self._reader(message)
            )
        if payer is None and message.to is None:
            raise UnknownForPatch
        target = route(message, RULE, directory, content_party=payer)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        # The relation that counts is the owner's, whoever of its platform sends.
        to_party(owner, target.receiver, directory)
        if payer is None:
            # ER-10: it goes on to the addressed party, which may hold what the hub lacks.
            return await self._relay.pass_on(message, target)
        if not _concerns(target, payer, directory):
            if not is_copy_for_scsp(target, payer, directory):
                log.warning("session_for_another_party", payer=str(payer), to=str(target.receiver))
            self._note(message, owner, seen)
            return await self._relay.pass_on(message, target)
        paying = to_party(owner, payer, directory)
        acceptance = await self._delivery.accept(change, paying.platform, online=paying.online)
        if isinstance(acceptance, Dropped):
            self._quality.deviates(subject_of(message, owner, message.path[2]), STALE)
        elif not isinstance(acceptance, NotHeld):
            self._note(message, owner, seen)
        return self._reply(message, change, acceptance, target.receiver)

    def _note(self, message: Message, owner: PartyId, seen: Noticed) -> None:
        self._quality.accepted(subject_of(message, owner, message.path[2]), seen)

    def _reply(
        self,
        message: Message,
        change: SessionChange,
        acceptance: SessionAcceptance,
        addressed: PartyId,
    ) -> Reply:
        match acceptance:
            case Judged(answer=answer):
                return Reply(answer.http_status, answer.body, sender=addressed)
            case JudgedBefore(state=DirectedState.DELIVERED):
                return ok(message="The receiver already has this change")
            case JudgedBefore(answer=answer):
                return refused_before(answer, addressed)
            case Kept(reason=reason):
                return ok(message=reason)
            case Dropped():
                log.info(
                    "stale_push_dropped",
                    module=message.module,
                    owner=str(change.key.owner),
                    last_updated=change.last_updated.isoformat(),
                )
                return ok(message="The hub holds a newer version; this one was dropped")
            case NotHeld():
                raise UnknownForPatch
            case _:
                assert_never(acceptance)

    def _change(
        self,
        message: Message,
        owner: PartyId,
        receiver: PartyId,
        last_updated: datetime,
        read: Callable[[str], SessionRead],
    ) -> SessionChange:
        return SessionChange(
            key=_key(message, owner),
            receiver=receiver,
            path=message.path,
            body=require_object_text(message.body),
            partial=message.method == "PATCH",
            last_updated=last_updated,
            correlation_id=message.ids.correlation_id,
            start=Start.WAIT,
            attempt_id=uuid.uuid4(),
            read=read,
            max_bytes=self._limits.object_bytes,
        )

    def _reader(self, message: Message) -> Callable[[str], SessionRead]:
        """Validates what a PATCH made of a Session."""

        def read(text: str) -> SessionRead:
            depth = self._limits.json_depth
            return _read(message, parse_object(text.encode(), Session, max_depth=depth).value)

        return read


def _key(message: Message, owner: PartyId) -> ObjectKey:
    return ObjectKey(RULE.module, owner, message.path[2])


def _read(message: Message, session: Session) -> SessionRead:
    """What the hub reads in the Session that the URL names.

    Raises:
        InvalidRequest: it is another one (TF-26).
    """
    country_code, party_id, session_id = message.path
    require_same("country_code", country_code, session.country_code)
    require_same("party_id", party_id, session.party_id)
    require_same("id", session_id, session.id)
    payer = PartyId(session.cdr_token.country_code, session.cdr_token.party_id)
    return SessionRead(payer, session.last_updated)


def _concerns(target: ToParty, payer: PartyId, directory: Directory) -> bool:
    """Whether it is addressed to the payer, or to a party that may share the payer's inbox."""
    platform = directory.platform_of(payer)
    return target.receiver == payer or (
        platform is not None and platform.platform_id == target.platform.platform_id
    )
