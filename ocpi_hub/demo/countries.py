"""The countries the demo's sites are in, and who runs them there.

Stromweide runs those in Germany, Austria and France, Laadoever those in the Netherlands, Belgium
and Portugal.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocpi_hub.demo.parties import FJORDLADE, LAADOEVER, STROMWEIDE, Company


@dataclass(frozen=True, slots=True)
class Country:
    """A country as addresses, taxes and clocks see it.

    Attributes:
        alpha3: ISO 3166.
        vat: percent.
        time_zone: of all its towns that take part, as the IANA database names it.
    """

    alpha2: str
    alpha3: str
    vat: int
    time_zone: str
    operator: Company


GERMANY = Country("DE", "DEU", 19, "Europe/Berlin", STROMWEIDE)
AUSTRIA = Country("AT", "AUT", 20, "Europe/Vienna", STROMWEIDE)
FRANCE = Country("FR", "FRA", 20, "Europe/Paris", STROMWEIDE)
NETHERLANDS = Country("NL", "NLD", 21, "Europe/Amsterdam", LAADOEVER)
BELGIUM = Country("BE", "BEL", 21, "Europe/Brussels", LAADOEVER)
PORTUGAL = Country("PT", "PRT", 23, "Europe/Lisbon", LAADOEVER)
DENMARK = Country("DK", "DNK", 25, "Europe/Copenhagen", FJORDLADE)
COUNTRIES = (GERMANY, AUSTRIA, FRANCE, NETHERLANDS, BELGIUM, PORTUGAL, DENMARK)
