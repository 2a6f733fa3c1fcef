"""How Locations look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from ocpi_hub.admin.views.answers import AnswerView
from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.location_admin import OwedPush, Point, SeenObject


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


class LocationPoint(View):
    """Where a Location is, and how many of its EVSEs are in which state."""

    owner: PartyText
    id: str
    name: str
    latitude: str | None = Field(description="as its owner wrote it")
    longitude: str | None
    available: int
    in_use: int
    out_of_order: int
    other: int


class LocationVersion(View):
    """A Location as it is for everybody, or for a single party."""

    audience: str = Field(description="`*`, or the only party that it is for")
    changed_at: Moment
    correlation_id: str = Field(description="of the request that brought it")
    location: dict[str, Any]


class OwedView(View):
    """A push of a Location, or of an EVSE of it, that a receiver did not take."""

    receiver: PartyText
    evse_uid: str | None = Field(description="null: the whole Location")
    attempts: int
    since: Moment
    next_attempt_at: Moment | None = Field(description="null: not before it changes")
    last_answer: AnswerView | None


class LocationStanding(View):
    """What belongs to a Location, and who has not got it yet."""

    versions: tuple[LocationVersion, ...]
    tariffs: dict[str, dict[str, Any]] = Field(
        description="by id: those that its connectors name and that are stored, the first 50"
    )
    tariffs_unknown: tuple[str, ...] = Field(description="that are named, and not among those")
    owed: tuple[OwedView, ...]
    behind: tuple[PartyText, ...] = Field(
        description="receivers whose lanes have not come to its last change"
    )
    cdrs: int = Field(description="10000 at most")
    last_cdr_at: Moment | None = Field(description="when the last of these ended")


def location_point(point: Point) -> LocationPoint:
    return LocationPoint(
        owner=str(point.owner),
        id=point.location_id,
        name=point.name,
        latitude=point.latitude,
        longitude=point.longitude,
        available=point.available,
        in_use=point.in_use,
        out_of_order=point.out_of_order,
        other=point.other,
    )


def location_version(seen: SeenObject) -> LocationVersion:
    return LocationVersion(
        audience=seen.audience,
        changed_at=timestamp(seen.changed_at),
        correlation_id=seen.correlation_id,
        location=json.loads(seen.body),
    )


def owed_view(push: OwedPush) -> OwedView:
    return OwedView(
        receiver=str(push.receiver),
        evse_uid=push.evse_uid or None,
        attempts=push.attempts,
        since=timestamp(push.since),
        next_attempt_at=moment(push.next_attempt_at),
        last_answer=AnswerView.of(push.answer),
    )


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
