"""Tokens: pushed by eMSPs, listed and authorized for CPOs. Spec: 2.2.1 mod_tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, UnknownToken
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from ocpi_hub.ocpi.withdrawn_token import withdrawn_token
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import require_same
from ocpi_hub.server.handlers.shared import OWNER, Read, Services, SharedHandler
from ocpi_hub.server.inbound import Inbound

DEFAULT_TYPE = "RFID"


class Authorizing(Protocol):
    """Decides authorizations (design section 4)."""

    def authorize(
        self, message: Message, directory: Directory, *, received_at: float
    ) -> Awaitable[Reply]: ...


class TokensHandler(SharedHandler):
    """Serves both interfaces of the tokens module."""

    rule = RULES[Module.TOKENS]
    ids = ("uid",)

    def __init__(self, services: Services, authorizer: Authorizing) -> None:
        super().__init__(services)
        self._authorizer = authorizer

    def _beside_list(self, inbound: Inbound) -> Awaitable[Reply]:
        message = inbound.message
        if len(message.path) != 2 or message.path[1] != "authorize":
            raise NotFound("tokens SENDER serves the list and {token_uid}/authorize")
        if message.method != "POST":
            raise MethodNotAllowed("authorize is called by POST", headers={"Allow": "POST"})
        return self._authorizer.authorize(
            message, inbound.directory, received_at=inbound.received_at
        )

    async def _held(self, message: Message, owner: PartyId) -> str:
        kind = message.parameter("type") or DEFAULT_TYPE
        key = ObjectKey(self.rule.module, owner, message.path[OWNER], kind)
        found = await self._store.find(key)
        if found is None:
            raise UnknownToken
        return withdrawn_token(found.body) if found.deleted else found.body

    def _read(self, message: Message, body: bytes) -> Read:
        parsed = parse_object(body, Token, max_depth=self._limits.json_depth)
        token = parsed.value
        country_code, party_id, uid = message.path
        require_same("country_code", country_code, token.country_code)
        require_same("party_id", party_id, token.party_id)
        require_same("uid", uid, token.uid)
        kind = message.parameter("type")
        if kind is not None and kind != token.type:
            raise InvalidRequest("type differs between the URL and the body")
        return Read(token.last_updated, parsed, token.type)

    def _model(self, message: Message) -> type[OcpiModel]:
        return Token

    def _type_of_patch(self, message: Message, fields: Mapping[str, object]) -> str:
        """The type is part of the identity: a PATCH names it, but never changes it."""
        kind = message.parameter("type") or fields.get("type")
        return kind if isinstance(kind, str) and kind else DEFAULT_TYPE
