"""Where local times are meant. Spec: 2.2.1 mod_locations_location_object.

A CdrLocation has no time zone. Who knows the Location gives its zone; else the country may tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

_ONE_ZONE: Final = {
    "ALB": "Tirane", "AND": "Andorra", "AUT": "Vienna", "BEL": "Brussels", "BGR": "Sofia",
    "BIH": "Sarajevo", "CHE": "Zurich", "CZE": "Prague", "DEU": "Berlin", "DNK": "Copenhagen",
    "EST": "Tallinn", "FIN": "Helsinki", "FRA": "Paris", "GBR": "London", "GRC": "Athens",
    "HRV": "Zagreb", "HUN": "Budapest", "IRL": "Dublin", "ITA": "Rome", "LIE": "Vaduz",
    "LTU": "Vilnius", "LUX": "Luxembourg", "LVA": "Riga", "MCO": "Monaco", "MDA": "Chisinau",
    "MKD": "Skopje", "MLT": "Malta", "MNE": "Podgorica", "NLD": "Amsterdam", "NOR": "Oslo",
    "POL": "Warsaw", "ROU": "Bucharest", "SMR": "San_Marino", "SRB": "Belgrade",
    "SVK": "Bratislava", "SVN": "Ljubljana", "SWE": "Stockholm", "TUR": "Istanbul",
    "UKR": "Kyiv", "VAT": "Vatican",
}  # fmt: skip
_SEVERAL_ZONES: Final[Mapping[str, tuple[str, ...]]] = {
    "CYP": ("Asia/Nicosia", "Asia/Famagusta"),
    "ESP": ("Europe/Madrid", "Atlantic/Canary"),
    "ISL": ("Atlantic/Reykjavik",),
    "PRT": ("Europe/Lisbon", "Atlantic/Azores"),
}


def find_zone(name: str) -> ZoneInfo | None:
    """The zone of this name in the IANA database; None when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a name may also be a folder, or lead outside
        return None


def zones_of(country: str) -> tuple[ZoneInfo, ...]:
    """The zones in which a Location of this country may be; empty when too many are possible.

    Args:
        country: ISO 3166-1 alpha-3.
    """
    code = country.upper()
    names = _SEVERAL_ZONES.get(code)
    if names is None:
        town = _ONE_ZONE.get(code)
        names = () if town is None else (f"Europe/{town}",)
    found = [find_zone(each) for each in names]
    return tuple(each for each in found if each is not None)
