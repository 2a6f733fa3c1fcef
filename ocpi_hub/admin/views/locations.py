"""How Locations look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.location_admin import SeenObject


class EvseGroup(StrEnum):
    """Statuses that mean about the same to whoever looks from afar."""

    AVAILABLE = "available"
    IN_USE = "in_use"
    OUT_OF_ORDER = "out_of_order"
    OTHER = "other"


_GROUPS: Mapping[str, EvseGroup] = {
    "AVAILABLE": EvseGroup.AVAILABLE,
    "CHARGING": EvseGroup.IN_USE,
    "RESERVED": EvseGroup.IN_USE,
    "BLOCKED": EvseGroup.IN_USE,
    "OUTOFORDER": EvseGroup.OUT_OF_ORDER,
    "INOPERATIVE": EvseGroup.OUT_OF_ORDER,
}
_GONE = "REMOVED"


def evse_group(status: object) -> EvseGroup:
    """Where a status belongs."""
    return _GROUPS.get(str(status).upper(), EvseGroup.OTHER)


class LocationItem(View):
    """A Location in a list."""

    owner: PartyText
    id: str
    name: str | None
    address: str
    country: str
    available: int = Field(description="EVSEs that are available; below, those that are not")
    in_use: int
    out_of_order: int
    other: int
    last_updated: Moment
    audience: str = Field(description="`*`, or the only party that it is for")


class LocationDetails(LocationItem):
    """A Location as its owner last said."""

    changed_at: Moment
    location: dict[str, Any]


def location_item(seen: SeenObject) -> LocationItem:
    return LocationItem(**_fields(seen, json.loads(seen.body)))


def location_details(seen: SeenObject) -> LocationDetails:
    body = json.loads(seen.body)
    return LocationDetails(
        **_fields(seen, body), changed_at=timestamp(seen.changed_at), location=body
    )


def evses_of(location: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its EVSEs, without those that are removed."""
    return [
        each
        for each in location.get("evses") or ()
        if isinstance(each, dict) and each.get("status") != _GONE
    ]


def _fields(seen: SeenObject, location: Mapping[str, Any]) -> dict[str, Any]:
    groups = [evse_group(evse.get("status")) for evse in evses_of(location)]
    parts = (location.get(name) for name in ("address", "postal_code", "city"))
    return {
        "owner": str(seen.owner),
        "id": str(location.get("id") or seen.object_id),
        "name": location.get("name"),
        "address": ", ".join(str(part) for part in parts if part),
        "country": str(location.get("country") or ""),
        **{group.value: groups.count(group) for group in EvseGroup},
        "last_updated": timestamp(seen.last_updated),
        "audience": seen.audience,
    }
