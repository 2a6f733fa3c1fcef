"""The base of all OCPI objects, and every wire type in one place to import from.

How faults of objects are told apart: `ocpi.faults`. Spec: 2.2.1 types_types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ocpi_hub.ocpi import json_text
from ocpi_hub.ocpi.faults import Finding, Rule, WireType, mark
from ocpi_hub.ocpi.strings import (
    MAX_URL,
    NOT_AVAILABLE,
    CiString,
    CountryCode,
    Currency,
    Identifier,
    Language,
    OcpiString,
    OpenEnum,
    PartyCode,
    Url,
)
from ocpi_hub.ocpi.values import (
    Boolean,
    CdrDateTime,
    DateTime,
    Integer,
    Number,
    parse_datetime,
)

__all__ = [
    "MAX_URL",
    "NOT_AVAILABLE",
    "Boolean",
    "CdrDateTime",
    "CiString",
    "CountryCode",
    "Currency",
    "DateTime",
    "Finding",
    "Identifier",
    "Integer",
    "Language",
    "Many",
    "Number",
    "OcpiModel",
    "OcpiString",
    "OpenEnum",
    "PartyCode",
    "Rule",
    "Some",
    "Url",
    "WireType",
    "mark",
    "parse_datetime",
]

T = TypeVar("T")


def _absent_as_empty(value: tuple[T, ...] | None) -> tuple[T, ...]:
    return () if value is None else value


@dataclass(frozen=True, slots=True)
class _List:
    """The schema of a list. It stops at the first faulty element: a hostile list has millions.

    Attributes:
        min_length: 1 for cardinality `+`; 0 for `*`, where null counts as absent (TY-09).
    """

    min_length: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = core_schema.tuple_schema(
            [handler.generate_schema(get_args(source)[0])],
            variadic_item_index=0,
            min_length=self.min_length or None,
            fail_fast=True,
        )
        if self.min_length:
            return schema
        return core_schema.no_info_after_validator_function(
            _absent_as_empty, core_schema.nullable_schema(schema)
        )


Many = Annotated[tuple[T, ...], _List(0)]
"""A list of cardinality `*`; give it the default `()`."""
Some = Annotated[tuple[T, ...], _List(1)]
"""A list of cardinality `+`."""


class OcpiModel(BaseModel, frozen=True, extra="allow"):
    """The base of all OCPI objects: unknown fields survive (TF-38).

    Subclasses repeat `frozen=True`. A field of cardinality `?` is `T | None = None`.
    """

    def own_findings(self) -> Iterator[Finding]:
        """Mild faults between the fields of this object; a class that has some also marks."""
        return iter(())

    def to_json(self) -> bytes:
        """The JSON text: fields that were not set stay absent, decimals are numbers."""
        return json_text.dump(self.model_dump(exclude_unset=True))
