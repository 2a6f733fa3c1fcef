"""When a Location is open. Spec: 2.2.1 mod_locations_hours_class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ocpi_hub.ocpi.base import Boolean, DateTime, Finding, Integer, Many, OcpiModel, Rule, WireType
from ocpi_hub.ocpi.faults import marking, one_of
from ocpi_hub.ocpi.v2_2_1.common import CrossChecked
from ocpi_hub.ocpi.v2_2_1.tariffs import LocalTime

_CLOCK: Final = re.compile(r"[0-2][0-9]:[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class _Between(WireType):
    """An int with bounds; one outside of them is a mild fault."""

    least: int
    most: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return one_of(
            [
                core_schema.int_schema(strict=True, ge=self.least, le=self.most),
                core_schema.with_info_after_validator_function(self._marking, handler(source)),
            ],
            "ocpi_int",
            "must be a JSON number without a fraction",
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def _marking(self, value: int, info: ValidationInfo) -> int:
        # A number such as 1.0 comes here too, and is no fault.
        return value if self.least <= value <= self.most else marking(value, info)

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        if not self.least <= value <= self.most:
            yield Rule.WRONG_FORM, f"is not between {self.least} and {self.most}"


Weekday = Annotated[Integer, _Between(1, 7)]
"""From Monday, 1, to Sunday, 7. Spec: 2.2.1 mod_locations_regularhours_class."""


class RegularHours(CrossChecked, frozen=True):
    """Local time of the Location. Spec: 2.2.1 mod_locations_regularhours_class."""

    weekday: Weekday
    period_begin: LocalTime
    period_end: LocalTime

    def own_findings(self) -> Iterator[Finding]:
        both = (self.period_begin, self.period_end)
        if all(_CLOCK.fullmatch(each) for each in both) and both[1] <= both[0]:
            yield Finding(Rule.CROSS_FIELD, "period_end", "is not later than period_begin")


class ExceptionalPeriod(OcpiModel, frozen=True):
    """In UTC, unlike RegularHours. Spec: 2.2.1 mod_locations_exceptionalperiod_class."""

    period_begin: DateTime
    period_end: DateTime


class Hours(CrossChecked, frozen=True):
    """Spec: 2.2.1 mod_locations_hours_class."""

    twentyfourseven: Boolean
    regular_hours: Many[RegularHours] = ()
    exceptional_openings: Many[ExceptionalPeriod] = ()
    exceptional_closings: Many[ExceptionalPeriod] = ()

    def own_findings(self) -> Iterator[Finding]:
        if self.twentyfourseven and self.regular_hours:
            yield Finding(Rule.CROSS_FIELD, "regular_hours", "only if twentyfourseven is false")
        if not self.twentyfourseven and not self.regular_hours:
            yield Finding(Rule.CROSS_FIELD, "regular_hours", "needed if twentyfourseven is false")
