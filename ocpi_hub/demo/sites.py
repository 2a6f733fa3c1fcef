"""Charging sites: real towns and streets, invented stations.

Stromweide runs those in Germany and France, Laadoever those in the Netherlands and Belgium.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocpi_hub.demo.parties import LAADOEVER, STROMWEIDE, Company
from ocpi_hub.ocpi.v2_2_1.common import ConnectorFormat, ConnectorType, PowerType


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
    def power_type(self) -> PowerType:
        return PowerType.DC if self.is_dc else PowerType.AC_3_PHASE

    @property
    def connector(self) -> ConnectorType:
        return ConnectorType.IEC_62196_T2_COMBO if self.is_dc else ConnectorType.IEC_62196_T2

    @property
    def format(self) -> ConnectorFormat:
        return ConnectorFormat.CABLE if self.is_dc else ConnectorFormat.SOCKET


@dataclass(frozen=True, slots=True)
class Country:
    """A country as addresses and taxes see it.

    Attributes:
        alpha3: ISO 3166.
        vat: percent.
    """

    alpha2: str
    alpha3: str
    vat: int
    operator: Company


GERMANY = Country("DE", "DEU", 19, STROMWEIDE)
FRANCE = Country("FR", "FRA", 20, STROMWEIDE)
NETHERLANDS = Country("NL", "NLD", 21, LAADOEVER)
BELGIUM = Country("BE", "BEL", 21, LAADOEVER)
COUNTRIES = (GERMANY, NETHERLANDS, BELGIUM, FRANCE)


@dataclass(frozen=True, slots=True)
class Site:
    """A place with charging points; coordinates are WGS 84, as they stand on the wire."""

    country: Country
    city: str
    postal_code: str
    address: str
    latitude: str
    longitude: str
    powers: tuple[Power, ...]

    @property
    def location_id(self) -> str:
        return f"{self.country.alpha2}-{self.postal_code.replace(' ', '')}"


@dataclass(frozen=True, slots=True)
class Evse:
    """A charging point: one connector, one car at a time."""

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


_AC11, _AC22 = Power.AC_11, Power.AC_22
_DC50, _DC150, _DC300 = Power.DC_50, Power.DC_150, Power.DC_300
_STREET = (_AC11, _AC11, _AC22, _AC22)
_QUARTER = (_AC22, _AC22, _DC50)
_HUB = (_DC50, _DC150, _DC150)
_MOTORWAY = (_DC150, _DC300, _DC300)

SITES = (
    Site(GERMANY, "Hamburg", "20095", "Steinstraße 20", "53.549720", "10.003610", _HUB),
    Site(GERMANY, "Köln", "50823", "Venloer Straße 310", "50.949550", "6.919420", _STREET),
    Site(GERMANY, "Leipzig", "04275", "Karl-Liebknecht-Straße 84", "51.323540", "12.373050",
         _QUARTER),
    Site(GERMANY, "Freiburg im Breisgau", "79104", "Habsburgerstraße 41", "48.004900", "7.853900",
         _STREET),
    Site(GERMANY, "Göttingen", "37073", "Weender Straße 60", "51.535200", "9.935400", _QUARTER),
    Site(GERMANY, "Aachen", "52070", "Jülicher Straße 114", "50.783410", "6.101460", _MOTORWAY),
    Site(NETHERLANDS, "Utrecht", "3521 CB", "Croeselaan 18", "52.085210", "5.108470", _STREET),
    Site(NETHERLANDS, "Eindhoven", "5612 CJ", "Kruisstraat 52", "51.446800", "5.477900", _QUARTER),
    Site(NETHERLANDS, "Groningen", "9725 AC", "Hereweg 95", "53.205330", "6.571220", _STREET),
    Site(NETHERLANDS, "Zwolle", "8012 DE", "Assendorperstraat 33", "52.507740", "6.097700", _HUB),
    Site(NETHERLANDS, "Breda", "4818 JH", "Ginnekenweg 140", "51.578340", "4.777960", _MOTORWAY),
    Site(NETHERLANDS, "Middelburg", "4337 LG", "Segeerssingel 8", "51.497460", "3.622480",
         _QUARTER),
    Site(BELGIUM, "Gent", "9000", "Coupure Links 210", "51.052470", "3.708490", _STREET),
    Site(BELGIUM, "Antwerpen", "2018", "Mechelsesteenweg 77", "51.209060", "4.406820", _QUARTER),
    Site(BELGIUM, "Leuven", "3000", "Tiensestraat 130", "50.875640", "4.708220", _STREET),
    Site(BELGIUM, "Namur", "5000", "Rue de Fer 41", "50.466420", "4.865810", _HUB),
    Site(BELGIUM, "Liège", "4020", "Boulevard de la Constitution 32", "50.641890", "5.582310",
         _MOTORWAY),
    Site(BELGIUM, "Brugge", "8000", "Langestraat 57", "51.209880", "3.234560", _STREET),
    Site(FRANCE, "Lille", "59800", "150 Rue Nationale", "50.635080", "3.055350", _QUARTER),
    Site(FRANCE, "Lyon", "69007", "42 Rue de Marseille", "45.752470", "4.841080", _HUB),
    Site(FRANCE, "Strasbourg", "67000", "12 Avenue des Vosges", "48.590020", "7.751930", _STREET),
    Site(FRANCE, "Rennes", "35000", "25 Boulevard de la Liberté", "48.104980", "-1.677390",
         _QUARTER),
    Site(FRANCE, "Bordeaux", "33800", "90 Cours de la Marne", "44.828310", "-0.562940", _MOTORWAY),
    Site(FRANCE, "Reims", "51100", "31 Rue de Vesle", "49.254310", "4.030620", _STREET),
)  # fmt: skip


def _numbered() -> Iterator[Evse]:
    numbers = itertools.count(1001)
    for site in SITES:
        for power in site.powers:
            yield Evse(site, next(numbers), power)


EVSES = tuple(_numbered())


def evses_of(operator: Company) -> tuple[Evse, ...]:
    """The charging points of one CPO."""
    return tuple(evse for evse in EVSES if evse.site.country.operator == operator)
