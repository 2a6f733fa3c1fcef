"""One charge at a simulated charge point, and what its CPO tells about it: Session and CDR.

Pure: time comes in as a value, nothing is sent from here.
Spec: 2.2.1 mod_sessions_session_object, mod_cdrs_cdr_object, mod_sessions_reservations.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod
from ocpi_hub.ocpi.v2_2_1.sessions import SessionStatus

CURRENCY = "EUR"
"""Of Sessions that no Tariff prices."""

_VOLT = 230.0
_ROUNDING = 1e-6
"""Binary fractions must not make 3 Wh of 2.9999999."""
_CDR_LOCATION = ("id", "name", "address", "city", "postal_code", "state", "country", "coordinates")
_TOKEN = ("country_code", "party_id", "uid", "type", "contract_id")
_ENERGY_ALONE = {"price_components"}


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


@dataclass(frozen=True, slots=True)
class Authorization:
    """Whose charge it is, and who has said so."""

    token: Mapping[str, Any]
    method: AuthMethod
    reference: str | None = None

    @property
    def cdr_token(self) -> dict[str, Any]:
        return {name: self.token[name] for name in _TOKEN}

    @property
    def issuer(self) -> PartyId:
        return PartyId(self.token["country_code"], self.token["party_id"])

    def same_token(self, other: Authorization) -> bool:
        mine, others = self.cdr_token, other.cdr_token
        return all(
            str(mine[name]).casefold() == str(others[name]).casefold()
            for name in ("country_code", "party_id", "uid", "type")
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """An EVSE kept free for a Token.

    Attributes:
        asker: who sent RESERVE_NOW; ids of reservations are unique for each asker alone.
        expires: aware UTC.
    """

    asker: PartyId | None
    reservation_id: str
    response_url: str
    expires: datetime


@dataclass(slots=True)
class Charge:
    """A reservation, or energy that flows; it is one Session from the first to the last.

    Attributes:
        kw: power that flows now.
        told: the receiver of the Session has all that was said so far: a PATCH is enough.
        ending: it is to end as soon as possible.
        changed: set when something about it has changed.
    """

    session_id: str
    spot: Spot
    authorization: Authorization
    began: datetime
    status: SessionStatus
    reservation: Reservation | None = None
    kw: float = 0.0
    told: bool = False
    ending: bool = False
    ended: datetime | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _counted_to: datetime | None = None
    _period_began: datetime | None = None
    _period_kwh: float = 0.0
    _flowed_kwh: float = 0.0
    _periods: list[dict[str, Any]] = field(default_factory=list)

    @property
    def owner(self) -> PartyId:
        return self.spot.owner

    @property
    def kwh(self) -> float:
        """Whole watt-hours, as a meter counts and a Tariff's `step_size` of 1 bills them."""
        return math.floor(self._flowed_kwh * 1000 + _ROUNDING) / 1000

    @property
    def charged(self) -> bool:
        """Energy flowed, or could have."""
        return self._counted_to is not None

    @property
    def is_reserved(self) -> bool:
        """A reservation that has not become a charge."""
        return self.status is SessionStatus.RESERVATION

    def wake(self) -> None:
        """Have what is said about the charge looked at at once."""
        self.changed.set()

    def activate(self, authorization: Authorization, now: datetime, kw: float) -> None:
        """Energy begins to flow; with a reservation its Session goes on as this one."""
        self.authorization = authorization
        self.began = self._counted_to = self._period_began = now
        self.status = SessionStatus.ACTIVE
        self.kw = kw

    def count(self, now: datetime, kw: float, speed: float) -> list[dict[str, Any]]:
        """Count what has flowed until now; from now on it is `kw`.

        Args:
            speed: how many seconds of energy flow in a second.

        Returns:
            The charging period that has ended because the power changed, if one did.
        """
        if self._counted_to is None:
            return []
        hours = max(0.0, (now - self._counted_to).total_seconds()) / 3600
        self._counted_to = now
        self._flowed_kwh += self.kw * speed * hours
        if kw == self.kw:
            return []
        ended = self._end_period(now)
        self.kw = kw
        return ended

    def complete(self, now: datetime) -> list[dict[str, Any]]:
        """End it; the last charging period."""
        self.status = SessionStatus.COMPLETED
        self.ended = now
        return self._end_period(now)

    def _end_period(self, now: datetime) -> list[dict[str, Any]]:
        if self._period_began is None:
            return []
        hours = (now - self._period_began).total_seconds() / 3600
        volume = round(self.kwh - self._period_kwh, 3)
        period: dict[str, Any] = {
            "start_date_time": timestamp(self._period_began),
            "dimensions": [
                {"type": "ENERGY", "volume": volume},
                {"type": "TIME", "volume": round(hours, 4)},
            ],
        }
        if self.spot.tariff is not None:
            period["tariff_id"] = self.spot.tariff["id"]
        self._period_began, self._period_kwh = now, self.kwh
        self._periods.append(period)
        return [period]

    @property
    def cost(self) -> dict[str, float] | None:
        """None: this platform cannot price it."""
        price = energy_price(self.spot.tariff)
        if price is None:
            return None
        excl_vat, vat = price
        cost = {"excl_vat": round(self.kwh * excl_vat, 4)}
        if vat is not None:
            cost["incl_vat"] = round(cost["excl_vat"] * (1 + vat / 100), 4)
        return cost

    @property
    def _currency(self) -> str:
        return str(self.spot.tariff["currency"]) if self.spot.tariff else CURRENCY

    def session(self, now: datetime) -> dict[str, Any]:
        """The Session as it stands."""
        session = {
            "country_code": self.owner.country_code,
            "party_id": self.owner.party_id,
            "id": self.session_id,
            "start_date_time": timestamp(self.began),
            "cdr_token": self.authorization.cdr_token,
            "auth_method": self.authorization.method.value,
            "location_id": self.spot.location["id"],
            "evse_uid": self.spot.evse["uid"],
            "connector_id": self.spot.connector["id"],
            "currency": self._currency,
            **self.changes(now),
        }
        if self.authorization.reference is not None:
            session["authorization_reference"] = self.authorization.reference
        if self._periods:
            session["charging_periods"] = list(self._periods)
        return session

    def changes(self, now: datetime) -> dict[str, Any]:
        """What changes of the Session while it lasts, but for its charging periods."""
        changes: dict[str, Any] = {
            "kwh": self.kwh,
            "status": self.status.value,
            "last_updated": timestamp(now),
        }
        if self.ended is not None:
            changes["end_date_time"] = timestamp(self.ended)
        cost = self.cost
        if cost is not None and not self.is_reserved:
            changes["total_cost"] = cost
        return changes

    def cdr(self, now: datetime) -> dict[str, Any]:
        """The CDR of a charge that is over. What cannot be priced costs nothing, and says so."""
        cost = self.cost
        ended = self.ended or now
        hours = (ended - self.began).total_seconds() / 3600
        cdr = {
            "country_code": self.owner.country_code,
            "party_id": self.owner.party_id,
            "id": self.session_id,
            "start_date_time": timestamp(self.began),
            "end_date_time": timestamp(ended),
            "session_id": self.session_id,
            "cdr_token": self.authorization.cdr_token,
            "auth_method": self.authorization.method.value,
            "cdr_location": cdr_location(self.spot),
            "currency": self._currency,
            "charging_periods": list(self._periods),
            "total_cost": cost or {"excl_vat": 0.0},
            "total_energy": self.kwh,
            "total_time": round(hours, 4),
            "last_updated": timestamp(now),
        }
        if self.authorization.reference is not None:
            cdr["authorization_reference"] = self.authorization.reference
        if cost is None:
            cdr["remark"] = "This platform prices energy only: not priced"
        else:
            cdr |= {"tariffs": [self.spot.tariff], "total_energy_cost": cost}
        return cdr


def cdr_location(spot: Spot) -> dict[str, Any]:
    """Spec: 2.2.1 mod_cdrs_cdr_location_class."""
    place = {name: spot.location[name] for name in _CDR_LOCATION if name in spot.location}
    return {
        **place,
        "evse_uid": spot.evse["uid"],
        "evse_id": spot.evse.get("evse_id", spot.evse["uid"]),
        "connector_id": spot.connector["id"],
        "connector_standard": spot.connector["standard"],
        "connector_format": spot.connector["format"],
        "connector_power_type": spot.connector["power_type"],
    }


def energy_price(tariff: Mapping[str, Any] | None) -> tuple[float, float | None] | None:
    """Price of a kWh and VAT in percent, for a Tariff that says no more than that; else None.

    A Tariff with fees, restrictions or steps needs a real price engine, which this is not.
    """
    if tariff is None or {"min_price", "max_price"} & tariff.keys():
        return None
    match tariff["elements"]:
        case [{"price_components": [{"type": "ENERGY", "price": price} as only]} as element] if (
            element.keys() == _ENERGY_ALONE and only.get("step_size", 0) <= 1
        ):
            vat = only.get("vat")
            return float(price), None if vat is None else float(vat)
        case _:
            return None


def profile_kw(profile: Mapping[str, Any] | None, elapsed_s: float, phases: int) -> float | None:
    """The limit of a charging profile in kW, so many seconds after charging began; None: none.

    Spec: 2.2.1 mod_charging_profiles_charging_profile_class.
    """
    if profile is None:
        return None
    limit: float | None = None
    for period in profile.get("charging_profile_period", ()):
        if period["start_period"] <= elapsed_s:
            limit = float(period["limit"])
    duration = profile.get("duration")
    if limit is None or (duration is not None and elapsed_s >= duration):
        return None
    if profile["charging_rate_unit"] == "A":
        return limit * _VOLT * phases / 1000
    return limit / 1000
