"""Locations: list, and one as its owner last said."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import locations
from ocpi_hub.admin.actions.locations import Eyes
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
from ocpi_hub.admin.views.base import Page, moment
from ocpi_hub.admin.views.locations import (
    LocationDetails,
    LocationItem,
    LocationPoint,
    LocationStanding,
    location_details,
    location_item,
    location_point,
    location_version,
    owed_view,
)
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.v2_2_1.locations import Status
from ocpi_hub.store.location_admin import LocationAdmin, ObjectFilter, Sight

KIND, POINTS = "locations", "location-points"
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

    async def points(call: Call[Listing, NoBody]) -> Page[LocationPoint]:
        place, limit = call.given.place(POINTS, int), call.given.limit
        found = await store.some_points(_ALL, int(place[0]) if place else 0, limit + 1)
        return page_of(
            found,
            limit,
            lambda each: location_point(each[1]),
            lambda last: cursor_text(POINTS, last[0]),
        )

    async def standing(call: Call[LocationGiven, NoBody]) -> LocationStanding:
        given = call.given
        told = await locations.tell(store, parts.directory(), Eyes(), given.owner, given.id)
        number, last = told.cdrs
        named = locations.tariff_ids(told.location)
        return LocationStanding(
            versions=tuple(map(location_version, told.versions)),
            tariffs={name: dict(tariff) for name, tariff in told.tariffs.items()},
            tariffs_unknown=tuple(name for name in named if name not in told.tariffs),
            owed=tuple(map(owed_view, told.owed)),
            behind=tuple(map(str, told.behind)),
            cdrs=number,
            last_cdr_at=moment(last),
        )

    return (
        Route("GET", f"{API}/locations", Scope.READ, "Locations, in the order of arrival",
              LocationListing, NoBody, Page[LocationItem], listing),
        Route("GET", f"{API}/locations/{{owner}}/{{id}}", Scope.READ,
              "One Location as its owner last said",
              LocationGiven, NoBody, LocationDetails, show),
        Route("GET", f"{API}/locations/{{owner}}/{{id}}/standing", Scope.READ,
              "What belongs to a Location: its texts, tariffs, CDRs, and who has not got it yet",
              LocationGiven, NoBody, LocationStanding, standing),
        Route("GET", f"{API}/location-points", Scope.READ,
              "Where Locations are and how their EVSEs are, in the order of arrival",
              Listing, NoBody, Page[LocationPoint], points),
    )  # fmt: skip
