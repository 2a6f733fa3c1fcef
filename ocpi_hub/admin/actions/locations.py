"""Looking at Locations."""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.location_admin import LocationAdmin, ObjectFilter, SeenObject, Sight

_AUDIENCES = 100


async def versions(
    locations: LocationAdmin, sight: Sight, owner: PartyId, location_id: str
) -> Sequence[SeenObject]:
    """A Location as it is for everybody, then as it is for single parties.

    Raises:
        NoSuchObject: there is none that one may see.
    """
    wanted = ObjectFilter(owner=owner, object_id=location_id)
    found = await locations.objects(Module.LOCATIONS, sight, wanted, after=0, limit=_AUDIENCES)
    if not found:
        raise NoSuchObject(f"{owner} has no Location {location_id}")
    return sorted(found, key=lambda seen: seen.audience)
