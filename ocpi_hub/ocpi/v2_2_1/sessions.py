"""Sessions module. Spec: 2.2.1 mod_sessions_sessions_module."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.base import (
    Boolean,
    CiString,
    CountryCode,
    Currency,
    DateTime,
    Finding,
    Identifier,
    Many,
    Number,
    OcpiModel,
    OcpiString,
    OpenEnum,
    PartyCode,
    Rule,
)
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod, CdrToken, ChargingPeriod
from ocpi_hub.ocpi.v2_2_1.common import CrossChecked, Price, ProfileType


class SessionStatus(StrEnum):
    """The text also speaks of RESERVED, which passes like any unknown value (SE-08).

    Spec: 2.2.1 mod_sessions_sessionstatus_enum.
    """

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"
    RESERVATION = "RESERVATION"


class ChargingPreferencesResponse(StrEnum):
    """The whole `data` of the answer to charging preferences: a bare string (SE-15).

    Spec: 2.2.1 mod_sessions_charging_preferences_response_enum.
    """

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class Session(CrossChecked, frozen=True):
    """kWh, money in `currency`; no `total_cost` does not mean free (SE-12). A reservation may name
    `#NA` as EVSE and connector (SE-09). Spec: 2.2.1 mod_sessions_session_object.
    """

    country_code: CountryCode
    party_id: PartyCode
    id: Annotated[str, Identifier(36)]
    start_date_time: DateTime
    end_date_time: DateTime | None = None
    kwh: Number
    cdr_token: CdrToken
    auth_method: Annotated[str, OpenEnum(AuthMethod)]
    authorization_reference: Annotated[str, CiString(36)] | None = None
    location_id: Annotated[str, Identifier(36)]
    evse_uid: Annotated[str, Identifier(36)]
    connector_id: Annotated[str, Identifier(36)]
    meter_id: Annotated[str, OcpiString(255)] | None = None
    currency: Currency
    charging_periods: Many[ChargingPeriod] = ()
    total_cost: Price | None = None
    status: Annotated[str, OpenEnum(SessionStatus)]
    last_updated: DateTime

    @property
    def owner(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)

    def own_findings(self) -> Iterator[Finding]:
        if self.status == SessionStatus.COMPLETED and self.end_date_time is None:
            yield Finding(Rule.MISSING, "end_date_time", "absent; the Session is COMPLETED")


class ChargingPreferences(OcpiModel, frozen=True):
    """What a driver wants; kWh. Spec: 2.2.1 mod_sessions_charging_preferences_object."""

    profile_type: Annotated[str, OpenEnum(ProfileType)]
    departure_time: DateTime | None = None
    energy_need: Number | None = None
    discharge_allowed: Boolean | None = None

    @property
    def allows_discharge(self) -> bool:
        """`discharge_allowed` with its default (SE-14)."""
        return self.discharge_allowed is True
