"""Charging sites: two in each town, invented, and the same every time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocpi_hub.demo.chance import SEED, chance
from ocpi_hub.demo.countries import Country
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.towns import TOWNS, Town
from ocpi_hub.ocpi.v2_2_1.common import ConnectorFormat, ConnectorType, PowerType
from ocpi_hub.ocpi.v2_2_1.locations import ParkingType

SITES_A_TOWN = 2
SPREAD = 0.004
"""Degrees between a site and the centre of its town, at most: some 400 meters."""


@dataclass(frozen=True, slots=True)
class Plug:
    """A connector: volt (AC: of one phase), ampere, watt."""

    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    volts: int
    amperes: int
    watts: int


def _ac(amperes: int, watts: int) -> Plug:
    """A type 2 socket on three phases."""
    return Plug(
        ConnectorType.IEC_62196_T2,
        ConnectorFormat.SOCKET,
        PowerType.AC_3_PHASE,
        volts=230,
        amperes=amperes,
        watts=watts,
    )


def _dc(standard: ConnectorType, volts: int, amperes: int, watts: int) -> Plug:
    return Plug(standard, ConnectorFormat.CABLE, PowerType.DC, volts, amperes, watts)


_CCS = ConnectorType.IEC_62196_T2_COMBO
_CHADEMO = ConnectorType.CHADEMO


class Power(Enum):
    """Classes of charging points; the value is kW."""

    AC_11 = 11
    AC_22 = 22
    DC_50 = 50
    DC_150 = 150
    DC_300 = 300

    @property
    def is_dc(self) -> bool:
        return self.value >= Power.DC_50.value

    @property
    def plugs(self) -> tuple[Plug, ...]:
        """The connectors of such a charging point, the usual one first."""
        return _PLUGS[self]


_PLUGS = {
    Power.AC_11: (_ac(16, 11_040),),
    Power.AC_22: (_ac(32, 22_080),),
    Power.DC_50: (_dc(_CCS, 500, 125, 50_000), _dc(_CHADEMO, 500, 125, 50_000)),
    Power.DC_150: (_dc(_CCS, 920, 350, 150_000),),
    Power.DC_300: (_dc(_CCS, 920, 500, 300_000),),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is built at a site: a power for each charging point."""

    powers: tuple[Power, ...]
    parking_type: ParkingType


_STREET = Kind((Power.AC_11, Power.AC_11, Power.AC_22, Power.AC_22), ParkingType.ON_STREET)
_QUARTER = Kind((Power.AC_22, Power.AC_22, Power.DC_50), ParkingType.PARKING_LOT)
_HUB = Kind((Power.DC_50, Power.DC_150, Power.DC_150), ParkingType.PARKING_GARAGE)
_MOTORWAY = Kind((Power.DC_150, Power.DC_300, Power.DC_300), ParkingType.ALONG_MOTORWAY)
_KINDS = {_STREET: 4, _QUARTER: 3, _HUB: 2, _MOTORWAY: 1}
"""How many sites of each kind there are to ten."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with charging points; coordinates are WGS 84, as they stand on the wire."""

    number: int
    town: Town
    address: str
    latitude: str
    longitude: str
    kind: Kind

    @property
    def country(self) -> Country:
        return self.town.country

    @property
    def operator(self) -> Company:
        return self.country.operator

    @property
    def location_id(self) -> str:
        return f"{self.country.alpha2}-{self.number:04d}"

    @property
    def name(self) -> str:
        return f"{self.operator.name} {self.town.name}"


@dataclass(frozen=True, slots=True)
class Evse:
    """A charging point: one car at a time."""

    site: Site
    number: int
    power: Power

    @property
    def evse_id(self) -> str:
        """As ISO 15118-2 writes it."""
        country = self.site.country
        return f"{country.alpha2}*{country.operator.party.party_id}*E{self.number}*1"

    @property
    def uid(self) -> str:
        return self.evse_id.replace("*", "-")


def make_sites(seed: int = SEED) -> tuple[Site, ...]:
    """The sites; the same seed gives the same ones."""
    source = chance(seed)
    numbers = itertools.count(1)
    sites = []
    for town, _ in itertools.product(TOWNS, range(SITES_A_TOWN)):
        latitude = town.latitude + source.uniform(-SPREAD, SPREAD)
        longitude = town.longitude + source.uniform(-SPREAD, SPREAD)
        (kind,) = source.choices(tuple(_KINDS), tuple(_KINDS.values()))
        sites.append(
            Site(
                number=next(numbers),
                town=town,
                address=source.choice(town.streets).format(source.randint(1, 120)),
                latitude=f"{latitude:.6f}",
                longitude=f"{longitude:.6f}",
                kind=kind,
            )
        )
    return tuple(sites)


SITES = make_sites()


def _numbered() -> Iterator[Evse]:
    numbers = itertools.count(1001)
    for site in SITES:
        for power in site.kind.powers:
            yield Evse(site, next(numbers), power)


EVSES = tuple(_numbered())


def evses_of(operator: Company) -> tuple[Evse, ...]:
    """The charging points of one CPO."""
    return tuple(evse for evse in EVSES if evse.site.operator == operator)
