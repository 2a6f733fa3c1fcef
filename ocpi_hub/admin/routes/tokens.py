"""Tokens: search, and erasing the records of one."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import tokens
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Text,
)
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.tokens import TokenErased, TokenItem, token_item
from ocpi_hub.store.token_admin import TokenFilter

KIND = "tokens"


class TokenListing(Listing):
    uid: Text | None = Field(None, description="case does not matter, here and below")
    visual_number: Text | None = None
    contract_id: Text | None = None
    group_id: Text | None = None
    issuer: Text | None = None
    emsp: Party | None = Field(None, description="only its tokens")


class TokenToErase(Body):
    uid: Text
    type: Text | None = Field(None, description="only of this type")


def token_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[TokenListing, NoBody]) -> Page[TokenItem]:
        given, key = call.given, call.key
        wanted = _wanted(given)
        if not wanted.names:
            raise invalid("uid", "search for this or another field of a Token")
        clear = key.may(Scope.OPERATE)
        place = given.place(KIND, int)
        found = await tokens.search(
            parts.access,
            wanted,
            given.limit + 1,
            after=int(place[0]) if place else None,
            asked_by=key.key_id,
            clear=clear,
        )
        shown = found[: given.limit]
        hide = None if clear else _hash
        return Page(
            items=tuple(token_item(token, hide) for token in shown),
            next=cursor_text(KIND, shown[-1].serial) if len(found) > len(shown) else None,
        )

    def _hash(text: str) -> str:
        return parts.access.keyring.mac("token uid", text.upper())

    async def erase(call: Call[Given, TokenToErase]) -> TokenErased:
        body = call.body
        return await tokens.erase(parts.access, body.uid, body.type, asked_by=call.key.key_id)

    return (
        Route("GET", f"{API}/tokens", Scope.READ,
              "Stored Tokens by what is printed on them; uids in clear with scope `operate` only",
              TokenListing, NoBody, Page[TokenItem], listing),
        Route("POST", f"{API}/tokens/erase", Scope.ADMIN, "Erase the records of one token",
              Given, TokenToErase, TokenErased, erase),
    )  # fmt: skip


def _wanted(given: TokenListing) -> TokenFilter:
    return TokenFilter(
        given.uid,
        given.visual_number,
        given.contract_id,
        given.group_id,
        given.issuer,
        given.emsp,
    )
