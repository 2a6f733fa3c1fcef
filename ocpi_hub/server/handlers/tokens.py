"""Tokens: pushed by eMSPs, listed and authorized for CPOs. Spec: 2.2.1 mod_tokens."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.shared import Change, Changed, SharedStore, published_key
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    UnknownForPatch,
    UnknownToken,
)
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.parse import parse_object, require_object_text
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from ocpi_hub.routing.route import FromStore, Route, ToParty, check_caller, route, to_party
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
    report_findings,
    require_applied,
    require_keepable,
    require_room,
    require_same,
)
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.server.replies import ok, page_reply

RULE = RULES[Module.TOKENS]
DEFAULT_TYPE = "RFID"


class Authorizing(Protocol):
    """Decides authorizations (design section 4)."""

    def authorize(
        self, message: Message, directory: Directory, *, received_at: float
    ) -> Awaitable[Reply]: ...


class TokensHandler:
    """Serves both interfaces of the tokens module."""

    def __init__(
        self,
        store: SharedStore,
        relay: Relay,
        addressed: AddressedPushes,
        links: PageLinks,
        authorizer: Authorizing,
        limits: Limits,
        public_url: str,
    ) -> None:
        self._store = store
        self._relay = relay
        self._addressed = addressed
        self._links = links
        self._authorizer = authorizer
        self._limits = limits
        self._public_url = public_url

    async def __call__(self, inbound: Inbound) -> Reply:
        message = inbound.message
        if message.interface_role is InterfaceRole.RECEIVER:
            return await self._receiver(message, inbound.directory)
        check_caller(message, RULE, inbound.directory)
        if message.method == "GET" and not message.path:
            return await self._list(addressed_by_link(message, self._links), inbound.directory)
        if len(message.path) != 2 or message.path[1] != "authorize":
            raise NotFound("tokens SENDER serves the list and {token_uid}/authorize")
        if message.method != "POST":
            raise MethodNotAllowed("authorize is called by POST", headers={"Allow": "POST"})
        return await self._authorizer.authorize(
            message, inbound.directory, received_at=inbound.received_at
        )

    async def _list(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        page = page_asked(message, self._limits)
        owners = owners_shown_to(message.sender, RULE, directory)
        found = await self._store.page(RULE.module, message.sender, owners, page)
        return page_reply(found, page, message, self._public_url)

    # Receiver interface --------------------------------------------------------------------------

    async def _receiver(self, message: Message, directory: Directory) -> Reply:
        target = route(message, RULE, directory)
        owner = owner_in_path(message)
        if isinstance(target, ToParty) and owner != message.sender:
            # The relation that counts is the owner's, whoever of its platform sends.
            to_party(owner, target.receiver, directory)
        if message.method == "GET":
            return await self._get(message, owner, target)
        change = await self._change(message, owner, target)
        if change is None:
            return await self._pass_unknown_patch(message, target)
        changed = await self._store.change(change)
        require_applied(changed)
        if isinstance(target, ToParty) and changed is not Changed.STALE:
            return await self._addressed.pass_on(message, target, change.key)
        return changed_reply(changed, change)

    async def _get(self, message: Message, owner: PartyId, target: Route) -> Reply:
        if not isinstance(target, FromStore):
            return await self._pass(message, target)
        kind = message.parameter("type") or DEFAULT_TYPE
        found = await self._store.find(ObjectKey(RULE.module, owner, message.path[2], kind))
        if found is None:
            raise UnknownToken
        return ok(found.body.encode())

    async def _pass(self, message: Message, target: Route) -> Reply:
        if not isinstance(target, ToParty):
            raise AssertionError("only direct messages are passed on here")
        return await self._relay.pass_on(message, target)

    async def _pass_unknown_patch(self, message: Message, target: Route) -> Reply:
        """ER-10: a PATCH of what the hub lacks goes on to the addressed party all the same."""
        if isinstance(target, ToParty):
            return await self._relay.pass_on(message, target)
        raise UnknownForPatch

    async def _change(self, message: Message, owner: PartyId, target: Route) -> Change | None:
        """The change that a push asks for; None for a PATCH of a token the hub lacks."""
        require_room(len(message.body), self._limits)
        if message.method == "PATCH":
            return await self._patch(message, owner, target)
        parsed = parse_object(message.body, Token, max_depth=self._limits.json_depth)
        token = parsed.value
        _check_identity(message, token)
        report_findings(parsed, message)
        audience, origin = audience_of(target)
        return Change(
            key=ObjectKey(RULE.module, owner, message.path[2], token.type, audience),
            body=require_object_text(message.body),
            partial=False,
            last_updated=token.last_updated,
            origin=origin,
            correlation_id=message.ids.correlation_id,
            max_bytes=self._limits.object_bytes,
        )

    async def _patch(self, message: Message, owner: PartyId, target: Route) -> Change | None:
        last_updated, fields = patch_fields(message, self._limits)
        audience, origin = audience_of(target)
        # The type is part of the identity: a PATCH names it, but never changes it.
        kind = message.parameter("type") or fields.get("type")
        kind = kind if isinstance(kind, str) and kind else DEFAULT_TYPE
        key = ObjectKey(RULE.module, owner, message.path[2], kind, audience)
        current = await self._store.find(key) or await self._store.find(published_key(key))
        if current is None:
            return None
        patch = require_object_text(message.body)
        merged = merge_patch(current.body, patch).encode()
        require_room(len(merged), self._limits)
        _check_identity(
            message, parse_object(merged, Token, max_depth=self._limits.json_depth).value
        )
        return Change(
            key=key,
            body=patch,
            partial=True,
            last_updated=last_updated,
            origin=origin,
            correlation_id=message.ids.correlation_id,
            max_bytes=self._limits.object_bytes,
        )


def _check_identity(message: Message, token: Token) -> None:
    """URL and body name the same token (TF-26, TK-03)."""
    country_code, party_id, uid = message.path
    require_same("country_code", country_code, token.country_code)
    require_same("party_id", party_id, token.party_id)
    require_same("uid", uid, token.uid)
    require_keepable("uid", uid)
    require_keepable("type", token.type)
    kind = message.parameter("type")
    if kind is not None and kind != token.type:
        raise InvalidRequest("type differs between the URL and the body")
