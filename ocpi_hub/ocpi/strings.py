"""The string types of OCPI: string, CiString, URL and the forms built on them, open enums.

Spec: 2.2.1 types_string_type, types_cistring_type, types_url_type,
transport_and_format_no_data_available.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ocpi_hub.ocpi.faults import Rule, WireType, marking, one_of

NOT_AVAILABLE: Final = "#NA"
"""What an owner writes into a required string it cannot fill (TF-28)."""
MAX_URL: Final = 255
"""Characters of a URL. Spec: 2.2.1 types_url_type."""

_PRINTABLE_ASCII: Final = r"[\x20-\x7e]"
_PRINTABLE: Final = r"[^\x00-\x1f\x7f-\x9f]"


@dataclass(frozen=True, slots=True)
class Text(WireType):
    """A string type: `Annotated[str, OcpiString(64)]`.

    Attributes:
        max_length: characters; more is a mild fault.
        min_length: characters; fewer is a hard fault.
        allowed: regular expression of one character.
        allowed_is_hard: other characters are a hard fault, not a mild one.
        form: regular expression of the whole value; else a mild fault.
        placeholder: `#NA` may stand for the value (TF-28), whatever the form and the length.
    """

    name: str
    max_length: int
    min_length: int = 0
    allowed: str = _PRINTABLE
    allowed_is_hard: bool = False
    form: str | None = None
    placeholder: bool = True

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        strict = self.form or f"^{self.allowed}*$"
        # NUL is never text, and no store or partner keeps it intact.
        loose = f"^{self.allowed}*$" if self.allowed_is_hard else r"^[^\x00]*$"
        return one_of(
            [
                core_schema.str_schema(
                    pattern=strict,
                    min_length=self.min_length,
                    max_length=self.max_length,
                    strict=True,
                ),
                core_schema.with_info_after_validator_function(
                    marking,
                    core_schema.str_schema(pattern=loose, min_length=self.min_length, strict=True),
                ),
            ],
            "ocpi_text",
            self._rule(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        result: JsonSchemaValue = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            result["minLength"] = self.min_length
        result["pattern"] = self.form or f"^{self.allowed}*$"
        if self.placeholder and (self.form or self.max_length < len(NOT_AVAILABLE)):
            return {"anyOf": [result, {"const": NOT_AVAILABLE}]}
        return result

    def _rule(self) -> str:
        least = ", not empty" if self.min_length else ""
        charset = "printable ASCII" if self.allowed == _PRINTABLE_ASCII else "printable"
        return f"must be a {self.name}({self.max_length}): {charset}{least}"

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        if self.placeholder and value == NOT_AVAILABLE:
            return
        if len(value) > self.max_length:
            yield (
                Rule.TOO_LONG,
                f"{len(value)} characters, {self.name}({self.max_length}) allows {self.max_length}",
            )
        elif self.form is not None and not re.search(self.form, value):
            yield Rule.WRONG_FORM, f"{len(value)} characters, not of the form {self.form}"
        if not re.fullmatch(f"{self.allowed}*", value):
            yield Rule.NOT_PRINTABLE, f"{len(value)} characters, of which some are not printable"


def OcpiString(max_length: int, *, form: str | None = None) -> Text:  # noqa: N802 - reads as a type
    """`string(n)`: case-sensitive, printable. Spec: 2.2.1 types_string_type."""
    return Text("string", max_length, form=form)


def CiString(max_length: int) -> Text:  # noqa: N802 - reads as a type
    """`CiString(n)`: case-insensitive printable ASCII. Spec: 2.2.1 types_cistring_type.

    Other characters are refused: these strings are compared and stand in URLs.
    """
    return Text("CiString", max_length, allowed=_PRINTABLE_ASCII, allowed_is_hard=True)


def Identifier(max_length: int) -> Text:  # noqa: N802 - reads as a type
    """A `CiString(n)` that names an object: it cannot be empty."""
    return Text(
        "CiString", max_length, min_length=1, allowed=_PRINTABLE_ASCII, allowed_is_hard=True
    )


def _party_part(max_length: int, form: str) -> Text:
    return Text(
        "CiString",
        max_length,
        min_length=1,
        allowed=_PRINTABLE_ASCII,
        allowed_is_hard=True,
        form=form,
        placeholder=False,
    )


CountryCode = Annotated[str, _party_part(2, "^[A-Za-z]{2}$")]
"""ISO 3166 alpha-2, of a party."""
PartyCode = Annotated[str, _party_part(3, "^[A-Za-z0-9]{3}$")]
"""The `party_id`, unique within its country."""
Url = Annotated[str, Text("URL", MAX_URL, form=r"^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$")]
Currency = Annotated[str, OcpiString(3, form="^[A-Z]{3}$")]
"""ISO 4217."""
Language = Annotated[str, OcpiString(2, form="^[A-Za-z]{2}$")]
"""ISO 639-1."""


@functools.cache
def _values(known: type[StrEnum]) -> frozenset[str]:
    return frozenset(member.value for member in known)


@dataclass(frozen=True, slots=True)
class OpenEnum(WireType):
    """An enum whose unknown values pass (TY-11): `Annotated[str, OpenEnum(AuthMethod)]`.

    The field is a plain str, so that unknown values survive; members of the enum compare equal to
    it. Values are case-sensitive.
    """

    known: type[StrEnum]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return one_of(
            [
                core_schema.literal_schema([member.value for member in self.known]),
                core_schema.with_info_after_validator_function(
                    marking, core_schema.str_schema(pattern=r"^[^\x00]+$", strict=True)
                ),
            ],
            "ocpi_enum",
            f"must be a value of {self.known.__name__}",
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": [member.value for member in self.known]}

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        if value not in _values(self.known):
            yield (
                Rule.UNKNOWN_VALUE,
                f"{len(value)} characters, not a value of {self.known.__name__}",
            )
