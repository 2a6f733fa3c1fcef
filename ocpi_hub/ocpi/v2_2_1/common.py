"""Classes and enums that several modules share.

Spec: 2.2.1 types, mod_locations_data_types, mod_sessions_profile_type_enum.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ValidationInfo, model_validator

from ocpi_hub.ocpi.base import (
    Boolean,
    CiString,
    Finding,
    Integer,
    Language,
    Many,
    Number,
    OcpiModel,
    OcpiString,
    OpenEnum,
    Rule,
    Url,
    mark,
)

_WHOLE: Final = 100


class CrossChecked(OcpiModel, frozen=True):
    """A base of objects with rules between their fields: `own_findings` tells what they break."""

    @model_validator(mode="after")
    def _mark_own_findings(self, info: ValidationInfo) -> Self:
        if any(True for _ in self.own_findings()):
            mark(info)
        return self


class DisplayText(OcpiModel, frozen=True):
    """Spec: 2.2.1 types_displaytext_class."""

    language: Language
    text: Annotated[str, OcpiString(512)]


class Price(OcpiModel, frozen=True):
    """Spec: 2.2.1 types_price_class."""

    excl_vat: Number
    incl_vat: Number | None = None


class ImageCategory(StrEnum):
    """Spec: 2.2.1 mod_locations_imagecategory_enum."""

    CHARGER = "CHARGER"
    ENTRANCE = "ENTRANCE"
    LOCATION = "LOCATION"
    NETWORK = "NETWORK"
    OPERATOR = "OPERATOR"
    OTHER = "OTHER"
    OWNER = "OWNER"


class Image(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_locations_image_class."""

    url: Url
    thumbnail: Url | None = None
    category: Annotated[str, OpenEnum(ImageCategory)]
    type: Annotated[str, CiString(4)]
    width: Integer | None = None
    height: Integer | None = None


class BusinessDetails(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_locations_businessdetails_class."""

    name: Annotated[str, OcpiString(100)]
    website: Url | None = None
    logo: Image | None = None


class GeoLocation(OcpiModel, frozen=True):
    """WGS 84, decimal degrees. Spec: 2.2.1 mod_locations_geolocation_class."""

    latitude: Annotated[str, OcpiString(10, form=r"^-?[0-9]{1,2}\.[0-9]{5,7}$")]
    longitude: Annotated[str, OcpiString(11, form=r"^-?[0-9]{1,3}\.[0-9]{5,7}$")]


class ConnectorFormat(StrEnum):
    """Spec: 2.2.1 mod_locations_connectorformat_enum."""

    SOCKET = "SOCKET"
    CABLE = "CABLE"


class PowerType(StrEnum):
    """Spec: 2.2.1 mod_locations_powertype_enum."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class ConnectorType(StrEnum):
    """Spec: 2.2.1 mod_locations_connectortype_enum."""

    CHADEMO = "CHADEMO"
    CHAOJI = "CHAOJI"
    DOMESTIC_A = "DOMESTIC_A"
    DOMESTIC_B = "DOMESTIC_B"
    DOMESTIC_C = "DOMESTIC_C"
    DOMESTIC_D = "DOMESTIC_D"
    DOMESTIC_E = "DOMESTIC_E"
    DOMESTIC_F = "DOMESTIC_F"
    DOMESTIC_G = "DOMESTIC_G"
    DOMESTIC_H = "DOMESTIC_H"
    DOMESTIC_I = "DOMESTIC_I"
    DOMESTIC_J = "DOMESTIC_J"
    DOMESTIC_K = "DOMESTIC_K"
    DOMESTIC_L = "DOMESTIC_L"
    DOMESTIC_M = "DOMESTIC_M"
    DOMESTIC_N = "DOMESTIC_N"
    DOMESTIC_O = "DOMESTIC_O"
    GBT_AC = "GBT_AC"
    GBT_DC = "GBT_DC"
    IEC_60309_2_single_16 = "IEC_60309_2_single_16"
    IEC_60309_2_three_16 = "IEC_60309_2_three_16"
    IEC_60309_2_three_32 = "IEC_60309_2_three_32"
    IEC_60309_2_three_64 = "IEC_60309_2_three_64"
    IEC_62196_T1 = "IEC_62196_T1"
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    IEC_62196_T2 = "IEC_62196_T2"
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    IEC_62196_T3A = "IEC_62196_T3A"
    IEC_62196_T3C = "IEC_62196_T3C"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


class EnergySourceCategory(StrEnum):
    """Spec: 2.2.1 mod_locations_energysourcecategory_enum."""

    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"


class EnvironmentalImpactCategory(StrEnum):
    """Spec: 2.2.1 mod_locations_environmentalimpactcategory_enum."""

    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


class EnergySource(OcpiModel, frozen=True):
    """Percent of the mix. Spec: 2.2.1 mod_locations_energysource_class."""

    source: Annotated[str, OpenEnum(EnergySourceCategory)]
    percentage: Number


class EnvironmentalImpact(OcpiModel, frozen=True):
    """Grams per kWh. Spec: 2.2.1 mod_locations_environmentalimpact_class."""

    category: Annotated[str, OpenEnum(EnvironmentalImpactCategory)]
    amount: Number


class EnergyMix(CrossChecked, frozen=True):
    """Spec: 2.2.1 mod_locations_energymix_class."""

    is_green_energy: Boolean
    energy_sources: Many[EnergySource] = ()
    environ_impact: Many[EnvironmentalImpact] = ()
    supplier_name: Annotated[str, OcpiString(64)] | None = None
    energy_product_name: Annotated[str, OcpiString(64)] | None = None

    def own_findings(self) -> Iterator[Finding]:
        total = sum((source.percentage for source in self.energy_sources), Decimal(0))
        # Rounded percentages, such as three times 33.3, are no fault.
        if self.energy_sources and abs(total - _WHOLE) >= 1:
            yield Finding(Rule.CROSS_FIELD, "energy_sources", "do not add up to 100 percent")


class ProfileType(StrEnum):
    """Spec: 2.2.1 mod_sessions_profile_type_enum."""

    CHEAP = "CHEAP"
    FAST = "FAST"
    GREEN = "GREEN"
    REGULAR = "REGULAR"
