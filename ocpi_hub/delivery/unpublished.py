"""Locations that are not to be published: whom they are broadcast to (LO-12).

Such a Location may only be shown to the holders of certain tokens. The parties that serve token
holders get it; for those that show maps to everybody it does not exist, unless its owner addresses
it to them. One that is published no more is pushed to them a last time, so that they learn it: the
owner's own text, which says so (docs/feed.md). Spec: 2.2.1 mod_locations_location_object.
"""

from __future__ import annotations

import json
from typing import Final

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey
from ocpi_hub.domain.party import Module, PartyId, Role

SERVES_TOKEN_HOLDERS: Final = frozenset({Role.EMSP, Role.OTHER})
"""Roles whose parties get what is not to be published."""


def sees_unpublished(directory: Directory, party: PartyId) -> bool:
    """Whether a party gets Locations that are not to be published."""
    return not directory.roles_of(party).isdisjoint(SERVES_TOKEN_HOLDERS)


def gets_published_only(directory: Directory, receiver: PartyId, key: ObjectKey) -> bool:
    """Whether an object is for this receiver only if its Location is to be published."""
    broadcast = key.module == Module.LOCATIONS and key.audience == EVERYBODY
    return broadcast and not sees_unpublished(directory, receiver)


def is_published(location: str) -> bool:
    """Whether the text of a Location says that it is to be published."""
    if "false" not in location:
        return True  # most say so, and need not be read
    fields = json.loads(location, parse_float=str, parse_int=str)
    return fields.get("publish") is not False
