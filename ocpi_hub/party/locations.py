"""Locations that the platform holds: its own, or those a CPO gave it.

They are kept as text, so that what two platforms hold can be compared to the digit. A change at the
level of an EVSE or a connector changes the text of its Location.
Spec: 2.2.1 mod_locations_locations_module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, UnknownLocation
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.location_text import (
    connector_text,
    evse_text,
    patched_connector,
    patched_evse,
    with_connector,
    with_evse,
)
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.parse import parse_json, require_object_text, validate_object
from ocpi_hub.ocpi.v2_2_1.locations import EVSE, Connector, Location
from ocpi_hub.party.paging import Listed, parse_datetime
from ocpi_hub.party.tables import owner_of, required_text

MAX_DEPTH = 32


class Level(Enum):
    """What a URL of the module names; the value is the number of ids it needs."""

    LOCATION = 1
    EVSE = 2
    CONNECTOR = 3

    @property
    def model(self) -> type[OcpiModel]:
        return (Location, EVSE, Connector)[self.value - 1]

    @property
    def identifier(self) -> str:
        """The field that holds the last of the ids."""
        return "uid" if self is Level.EVSE else "id"


@dataclass(frozen=True, slots=True)
class Place:
    """A Location, EVSE or connector by owner and ids.

    Attributes:
        ids: one to three: of the Location, the EVSE, the connector.
    """

    owner: PartyId
    ids: tuple[str, ...]

    @classmethod
    def of(cls, owner: PartyId, ids: Sequence[str]) -> Place:
        """Raises: UnknownLocation: no such level."""
        if not 1 <= len(ids) <= len(Level):
            raise UnknownLocation
        return cls(owner, tuple(ids))

    @property
    def level(self) -> Level:
        return Level(len(self.ids))

    @property
    def key(self) -> tuple[PartyId, str]:
        return self.owner, self.ids[0].casefold()


class LocationTable:
    """Locations by owner and id, listed in the order in which they were first seen."""

    def __init__(self) -> None:
        self._held: dict[tuple[PartyId, str], Listed] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[str]:
        return (item.text.decode() for item in self._held.values())

    def listed(self) -> Iterable[Listed]:
        return self._held.values()

    def get(self, place: Place) -> str:
        """The object as it stands.

        Raises:
            UnknownLocation: there is none.
        """
        location = self._location(place)
        match place.ids:
            case (_, evse_uid, connector_id):
                text = connector_text(location, evse_uid, connector_id)
            case (_, evse_uid):
                text = evse_text(location, evse_uid)
            case _:
                text = location
        if text is None:
            raise UnknownLocation
        return text

    def put(self, place: Place, body: bytes) -> bool:
        """Store an object at its level; true when it was not known before.

        Raises:
            UnknownLocation: there is nothing that this EVSE or connector could belong to.
            InvalidRequest: not such an object, or another one than the place says.
        """
        value = _valid(place, body)
        text, moment = require_object_text(body), required_text(value, "last_updated")
        new = not self._known(place)
        match place.ids:
            case (_, evse_uid, _):
                changed = with_connector(self._location(place), evse_uid, text, moment)
            case (_, _):
                changed = with_evse(self._location(place), text, moment)
            case _:
                changed = text
        self._store(place, changed)
        return new

    def patch(self, place: Place, body: bytes) -> None:
        """Change an object at its level.

        Raises:
            UnknownLocation: there is none.
            InvalidRequest: no last_updated, or the object would become unusable.
        """
        changes = _object(body)
        parse_datetime(required_text(changes, "last_updated"))
        location, patch = self._location(place), require_object_text(body)
        try:
            match place.ids:
                case (_, evse_uid, connector_id):
                    changed = patched_connector(location, evse_uid, connector_id, patch)
                case (_, evse_uid):
                    changed = patched_evse(location, evse_uid, patch)
                case _:
                    merged = merge_patch(location, patch)
                    changed = merged, merged
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        if changed is None:
            raise UnknownLocation
        _valid(place, changed[1].encode())
        self._store(place, changed[0])

    def load(self, body: bytes) -> None:
        """Store a Location under the ids it names itself.

        Raises:
            InvalidRequest: it is none.
        """
        value = _object(body)
        self.put(Place(owner_of(value), (required_text(value, "id"),)), body)

    def _location(self, place: Place) -> str:
        """The text of the Location of a place.

        Raises:
            UnknownLocation: it is not held.
        """
        held = self._held.get(place.key)
        if held is None:
            raise UnknownLocation
        return held.text.decode()

    def _known(self, place: Place) -> bool:
        try:
            self.get(place)
        except UnknownLocation:
            return False
        return True

    def _store(self, place: Place, location: str | None) -> None:
        if location is None:
            raise UnknownLocation
        body = location.encode()
        moment = parse_datetime(required_text(_object(body), "last_updated"))
        self._held[place.key] = Listed(place.owner, moment, body)


def _object(body: bytes) -> dict[str, Any]:
    """Raises: InvalidRequest: no JSON object."""
    value = parse_json(body, max_depth=MAX_DEPTH)
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object")
    return value


def _valid(place: Place, body: bytes) -> dict[str, Any]:
    """The fields of an object that fits its place.

    Raises:
        InvalidRequest: it does not.
    """
    value = _object(body)
    validate_object(value, place.level.model)
    named = required_text(value, place.level.identifier)
    if named.casefold() != place.ids[-1].casefold():
        raise InvalidRequest("The body names another object than the URL")
    if place.level is Level.LOCATION and owner_of(value) != place.owner:
        raise InvalidRequest("The body names another owner than the URL")
    return value
