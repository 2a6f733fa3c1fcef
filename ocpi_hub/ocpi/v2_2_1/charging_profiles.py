"""ChargingProfiles module. Spec: 2.2.1 mod_charging_profiles_module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from ocpi_hub.ocpi.base import (
    DateTime,
    Finding,
    Integer,
    Many,
    Number,
    OcpiModel,
    OpenEnum,
    Rule,
    Url,
    WireType,
)
from ocpi_hub.ocpi.faults import marking
from ocpi_hub.ocpi.v2_2_1.common import CrossChecked


class ChargingRateUnit(StrEnum):
    """Watt, or ampere of each phase. Spec: 2.2.1 mod_charging_profiles_chargingrateunit."""

    W = "W"
    A = "A"


class ChargingProfileResponseType(StrEnum):
    """What the CPO says at once. Spec: 2.2.1 mod_charging_profiles_responsetype_enum."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ChargingProfileResultType(StrEnum):
    """What the EVSE says later. Spec: 2.2.1 mod_charging_profiles_resulttype_enum."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class _OneDecimal(WireType):
    """A number of which more than one decimal is a mild fault.

    The JSON Schema does not ask for it: `multipleOf` 0.1 makes validators that calculate in binary
    refuse numbers such as 0.3.
    """

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: Decimal, info: ValidationInfo) -> Decimal:
        return marking(value, info) if _has_more_decimals(value) else value

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        if _has_more_decimals(value):
            yield Rule.WRONG_FORM, "has more than one decimal"


def _has_more_decimals(value: Decimal) -> bool:
    """By its digits, as calculating would round; zeros at the end do not count."""
    _, digits, exponent = value.as_tuple()
    return isinstance(exponent, int) and exponent < -1 and any(digits[exponent + 1 :])


Rate = Annotated[Number, _OneDecimal()]
"""In the unit of its profile, with one decimal at most (CP-12)."""


class ChargingProfilePeriod(OcpiModel, frozen=True):
    """Ends where the next one starts.

    Attributes:
        start_period: seconds from the start of the profile.

    Spec: 2.2.1 mod_charging_profiles_charging_profile_period_class.
    """

    start_period: Integer
    limit: Rate


class ChargingProfile(OcpiModel, frozen=True):
    """Upper limits over time; relative to the start of charging if it has no `start_date_time`.

    Attributes:
        duration: seconds; None: the last period has no end.

    Spec: 2.2.1 mod_charging_profiles_charging_profile_class.
    """

    start_date_time: DateTime | None = None
    duration: Integer | None = None
    charging_rate_unit: Annotated[str, OpenEnum(ChargingRateUnit)]
    min_charging_rate: Rate | None = None
    charging_profile_period: Many[ChargingProfilePeriod] = ()


class SetChargingProfile(OcpiModel, frozen=True):
    """Spec: 2.2.1 mod_charging_profiles_set_charging_profile_object."""

    charging_profile: ChargingProfile
    response_url: Url


class ActiveChargingProfile(OcpiModel, frozen=True):
    """What the EVSE makes of all its limits, its times relative to `start_date_time`.

    Spec: 2.2.1 mod_charging_profiles_active_charging_profile_class.
    """

    start_date_time: DateTime
    charging_profile: ChargingProfile


class ChargingProfileResponse(OcpiModel, frozen=True):
    """The answer to a request; a result follows only if it is ACCEPTED.

    Attributes:
        timeout: seconds after which no result is to be expected any more.

    Spec: 2.2.1 mod_charging_profiles_response_object.
    """

    result: Annotated[str, OpenEnum(ChargingProfileResponseType)]
    timeout: Integer


class ProfileResult(OcpiModel, frozen=True):
    """What arrives at the `response_url`. Spec: 2.2.1 mod_charging_profiles_msp_post_method."""

    result: Annotated[str, OpenEnum(ChargingProfileResultType)]


class ActiveChargingProfileResult(ProfileResult, CrossChecked, frozen=True):
    """Of a GET. Spec: 2.2.1 mod_charging_profiles_active_charging_profiles_result_object."""

    profile: ActiveChargingProfile | None = None

    def own_findings(self) -> Iterator[Finding]:
        if self.result == ChargingProfileResultType.ACCEPTED and self.profile is None:
            yield Finding(Rule.CROSS_FIELD, "profile", "is expected when the result is ACCEPTED")


class ChargingProfileResult(ProfileResult, frozen=True):
    """Of a PUT. Spec: 2.2.1 mod_charging_profiles_charging_profiles_result_object."""


class ClearProfileResult(ProfileResult, frozen=True):
    """Of a DELETE. Spec: 2.2.1 mod_charging_profiles_clear_profiles_result_object."""


PROFILE_RESULTS: Final[Mapping[str, type[ProfileResult]]] = MappingProxyType(
    {
        "GET": ActiveChargingProfileResult,
        "PUT": ChargingProfileResult,
        "DELETE": ClearProfileResult,
    }
)
"""The result that follows a request, by its method."""
