"""Parts of Locations: what a change makes of an EVSE or connector, and which EVSEs are gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ocpi_hub.delivery.shared import Change, Changed, changed_text, is_stale
from ocpi_hub.domain.objects import Origin, SharedObject
from ocpi_hub.ocpi.json_text import members
from ocpi_hub.ocpi.location_text import (
    OpenLocation,
    connector_of,
    evse_with_connector,
    last_updated_of,
)
from ocpi_hub.ocpi.values import parse_datetime


@dataclass(frozen=True, slots=True)
class Part:
    """An EVSE, or an EVSE because of one of its connectors, as it stands before and after.

    Attributes:
        before: the text of the part; None if it is new.
    """

    before: str | None
    after: str
    evse: str


def says_all_evses(change: Change) -> bool:
    """Whether an EVSE that a change of a Location does not name is gone."""
    return not change.partial or any(name == "evses" for name, _ in members(change.body))


def was_left_out(location: SharedObject, change: Change) -> bool:
    """Whether a list brings back an EVSE that its Location, when it came whole, had no more."""
    whole = location.whole_updated or location.last_updated
    return change.origin is Origin.PULL and change.last_updated <= whole


def changed_part(
    location: OpenLocation, change: Change, row: SharedObject, now: datetime | None
) -> Part | Changed:
    """What a change makes of its part; else why it is not applied.

    Args:
        row: of the Location.

    Raises:
        InvalidRequest: from the change's own check.
    """
    evse = location.evse(change.part[0])
    before = evse
    if len(change.part) > 1:
        if evse is None:
            return Changed.MISSING
        before = connector_of(evse, change.part[1])
    if before is None and change.partial:
        return Changed.MISSING
    if before is not None and is_stale(change, parse_datetime(last_updated_of(before)), row, now):
        return Changed.STALE
    after = change.body if before is None else changed_text(before, change)
    if evse is None or len(change.part) == 1:
        return Part(before, after, after)
    return Part(before, after, evse_with_connector(evse, after, last_updated_of(after)))
