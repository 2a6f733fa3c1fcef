"""Looking at Locations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ocpi_hub.admin.views.locations import evses_of
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.feed.receivers import gets
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.location_admin import (
    LocationAdmin,
    ObjectFilter,
    OwedPush,
    SeenObject,
    Sight,
)

MOST_CDRS: Final = 10_000
_AUDIENCES: Final = 100
_TARIFFS: Final = 50
_ALL: Final = Sight(everything=True)


@dataclass(frozen=True, slots=True)
class Eyes:
    """What somebody sees of a Location and what belongs to it; as it is, all.

    Attributes:
        receives: whether it is told what a receiver has not got yet.
        cdrs_for: only CDRs for these are counted; None: all.
    """

    locations: Sight = _ALL
    tariffs: Sight = _ALL
    receives: Callable[[PartyId], bool] = lambda _: True
    cdrs_for: Sequence[PartyId] | None = None


@dataclass(frozen=True, slots=True)
class LocationTold:
    """A Location with what belongs to it.

    Attributes:
        versions: as everybody gets it, then as single parties do.
        tariffs: those that its connectors name and that are stored, by id.
        cdrs: how many, `MOST_CDRS` at most, and when the last of these ended.
    """

    versions: Sequence[SeenObject]
    location: Mapping[str, Any]
    tariffs: Mapping[str, Mapping[str, Any]]
    owed: Sequence[OwedPush]
    behind: Sequence[PartyId]
    cdrs: tuple[int, datetime | None]


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


async def tell(
    store: LocationAdmin, directory: Directory, eyes: Eyes, owner: PartyId, location_id: str
) -> LocationTold:
    """A Location with what belongs to it.

    Raises:
        NoSuchObject: there is none that one may see.
    """
    found = await versions(store, eyes.locations, owner, location_id)
    location: Mapping[str, Any] = json.loads(found[0].body)
    key = ObjectKey(Module.LOCATIONS, owner, found[0].object_id)
    owed, behind = await store.owed(key)
    tariffs = {}
    for tariff_id in list(tariff_ids(location))[:_TARIFFS]:
        wanted = ObjectFilter(owner=owner, object_id=tariff_id)
        known = await store.objects(Module.TARIFFS, eyes.tariffs, wanted, after=0, limit=1)
        if known:
            tariffs[tariff_id] = json.loads(known[0].body)
    return LocationTold(
        found,
        location,
        tariffs,
        [push for push in owed if eyes.receives(push.receiver)],
        [
            receiver
            for receiver in behind
            if eyes.receives(receiver)
            and gets(directory, LaneId(receiver, Module.LOCATIONS), owner)
        ],
        await store.cdrs(key, eyes.cdrs_for),
    )


def named_tariffs(connector: Mapping[str, Any]) -> list[str]:
    """Ids of a connector's tariffs; OCPI 2.1.1 has one."""
    ids = connector.get("tariff_ids") or [connector.get("tariff_id")]
    return [str(each) for each in ids if each]


def tariff_ids(location: Mapping[str, Any]) -> Sequence[str]:
    """Each once, in order."""
    found = (
        tariff_id
        for evse in evses_of(location)
        for connector in evse.get("connectors") or ()
        if isinstance(connector, dict)
        for tariff_id in named_tariffs(connector)
    )
    return list(dict.fromkeys(found))
