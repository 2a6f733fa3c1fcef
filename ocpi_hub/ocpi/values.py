"""DateTime, number, int and boolean.

Spec: 2.2.1 types_datetime_type, types_number_type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ocpi_hub.ocpi.faults import one_of

_FORM: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_DATE_TIME_SCHEMA: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?Z?$"
)
_UNKNOWN_TIME: Final = "1970-1-1T00:00:00Z"
_DATE_TIME_RULE: Final = "must be a DateTime: RFC 3339 in UTC, with Z or no designator"
_NUMBER_RULE: Final = "must be a JSON number"
_INT_RULE: Final = "must be a JSON number without a fraction"


def parse_datetime(text: str) -> datetime:
    """An OCPI DateTime as aware UTC; digits after the sixth of a fraction are dropped.

    Raises:
        ValueError: another form, a numeric offset, or no such time.
    """
    if not re.fullmatch(_FORM + "Z?", text):
        raise ValueError(_DATE_TIME_RULE)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(_DATE_TIME_RULE) from None
    return moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))


def _from_text(value: str) -> datetime:
    try:
        return parse_datetime(value)
    except ValueError:
        raise PydanticCustomError("ocpi_datetime", _DATE_TIME_RULE) from None


def _unknown_time(_: str) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _DateTime:
    """The schema of DateTime. Spec: 2.2.1 types_datetime_type."""

    unknown_allowed: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices: list[CoreSchema] = [
            core_schema.chain_schema(
                [
                    core_schema.str_schema(pattern=f"^{_FORM}Z$", max_length=64),
                    core_schema.datetime_schema(),
                ]
            ),
            core_schema.no_info_after_validator_function(
                _from_text, core_schema.str_schema(pattern=f"^{_FORM}$", max_length=64)
            ),
            core_schema.datetime_schema(strict=True, tz_constraint=0),
        ]
        if self.unknown_allowed:
            choices.append(
                core_schema.no_info_after_validator_function(
                    _unknown_time, core_schema.literal_schema([_UNKNOWN_TIME])
                )
            )
        return one_of(choices, "ocpi_datetime", _DATE_TIME_RULE)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        plain: JsonSchemaValue = {"type": "string", "pattern": _DATE_TIME_SCHEMA}
        return {"anyOf": [plain, {"const": _UNKNOWN_TIME}]} if self.unknown_allowed else plain


DateTime = Annotated[datetime, _DateTime()]
"""Aware UTC."""
CdrDateTime = Annotated[datetime, _DateTime(unknown_allowed=True)]
"""Aware UTC; 1970-01-01 stands for a time that the CPO does not know (CD-24)."""


def _narrowed(schema: CoreSchema) -> CoreSchema:
    return core_schema.chain_schema([schema, core_schema.int_schema()])


class _Number:
    """The schema of number. Spec: 2.2.1 types_number_type."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        whole = core_schema.chain_schema(
            [core_schema.int_schema(strict=True), core_schema.decimal_schema()]
        )
        broken = core_schema.chain_schema(
            [
                core_schema.float_schema(strict=True, allow_inf_nan=False),
                core_schema.decimal_schema(),
            ]
        )
        exact = core_schema.decimal_schema(strict=True, allow_inf_nan=False)
        return core_schema.json_or_python_schema(
            json_schema=one_of([whole, broken], "ocpi_number", _NUMBER_RULE),
            python_schema=one_of([exact, whole], "ocpi_number", _NUMBER_RULE),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "number"}


class _Integer:
    """The schema of int: a JSON number without a fraction, `300.0` included."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        whole = core_schema.int_schema(strict=True)
        return core_schema.json_or_python_schema(
            json_schema=one_of(
                [whole, _narrowed(core_schema.float_schema(strict=True))], "ocpi_int", _INT_RULE
            ),
            python_schema=one_of(
                [whole, _narrowed(core_schema.decimal_schema(strict=True))], "ocpi_int", _INT_RULE
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "integer"}


Number = Annotated[Decimal, _Number()]
"""A decimal; a JSON number on the wire, never a string. Spec: 2.2.1 types_number_type."""
Integer = Annotated[int, _Integer()]
Boolean = Annotated[bool, Strict()]
