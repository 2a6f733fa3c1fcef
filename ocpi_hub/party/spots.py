"""Where energy can flow: connectors of a CPO's Locations, with what describes and prices them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import NotFound, UnknownLocation
from ocpi_hub.party.locations import LocationTable, Place
from ocpi_hub.party.tariffs import TariffTable


@dataclass(frozen=True, slots=True)
class Spot:
    """A connector of a Location of this platform, with the objects that describe it.

    Attributes:
        tariff: prices what is charged here; None: this platform cannot price it.
    """

    owner: PartyId
    location: Mapping[str, Any]
    evse: Mapping[str, Any]
    connector: Mapping[str, Any]
    tariff: Mapping[str, Any] | None

    @property
    def evse_key(self) -> tuple[PartyId, str, str]:
        """Ids are compared without case."""
        return self.owner, self.location["id"].casefold(), self.evse["uid"].casefold()

    @property
    def phases(self) -> int:
        return 3 if self.connector["power_type"] == "AC_3_PHASE" else 1

    @property
    def max_kw(self) -> float:
        """What the connector can give."""
        watt = self.connector.get("max_electric_power")
        if watt is None:
            current = float(self.connector["max_amperage"]) * self.phases
            watt = float(self.connector["max_voltage"]) * current
        return float(watt) / 1000


class SpotFinder:
    """Looks into the tables of a platform."""

    def __init__(self, locations: LocationTable, tariffs: TariffTable) -> None:
        self._locations = locations
        self._tariffs = tariffs

    def find(
        self,
        owner: PartyId,
        location_id: str,
        evse_uid: str | None = None,
        connector_id: str | None = None,
    ) -> list[Spot]:
        """One connector of each EVSE meant; empty if there is nothing of that kind."""
        try:
            text = self._locations.get(Place.of(owner, (location_id,)))
        except UnknownLocation:
            return []
        location = json.loads(text)
        return [
            Spot(owner, location, evse, connectors[0], self._tariff(owner, connectors[0]))
            for evse in _named(location.get("evses", ()), "uid", evse_uid)
            if (connectors := _named(evse.get("connectors", ()), "id", connector_id))
        ]

    def _tariff(self, owner: PartyId, connector: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The first Tariff of a connector that this platform holds."""
        for tariff_id in connector.get("tariff_ids", ()):
            try:
                tariff: dict[str, Any] = json.loads(self._tariffs.get(owner, tariff_id))
            except NotFound:
                continue
            return tariff
        return None


def _named(
    children: Iterable[Mapping[str, Any]], field: str, wanted: str | None
) -> list[Mapping[str, Any]]:
    return [
        child
        for child in children
        if wanted is None or str(child[field]).casefold() == wanted.casefold()
    ]
