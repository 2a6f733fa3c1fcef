"""One charge at a simulated charge point: whose it is, and how much energy has flowed.

Time comes in as a value, and nothing is sent from here.
Spec: 2.2.1 mod_sessions_reservations, mod_cdrs_chargingperiod_class.
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
from ocpi_hub.party.spots import Spot

_ROUNDING = 1e-6
"""Binary fractions must not make 3 Wh of 2.9999999."""
_TOKEN = ("country_code", "party_id", "uid", "type", "contract_id")


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

    def open_reservation(self) -> Reservation | None:
        """What keeps the EVSE until it is used, cancelled or expires."""
        return self.reservation if self.is_reserved and not self.ending else None

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
    def periods(self) -> list[dict[str, Any]]:
        """The charging periods that have ended."""
        return list(self._periods)
