"""Keys of this API: list, create, revoke."""

from __future__ import annotations

from pydantic import Field, field_validator

from ocpi_hub.admin.actions import keys
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import KEY_CACHE_S, Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Route,
    Text,
)
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.routes.platforms import checked_name
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.keys import KeyItem, NewKey, key_item

KIND = "keys"


class KeyGiven(Given):
    key: Text = Field(description="its id, for instance k-3f9a1c02")


class WantedKey(Body):
    """A key that is to be made; each scope includes those before it."""

    name: str = Field(description="who or what is going to use it")
    scopes: tuple[Scope, ...] = Field(min_length=1, max_length=len(Scope))

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str) -> str:
        return checked_name(value)


def key_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[Listing, NoBody]) -> Page[KeyItem]:
        place = call.given.place(KIND, str)
        limit = call.given.limit
        after = str(place[0]) if place else None
        found = await parts.keys.list(after=after, limit=limit + 1)
        shown = found[:limit]
        more = len(found) > len(shown)
        return Page(
            items=tuple(map(key_item, shown)),
            next=cursor_text(KIND, shown[-1].key_id) if more else None,
        )

    async def create(call: Call[NoParameters, WantedKey]) -> NewKey:
        return await keys.create(parts.keys, call.body.name, call.body.scopes)

    async def revoke(call: Call[KeyGiven, NoBody]) -> KeyItem:
        return await keys.revoke(parts.keys, call.given.key)

    return (
        Route("GET", f"{API}/keys", Scope.ADMIN, "All keys, revoked ones too; never their secrets",
              Listing, NoBody, Page[KeyItem], listing),
        Route("POST", f"{API}/keys", Scope.ADMIN, "Make a key; its secret is shown this once",
              NoParameters, WantedKey, NewKey, create, 201),
        Route("DELETE", f"{API}/keys/{{key}}", Scope.ADMIN,
              f"Revoke a key: within {KEY_CACHE_S:g} seconds no process accepts it any more",
              KeyGiven, NoBody, KeyItem, revoke),
    )  # fmt: skip
