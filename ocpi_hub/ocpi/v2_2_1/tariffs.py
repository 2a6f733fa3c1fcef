"""Tariffs module. Spec: 2.2.1 mod_tariffs_tariffs_module."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.base import (
    CountryCode,
    Currency,
    DateTime,
    Identifier,
    Integer,
    Many,
    Number,
    OcpiModel,
    OcpiString,
    OpenEnum,
    PartyCode,
    Some,
    Url,
)
from ocpi_hub.ocpi.v2_2_1.common import DisplayText, EnergyMix, Price

LocalTime = Annotated[str, OcpiString(5, form="^([0-1][0-9]|2[0-3]):[0-5][0-9]$")]
"""Hours and minutes at the Location."""
LocalDate = Annotated[
    str, OcpiString(10, form="^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
]
"""A calendar day at the Location."""


class TariffType(StrEnum):
    """Spec: 2.2.1 mod_tariffs_tariff_type."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class TariffDimensionType(StrEnum):
    """Spec: 2.2.1 mod_tariffs_tariffdimensiontype_enum."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class DayOfWeek(StrEnum):
    """Spec: 2.2.1 mod_tariffs_dayofweek_enum."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestrictionType(StrEnum):
    """Spec: 2.2.1 mod_tariffs_reservation_restriction_type."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class PriceComponent(OcpiModel, frozen=True):
    """`price` is per kWh, hour or once; `step_size` counts Wh or seconds; `vat` is percent, and
    None is not 0. Spec: 2.2.1 mod_tariffs_pricecomponent_class."""

    type: Annotated[str, OpenEnum(TariffDimensionType)]
    price: Number
    vat: Number | None = None
    step_size: Integer


class TariffRestrictions(OcpiModel, frozen=True):
    """kWh, ampere over all phases, kW, seconds.

    Spec: 2.2.1 mod_tariffs_tariffrestrictions_class.
    """

    start_time: LocalTime | None = None
    end_time: LocalTime | None = None
    start_date: LocalDate | None = None
    end_date: LocalDate | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Integer | None = None
    max_duration: Integer | None = None
    day_of_week: Many[Annotated[str, OpenEnum(DayOfWeek)]] = ()
    reservation: Annotated[str, OpenEnum(ReservationRestrictionType)] | None = None


class TariffElement(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_tariffs_tariffelement_class."""

    price_components: Some[PriceComponent]
    restrictions: TariffRestrictions | None = None


class Tariff(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_tariffs_tariff_object."""

    country_code: CountryCode
    party_id: PartyCode
    id: Annotated[str, Identifier(36)]
    currency: Currency
    type: Annotated[str, OpenEnum(TariffType)] | None = None
    tariff_alt_text: Many[DisplayText] = ()
    tariff_alt_url: Url | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Some[TariffElement]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @property
    def owner(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)
