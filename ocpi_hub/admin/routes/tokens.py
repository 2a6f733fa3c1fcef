"""Tokens: search, and erasing the records of one."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.access import OperatorAccess
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
    page_of,
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

    @property
    def wanted(self) -> TokenFilter:
        return TokenFilter(
            self.uid,
            self.visual_number,
            self.contract_id,
            self.group_id,
            self.issuer,
            self.emsp,
        )


class TokenGiven(Given):
    serial: int = Field(ge=1, le=2**63 - 1, description="its place in the order of arrival")


class TokenToErase(Body):
    uid: Text
    type: Text | None = Field(None, description="only of this type")


def token_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[TokenListing, NoBody]) -> Page[TokenItem]:
        given, key = call.given, call.key
        if not given.wanted.names:
            raise invalid("uid", "search for this or another field of a Token")
        clear = key.may(Scope.OPERATE)
        return await list_tokens(parts.access, given, asked_by=key.key_id, clear=clear)

    async def show(call: Call[TokenGiven, NoBody]) -> TokenItem:
        key = call.key
        clear = key.may(Scope.OPERATE)
        found = await tokens.show(parts.access, call.given.serial, asked_by=key.key_id, clear=clear)
        return token_item(found)

    async def erase(call: Call[Given, TokenToErase]) -> TokenErased:
        body = call.body
        return await tokens.erase(parts.access, body.uid, body.type, asked_by=call.key.key_id)

    return (
        Route("GET", f"{API}/tokens", Scope.READ,
              "Stored Tokens by what is printed on them",
              TokenListing, NoBody, Page[TokenItem], listing),
        Route("GET", f"{API}/tokens/{{serial}}", Scope.READ, "One stored Token",
              TokenGiven, NoBody, TokenItem, show),
        Route("POST", f"{API}/tokens/erase", Scope.ADMIN, "Erase the records of one token",
              Given, TokenToErase, TokenErased, erase),
    )  # fmt: skip


async def list_tokens(
    access: OperatorAccess, given: TokenListing, *, asked_by: str, clear: bool
) -> Page[TokenItem]:
    """Those that match, in the order in which they arrived.

    Args:
        asked_by: the id of a key or an account.
        clear: whether whoever asks is going to be shown what names a driver.

    Raises:
        OperatorError: nothing is searched for.
    """
    place = given.place(KIND, int)
    found = await tokens.search(
        access,
        given.wanted,
        given.limit + 1,
        after=int(place[0]) if place else None,
        asked_by=asked_by,
        clear=clear,
    )
    return page_of(found, given.limit, token_item, lambda last: cursor_text(KIND, last.serial))
