"""Relations: list, set."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions.relations import set_relation
from ocpi_hub.admin.cursors import cursor_text
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
    page_of,
)
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.relations import RelationItem, relation_item
from ocpi_hub.domain.party import CdrExchange, Fallback, RelationMode
from ocpi_hub.store.platform_admin import RelationChange

KIND = "relations"
_MOST = 2**31 - 1


class RelationListing(Listing):
    cpo: Party | None = None
    emsp: Party | None = None
    mode: RelationMode | None = None


class RelationGiven(Given):
    cpo: Party
    emsp: Party


class RelationSettings(Body):
    """What is not given stays as it is; a new relation follows the configuration."""

    mode: RelationMode
    fallback: Fallback | None = Field(None, description="who decides when the eMSP is silent")
    authorize_budget_ms: int | None = Field(None, ge=1, le=_MOST)
    whitelist_max_age_s: int | None = Field(None, ge=0, le=_MOST)
    fallback_max_age_s: int | None = Field(None, ge=0, le=_MOST)
    cdrs: CdrExchange | None = Field(
        None, description="each at once, or all of a period at its end"
    )
    cdr_schedule: str | None = Field(
        None, description="when periods end: a cron expression, UTC", max_length=200
    )


def relation_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[RelationListing, NoBody]) -> Page[RelationItem]:
        return list_relations(parts, call.given)

    async def show(call: Call[RelationGiven, NoBody]) -> RelationItem:
        return relation_item(parts.directory().relation(call.given.cpo, call.given.emsp))

    async def change(call: Call[RelationGiven, RelationSettings]) -> RelationItem:
        wanted = RelationChange(**dict(call.body))
        return await set_relation(parts.access, call.given.cpo, call.given.emsp, wanted)

    return (
        Route("GET", f"{API}/relations", Scope.READ,
              "All relations that were set; other pairs follow default_relation",
              RelationListing, NoBody, Page[RelationItem], listing),
        Route("GET", f"{API}/relations/{{cpo}}/{{emsp}}", Scope.READ,
              "How a CPO and an eMSP work together, whether that was set or not",
              RelationGiven, NoBody, RelationItem, show),
        Route("PATCH", f"{API}/relations/{{cpo}}/{{emsp}}", Scope.ADMIN,
              "Say how a CPO and an eMSP work together; makes the relation if there is none",
              RelationGiven, RelationSettings, RelationItem, change),
    )  # fmt: skip


def list_relations(parts: AdminParts, given: RelationListing) -> Page[RelationItem]:
    """Those that match, by CPO and eMSP."""
    place = given.place(KIND, str, str)
    found = [
        item
        for item in map(relation_item, parts.directory().relations.values())
        if (place is None or (item.cpo, item.emsp) > place)
        and (given.cpo is None or item.cpo == str(given.cpo))
        and (given.emsp is None or item.emsp == str(given.emsp))
        and given.mode in (None, item.mode)
    ]
    found.sort(key=lambda item: (item.cpo, item.emsp))
    return page_of(
        found, given.limit, lambda item: item, lambda last: cursor_text(KIND, last.cpo, last.emsp)
    )
