"""The base of all OCPI objects, and every wire type in one place to import from.

How faults of objects are told apart: `ocpi.faults`. Spec: 2.2.1 types_types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeVar

from annotated_types import Len
from pydantic import BaseModel, FailFast, GetCoreSchemaHandler
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


class _Many:
    """The schema of a list of cardinality `*`: null counts as absent (TY-09)."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            _absent_as_empty, core_schema.nullable_schema(handler(source))
        )


Many = Annotated[tuple[T, ...], FailFast(), _Many()]
"""A list of cardinality `*`; give it the default `()`. One faulty element is reported, not all."""
Some = Annotated[tuple[T, ...], FailFast(), Len(min_length=1)]
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
