"""CDRs module. Spec: 2.2.1 mod_cdrs_cdrs_module."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import ValidationInfo, model_validator

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.base import (
    Boolean,
    CdrDateTime,
    CiString,
    CountryCode,
    Currency,
    DateTime,
    Finding,
    Identifier,
    Integer,
    Many,
    Number,
    OcpiModel,
    OcpiString,
    OpenEnum,
    PartyCode,
    Rule,
    Some,
    mark,
)
from ocpi_hub.ocpi.evse_id import EvseIdForm
from ocpi_hub.ocpi.v2_2_1.common import (
    ConnectorFormat,
    ConnectorType,
    GeoLocation,
    PowerType,
    Price,
)
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import TokenType

ORDINARY_ID_LENGTH = 36
"""The rest of the 39 is for what is appended to make the id of a credit CDR (CD-12)."""


class AuthMethod(StrEnum):
    """Spec: 2.2.1 mod_cdrs_authmethod_enum."""

    AUTH_REQUEST = "AUTH_REQUEST"
    COMMAND = "COMMAND"
    WHITELIST = "WHITELIST"


class CdrDimensionType(StrEnum):
    """kWh, A, kW, hours, percent. Spec: 2.2.1 mod_cdrs_cdrdimensiontype_enum."""

    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


class CdrToken(OcpiModel, frozen=True):
    """Its party receives the CDR. Spec: 2.2.1 mod_cdrs_cdr_token_object."""

    country_code: CountryCode
    party_id: PartyCode
    uid: Annotated[str, Identifier(36)]
    type: Annotated[str, OpenEnum(TokenType)]
    contract_id: Annotated[str, CiString(36)]

    @property
    def owner(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)


class CdrLocation(OcpiModel, frozen=True):
    """Lengths are those of Location: the shorter ones printed for this class would refuse correct
    Locations (CD-16). Spec: 2.2.1 mod_cdrs_cdr_location_class."""

    id: Annotated[str, Identifier(36)]
    name: Annotated[str, OcpiString(255)] | None = None
    address: Annotated[str, OcpiString(255)]
    city: Annotated[str, OcpiString(45)]
    postal_code: Annotated[str, OcpiString(10)] | None = None
    state: Annotated[str, OcpiString(45)] | None = None
    country: Annotated[str, OcpiString(3)]
    coordinates: GeoLocation
    evse_uid: Annotated[str, Identifier(36)]
    evse_id: Annotated[str, Identifier(48), EvseIdForm()]
    connector_id: Annotated[str, Identifier(36)]
    connector_standard: Annotated[str, OpenEnum(ConnectorType)]
    connector_format: Annotated[str, OpenEnum(ConnectorFormat)]
    connector_power_type: Annotated[str, OpenEnum(PowerType)]


class CdrDimension(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_cdrs_cdrdimension_class."""

    type: Annotated[str, OpenEnum(CdrDimensionType)]
    volume: Number


class ChargingPeriod(OcpiModel, frozen=True):
    """Ends where the next one starts. Spec: 2.2.1 mod_cdrs_chargingperiod_class."""

    start_date_time: CdrDateTime
    dimensions: Some[CdrDimension]
    tariff_id: Annotated[str, CiString(36)] | None = None


class SignedValue(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_cdrs_signed_value_class."""

    nature: Annotated[str, CiString(32)]
    plain_data: Annotated[str, OcpiString(5000)]
    signed_data: Annotated[str, OcpiString(5000)]


class SignedData(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_cdrs_signed_data_class."""

    encoding_method: Annotated[str, CiString(36)]
    encoding_method_version: Integer | None = None
    public_key: Annotated[str, OcpiString(512)] | None = None
    signed_values: Some[SignedValue]
    url: Annotated[str, OcpiString(512)] | None = None


class CDR(OcpiModel, frozen=True):
    """kWh, hours, money in `currency`. Spec: 2.2.1 mod_cdrs_cdr_object."""

    country_code: CountryCode
    party_id: PartyCode
    id: Annotated[str, Identifier(39)]
    start_date_time: CdrDateTime
    end_date_time: CdrDateTime
    session_id: Annotated[str, CiString(36)] | None = None
    cdr_token: CdrToken
    auth_method: Annotated[str, OpenEnum(AuthMethod)]
    authorization_reference: Annotated[str, CiString(36)] | None = None
    cdr_location: CdrLocation
    meter_id: Annotated[str, OcpiString(255)] | None = None
    currency: Currency
    tariffs: Many[Tariff] = ()
    charging_periods: Some[ChargingPeriod]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Number
    total_energy_cost: Price | None = None
    total_time: Number
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: Annotated[str, OcpiString(255)] | None = None
    invoice_reference_id: Annotated[str, CiString(39)] | None = None
    credit: Boolean | None = None
    credit_reference_id: Annotated[str, CiString(39)] | None = None
    home_charging_compensation: Boolean | None = None
    last_updated: DateTime

    @property
    def owner(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)

    @model_validator(mode="after")
    def _mark_own_findings(self, info: ValidationInfo) -> CDR:
        if any(True for _ in self.own_findings()):
            mark(info)
        return self

    def own_findings(self) -> Iterator[Finding]:
        if self.credit and not self.credit_reference_id:
            yield Finding(Rule.CROSS_FIELD, "credit_reference_id", "is required in a credit CDR")
        if not self.credit and len(self.id) > ORDINARY_ID_LENGTH:
            yield Finding(
                Rule.CROSS_FIELD, "id", f"only a credit CDR may have more than {ORDINARY_ID_LENGTH}"
            )
        if not self.tariffs:
            yield Finding(Rule.MISSING, "tariffs", "absent: nobody can check the price")
