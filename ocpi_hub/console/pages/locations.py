"""Locations: the map, what it is drawn from, and the list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.locations import LocationListing, location_page
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.locations import EvseGroup, LocationItem
from ocpi_hub.console.cells import At, Code, Number, url
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.location_story import STORY
from ocpi_hub.console.sight import sight_of
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Data, Shown, Visit
from ocpi_hub.domain.party import Module
from ocpi_hub.store.location_admin import LocationAdmin, Point, Sight

MAX_POINTS = 200_000
_WORDS = ("in_view", "chosen", "more", "closer", "failed", "none", *EvseGroup)


def location_pages() -> tuple[Page, ...]:
    return (
        Page("GET", "/locations", Scope.READ, show_map, partner=True, nav="nav.locations"),
        Page("GET", "/locations/points", Scope.READ, points, partner=True),
        LIST.page(),
        STORY.page(),
    )


# The map ------------------------------------------------------------------------------------------


async def show_map(_visit: Visit) -> Answer:
    """The map; its script asks for the points."""
    words = {name: t(f"locations.{name}") for name in _WORDS}
    groups = [group.value for group in EvseGroup]
    context = {"groups": groups, "words": json.dumps(words, ensure_ascii=False)}
    return Shown("locations_map.html", t("locations.map_title"), context)


async def points(visit: Visit) -> Answer:
    """Every Location that the viewer may see:
    [owner, id, name, latitude, longitude, available, in use, out of order, other]."""
    store = LocationAdmin(visit.parts.admin.access.database)
    sight = sight_of(visit.viewer, visit.parts.admin.directory(), Module.LOCATIONS)
    # The position is read before the Locations: what changes meanwhile is asked for again.
    seen = f"{await store.position()} {sight!r}"
    etag = hashlib.sha256(seen.encode()).hexdigest()[:32]
    return Data(etag, "application/json", points_json(store, sight))


async def points_json(store: LocationAdmin, sight: Sight) -> AsyncIterator[str]:
    """The text, some Locations at a time; what has no place on earth is left out."""
    known: set[tuple[str, str]] = set()
    yield '{"points":['
    async for part in store.points(sight):
        rows = []
        for point in part:
            row = _row(point)
            key = (str(point.owner), point.location_id.upper())
            if row is None or key in known or len(known) >= MAX_POINTS:
                continue
            rows.append(("," if known else "") + row)
            known.add(key)
        yield "".join(rows)
    yield "]}"


def _row(point: Point) -> str | None:
    place = (_degrees(point.latitude, 90), _degrees(point.longitude, 180))
    if None in place:
        return None
    counts = (point.available, point.in_use, point.out_of_order, point.other)
    row = (str(point.owner), point.location_id, point.name[:60], *place, *counts)
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _degrees(text: str | None, most: int) -> float | None:
    """To about a metre."""
    try:
        found = round(float(text or ""), 5)
    except ValueError:
        return None
    return found if -most <= found <= most else None


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: LocationListing) -> Items[LocationItem]:
    admin = visit.parts.admin
    sight = sight_of(visit.viewer, admin.directory(), Module.LOCATIONS)
    return await location_page(LocationAdmin(admin.access.database), sight, given)


def _sees(_viewer: Viewer, _item: LocationItem) -> bool:
    """What `fetch` found was found for this viewer: it depends on relations."""
    return True


LIST: ListPage[LocationItem, LocationListing] = ListPage(
    path="/locations/list",
    area="locations",
    listing=LocationListing,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("owner", lambda item: Code(item.owner)),
        Column("name", lambda item: item.name),
        Column("address", lambda item: item.address),
        Column("country", lambda item: item.country),
        Column("available", lambda item: Number(item.available)),
        Column("in_use", lambda item: Number(item.in_use)),
        Column("out_of_order", lambda item: Number(item.out_of_order)),
        Column("other", lambda item: Number(item.other)),
        Column("last_updated", lambda item: At(item.last_updated)),
    ),
    fetch=fetch,
    sees=_sees,
    link=lambda item: url("locations", item.owner, item.id),
    search="q",
    begin=("nav.platforms", "/platforms", Scope.READ),
)
