"""Locations: list, and one as its owner last said."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import locations
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
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
from ocpi_hub.admin.views.locations import (
    LocationDetails,
    LocationItem,
    location_details,
    location_item,
)
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.v2_2_1.locations import Status
from ocpi_hub.store.location_admin import LocationAdmin, ObjectFilter, Sight

KIND = "locations"
_ALL = Sight(everything=True)


class LocationListing(Listing):
    q: Text | None = Field(None, description="part of an id, a name or an address")
    owner: Party | None = None
    id: Text | None = Field(None, description="case does not matter")
    status: Status | None = Field(None, description="with an EVSE of this status")


class LocationGiven(Given):
    owner: Party
    id: Text


async def location_page(
    store: LocationAdmin, sight: Sight, given: LocationListing
) -> Page[LocationItem]:
    """Locations that somebody sees, in the order of arrival."""
    place = given.place(KIND, int)
    wanted = ObjectFilter(given.owner, given.id, given.status, given.q)
    found = await store.objects(
        Module.LOCATIONS, sight, wanted, after=int(place[0]) if place else 0, limit=given.limit + 1
    )
    return page_of(found, given.limit, location_item, lambda last: cursor_text(KIND, last.serial))


def location_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    store = LocationAdmin(parts.access.database)

    async def listing(call: Call[LocationListing, NoBody]) -> Page[LocationItem]:
        return await location_page(store, _ALL, call.given)

    async def show(call: Call[LocationGiven, NoBody]) -> LocationDetails:
        given = call.given
        found = await locations.versions(store, _ALL, given.owner, given.id)
        return location_details(found[0])

    return (
        Route("GET", f"{API}/locations", Scope.READ, "Locations, in the order of arrival",
              LocationListing, NoBody, Page[LocationItem], listing),
        Route("GET", f"{API}/locations/{{owner}}/{{id}}", Scope.READ,
              "One Location as its owner last said",
              LocationGiven, NoBody, LocationDetails, show),
    )  # fmt: skip
