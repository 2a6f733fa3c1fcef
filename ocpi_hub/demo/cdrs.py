"""CDRs of charging that could have happened: energy, time, power and money fit together.

Durations are whole hundredths of an hour (36 seconds), so that hours are exact decimals.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

from ocpi_hub.demo.prices import CURRENCY, DemoTariff, tariff_of
from ocpi_hub.demo.sites import Evse, Power
from ocpi_hub.demo.tokens import DemoToken
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.json_text import dump
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod, CdrDimensionType

FIRST_DAY = datetime(2026, 6, 1, tzinfo=UTC)
EARLIEST_HOUR, LATEST_HOUR = 4, 14
UNIT = timedelta(seconds=36)
PARKING_SHARE = 0.4

_KWH = Decimal("0.001")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Habit:
    """How people charge at a class of charging points.

    Attributes:
        kwh: least and most energy.
        load: least and most mean power, as percent of what the point can give.
        shares: percent of the energy in the periods of equal length; a battery slows down.
        parking: least and most hundredths of an hour of standing there afterwards.
    """

    kwh: tuple[int, int]
    load: tuple[int, int]
    shares: tuple[int, ...]
    parking: tuple[int, int]


_HABITS = {
    Power.AC_11: _Habit((5, 52), (62, 97), (50, 50), (20, 150)),
    Power.AC_22: _Habit((5, 55), (45, 97), (50, 50), (20, 150)),
    Power.DC_50: _Habit((9, 42), (55, 85), (57, 43), (3, 40)),
    Power.DC_150: _Habit((14, 58), (40, 65), (45, 33, 22), (2, 25)),
    Power.DC_300: _Habit((18, 70), (30, 52), (46, 33, 21), (2, 25)),
}


@dataclass(frozen=True, slots=True)
class Charge:
    """An authorized session.

    Attributes:
        reference: the authorization_reference in the answer, if there was one.
    """

    evse: Evse
    token: DemoToken
    reference: str | None


@dataclass(frozen=True, slots=True)
class DemoCdr:
    """A CDR: the text its CPO sends, and what the demo has to know about it."""

    owner: PartyId
    cdr_id: str
    receiver: PartyId
    text: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A charging period: hundredths of an hour and kWh; no energy is standing there."""

    units: int
    energy: Decimal

    @property
    def hours(self) -> Decimal:
        return Decimal(self.units) / 100

    def dimensions(self) -> list[dict[str, Any]]:
        if not self.energy:
            return [{"type": CdrDimensionType.PARKING_TIME.value, "volume": self.hours}]
        return [
            {"type": CdrDimensionType.ENERGY.value, "volume": self.energy},
            {"type": CdrDimensionType.TIME.value, "volume": self.hours},
        ]


class CdrWriter:
    """Writes one CDR after the other; the same source of chance gives the same CDRs."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._days: Counter[str] = Counter()
        self._written = 0

    def write(self, charge: Charge) -> DemoCdr:
        """The CDR of a session; a charging point serves one car a day."""
        self._written += 1
        evse, token = charge.evse, charge.token
        owner = evse.site.operator.party
        start = self._start(evse)
        parts = self._parts(evse.power)
        end = start + sum(part.units for part in parts) * UNIT
        cdr_id = f"{evse.site.country.alpha2}-{start:%Y%m%d}-{self._written:05d}"
        tariff = tariff_of(evse.site.country, evse.power)
        cdr = {
            "country_code": owner.country_code,
            "party_id": owner.party_id,
            "id": cdr_id,
            "start_date_time": timestamp(start),
            "end_date_time": timestamp(end),
            "session_id": f"S-{cdr_id}",
            "cdr_token": _cdr_token(token),
            "auth_method": AuthMethod.AUTH_REQUEST.value,
            **({"authorization_reference": charge.reference} if charge.reference else {}),
            "cdr_location": _location(evse),
            "meter_id": f"1EMH00{evse.number:08d}",
            "currency": CURRENCY,
            "tariffs": [tariff.as_ocpi()],
            "charging_periods": _periods(start, parts, tariff),
            **_totals(parts, tariff),
            "last_updated": timestamp(end + timedelta(seconds=self._source.randint(2, 20))),
        }
        return DemoCdr(owner, cdr_id, token.owner, dump(cdr).decode())

    def _start(self, evse: Evse) -> datetime:
        day = self._days[evse.uid]
        self._days[evse.uid] += 1
        hours = self._source.randint(EARLIEST_HOUR, LATEST_HOUR)
        seconds = self._source.randrange(3600)
        return FIRST_DAY + timedelta(days=day, hours=hours, seconds=seconds)

    def _parts(self, power: Power) -> list[_Part]:
        habit, source = _HABITS[power], self._source
        energy = Decimal(source.randint(habit.kwh[0] * 1000, habit.kwh[1] * 1000)) * _KWH
        mean_kw = Decimal(power.value * source.randint(*habit.load)) / 100
        units = int((energy / mean_kw * 100).to_integral_value(ROUND_UP))
        each, rest = divmod(units, len(habit.shares))
        parts = [_Part(each, (energy * share / 100).quantize(_KWH)) for share in habit.shares[:-1]]
        parts.append(_Part(each + rest, energy - sum((p.energy for p in parts), _ZERO)))
        if source.random() < PARKING_SHARE:
            parts.append(_Part(source.randint(*habit.parking), _ZERO))
        return parts


def _cdr_token(token: DemoToken) -> dict[str, str]:
    return {
        "country_code": token.owner.country_code,
        "party_id": token.owner.party_id,
        "uid": token.uid,
        "type": token.type.value,
        "contract_id": token.contract_id,
    }


def _location(evse: Evse) -> dict[str, Any]:
    site, plug = evse.site, evse.power.plugs[0]
    return {
        "id": site.location_id,
        "name": site.name,
        "address": site.address,
        "city": site.town.name,
        "postal_code": site.town.postal_code,
        "country": site.country.alpha3,
        "coordinates": {"latitude": site.latitude, "longitude": site.longitude},
        "evse_uid": evse.uid,
        "evse_id": evse.evse_id,
        "connector_id": "1",
        "connector_standard": plug.standard.value,
        "connector_format": plug.format.value,
        "connector_power_type": plug.power_type.value,
    }


def _periods(start: datetime, parts: list[_Part], tariff: DemoTariff) -> list[dict[str, Any]]:
    periods = []
    for part in parts:
        periods.append(
            {
                "start_date_time": timestamp(start),
                "dimensions": part.dimensions(),
                "tariff_id": tariff.tariff_id,
            }
        )
        start += part.units * UNIT
    return periods


def _totals(parts: list[_Part], tariff: DemoTariff) -> dict[str, Any]:
    energy = sum((part.energy for part in parts), _ZERO)
    parking = sum((part.hours for part in parts if not part.energy), _ZERO)
    energy_cost = energy * tariff.per_kwh
    parking_cost = parking * tariff.parking_per_hour
    totals: dict[str, Any] = {
        "total_cost": tariff.total(energy_cost + parking_cost + tariff.once),
        "total_energy": energy,
        "total_energy_cost": tariff.price(energy_cost),
        "total_time": sum((part.hours for part in parts), _ZERO),
    }
    if tariff.once:
        totals["total_fixed_cost"] = tariff.price(tariff.once)
    if parking:
        totals["total_parking_time"] = parking
    if parking_cost:
        totals["total_parking_cost"] = tariff.price(parking_cost)
    return totals
