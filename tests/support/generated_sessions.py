"""Where the month's sessions take place, and what happens there."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.support.generated_tariffs import (
    DAY_MIN,
    FAST,
    RESERVED,
    SHAPES,
    MonthTariff,
    Piece,
    make_tariff,
)

Party = tuple[str, str]

CPOS: Final[tuple[Party, ...]] = (("NL", "GCA"), ("DE", "GCB"))
CLOCKS_CHANGE: Final = 24 * DAY_MIN + 60
"""Minutes of the month, UTC, at which summer time ends in the whole of Europe."""
NO_ZONE: Final = "Europe/Atlantis"


@dataclass(frozen=True, slots=True)
class Site:
    """A Location with one EVSE.

    Attributes:
        summer_min: what local time is ahead of UTC until clocks are changed.
        kw: of its connector.
    """

    id: str
    owner: Party
    zone: str
    country: str
    summer_min: int
    kw: int
    currency: str

    def local_minute(self, minute: int) -> int:
        offset = self.summer_min - (60 if minute >= CLOCKS_CHANGE else 0)
        return (minute + offset) % DAY_MIN

    def minutes_at(self, local: int, start: int, end: int) -> Iterator[int]:
        """The minutes of the month at which the local time is so; exclusive on both sides."""
        for begins, ends, offset in (
            (start + 1, min(end, CLOCKS_CHANGE), self.summer_min),
            (max(start + 1, CLOCKS_CHANGE), end, self.summer_min - 60),
        ):
            first = begins + (local - offset - begins) % DAY_MIN
            yield from range(first, ends, DAY_MIN)

    @property
    def body(self) -> str:
        """The Location as its CPO publishes it."""
        connector = {
            "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
            "power_type": "DC" if self.kw > 43 else "AC_3_PHASE", "max_voltage": 400,
            "max_amperage": 500, "max_electric_power": self.kw * 1000,
            "last_updated": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        evse = {
            "uid": f"E-{self.id}", "evse_id": f"{self.owner[0]}*{self.owner[1]}*E{self.id}",
            "status": "AVAILABLE", "connectors": [connector],
            "last_updated": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        return json.dumps({
            "country_code": self.owner[0], "party_id": self.owner[1], "id": self.id,
            "publish": True, "address": "Harbour 1", "city": "Harbour", "country": self.country,
            "coordinates": {"latitude": "52.0", "longitude": "5.0"}, "evses": [evse],
            "time_zone": self.zone, "last_updated": "2026-01-01T00:00:00Z",
        })  # fmt: skip


_POWERS: Final = (11, 22, 150)
_PLACES: Final = (
    (CPOS[0], "Europe/Amsterdam", "NLD", 120, "EUR", 21),
    (CPOS[0], "Europe/London", "GBR", 60, "GBP", 20),
    (CPOS[1], "Europe/Berlin", "DEU", 120, "EUR", 19),
    (CPOS[1], "Europe/Lisbon", "PRT", 60, "EUR", 19),
)
SITES: Final = tuple(
    Site(f"{zone[7:10].upper()}{kw}", owner, zone, country, summer, kw, currency)
    for owner, zone, country, summer, currency, _ in _PLACES
    for kw in _POWERS
)
LOST: Final = tuple(
    Site(f"LOST-{owner[1]}", owner, NO_ZONE, "USA", 120, 22, "EUR") for owner in CPOS
)
"""Sites in a time zone that there is not, in a country that has several."""
TARIFFS: Final = {
    (owner, currency, shape.name): make_tariff(owner, shape, currency, vat)
    for owner, _, _, _, currency, vat in _PLACES
    for shape in SHAPES
}


def make_session(
    site: Site, tariff: MonthTariff, chance: random.Random, *, short: bool
) -> tuple[str, list[Piece]]:
    """What happens at a charging station, cut wherever a price can change, and the name of that.

    Args:
        short: whether it may take less than ten minutes.
    """
    shape = tariff.shape
    roll = chance.random()
    start = int(chance.random() * 31) * DAY_MIN + int(chance.random() * DAY_MIN)
    charging, kind = 10 + int(chance.random() * 170), "usual"
    parking = int(chance.random() * 90) if chance.random() < 0.3 else 0
    if roll < 0.03:
        start, kind = CLOCKS_CHANGE - 30 - int(chance.random() * 60), "clocks"
    elif roll < 0.08:
        start += DAY_MIN - start % DAY_MIN - 30
        kind = "midnight"
    elif roll < 0.11 and short:
        charging, parking, kind = 1 + int(chance.random() * 5), 0, "short"
    elif roll < 0.14:
        charging, parking, kind = 600 + int(chance.random() * 300), 0, "long"
    pieces = []
    at = start
    if shape is RESERVED and chance.random() < 0.7:
        waited = 5 + int(chance.random() * 30)
        pieces.append(Piece(at, waited, "RESERVATION_TIME"))
        at += waited
    kw = max(1, int(site.kw * (0.3 + chance.random() * 0.6)))
    for begin, minutes in _cut(site, tariff, start, at, charging, chance):
        wh = kw * 1000 * minutes // 60 + int(chance.random() * 3)
        pieces.append(Piece(begin, minutes, "TIME", wh, kw))
        if shape is FAST:
            kw = max(1, int(site.kw * (0.2 + chance.random() * 0.7)))
    for begin, minutes in _cut(site, tariff, start, at + charging, parking, chance):
        pieces.append(Piece(begin, minutes, "PARKING_TIME"))
    return kind, pieces


def _cut(
    site: Site, tariff: MonthTariff, began: int, start: int, minutes: int, chance: random.Random
) -> Iterator[tuple[int, int]]:
    """Starts and lengths of pieces; some cuts are where nothing changes."""
    if not minutes:
        return
    edges = {start, start + minutes, start + int(chance.random() * minutes)}
    shape = tariff.shape
    edges.update(began + turn for turn in shape.turns if start < began + turn < start + minutes)
    if shape.local:
        # Also where clocks are changed: the local time jumps, and prices may with it.
        if start < CLOCKS_CHANGE < start + minutes:
            edges.add(CLOCKS_CHANGE)
        for local in shape.cuts:
            edges.update(site.minutes_at(local, start, start + minutes))
    for begin, end in pairwise(sorted(edges)):
        yield begin, end - begin
