"""OCPI's own types, and the base of all models.

Faults come in two kinds. A *hard* one makes an object unusable (a required field is missing, a
wrong JSON type, an identifier that cannot be compared): it fails validation. A *mild* one leaves it
usable (a string over its length, an unknown enum value, a form the specification does not know):
the object passes, and `ocpi.findings` tells what is wrong, because OCPI objects are forwarded as
they are and never truncated.

A string type tries its strict form first, inside pydantic-core; only a value that fails it runs
Python code, which leaves a mark in the validation context if the value may pass. So a correct
object costs nothing, and an object without a mark has no findings.

Spec: 2.2.1 types_types, transport_and_format_no_data_available.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from annotated_types import Len
from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ocpi_hub.ocpi import json_text

NOT_AVAILABLE: Final = "#NA"
"""What an owner writes into a required string it cannot fill (TF-28)."""

_DATE_TIME: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?$"
_DATE_TIME_Z: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"
_UNKNOWN_TIME: Final = "1970-1-1T00:00:00Z"
_DATE_TIME_RULE: Final = "must be a DateTime: RFC 3339 in UTC, with Z or no designator"
_NUMBER_RULE: Final = "must be a JSON number"
_INT_RULE: Final = "must be a JSON number without a fraction"
_PRINTABLE_ASCII: Final = r"[\x20-\x7e]"
_PRINTABLE: Final = r"[^\x00-\x1f\x7f-\x9f]"

T = TypeVar("T")


class Rule(StrEnum):
    """The rules behind mild faults."""

    TOO_LONG = "too_long"
    NOT_PRINTABLE = "not_printable"
    UNKNOWN_VALUE = "unknown_value"
    WRONG_FORM = "wrong_form"
    CROSS_FIELD = "cross_field"


@dataclass(frozen=True, slots=True)
class Finding:
    """A mild fault of an object that was accepted.

    Attributes:
        path: the field, for instance `cdr_token.uid` or `tariffs[0].elements[2]`.
        message: what is wrong; holds no content of the field, which may be personal.
    """

    rule: Rule
    path: str
    message: str


class WireType:
    """Metadata of a field that can have mild faults."""

    __slots__ = ()

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        """The mild faults of a value that passed validation."""
        raise NotImplementedError


def mark(info: ValidationInfo) -> None:
    """Note in the validation context that the object has findings."""
    if isinstance(info.context, list):
        info.context.append(True)


def _marking(value: T, info: ValidationInfo) -> T:
    mark(info)
    return value


def _one_of(choices: Sequence[CoreSchema], kind: str, rule: str) -> CoreSchema:
    """The first choice that fits; one fault with the rule, instead of one fault per choice."""
    return core_schema.union_schema(
        list(choices),
        mode="left_to_right",
        custom_error_type=kind,
        custom_error_message=rule,
    )


@dataclass(frozen=True, slots=True)
class Text(WireType):
    """A string type: `Annotated[str, OcpiString(64)]`.

    Attributes:
        max_length: characters; more is a mild fault.
        min_length: characters; fewer is a hard fault.
        allowed: regular expression of one character.
        allowed_is_hard: other characters are a hard fault, not a mild one.
        form: regular expression of the whole value; else a mild fault.
    """

    name: str
    max_length: int
    min_length: int = 0
    allowed: str = _PRINTABLE
    allowed_is_hard: bool = False
    form: str | None = None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        most = str(self.max_length)
        strict = self.form or f"^{self.allowed}{{{self.min_length},{most}}}$"
        # NUL is never text, and no store or partner keeps it intact.
        loose = f"^{self.allowed}*$" if self.allowed_is_hard else r"^[^\x00]*$"
        return _one_of(
            [
                core_schema.str_schema(pattern=strict, max_length=self.max_length, strict=True),
                core_schema.with_info_after_validator_function(
                    _marking,
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
        return result

    def _rule(self) -> str:
        least = ", not empty" if self.min_length else ""
        charset = "printable ASCII" if self.allowed == _PRINTABLE_ASCII else "printable"
        return f"must be a {self.name}({self.max_length}): {charset}{least}"

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        if len(value) > self.max_length:
            yield (
                Rule.TOO_LONG,
                f"{len(value)} characters, {self.name}({self.max_length}) allows {self.max_length}",
            )
        elif self.form is not None and not re.search(self.form, value):
            yield Rule.WRONG_FORM, f"does not have the form {self.form}"
        if not re.fullmatch(f"{self.allowed}*", value):
            yield Rule.NOT_PRINTABLE, "contains characters that are not printable"


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
    )


CountryCode = Annotated[str, _party_part(2, "^[A-Za-z]{2}$")]
"""ISO 3166 alpha-2, of a party."""
PartyCode = Annotated[str, _party_part(3, "^[A-Za-z0-9]{3}$")]
"""The `party_id`, unique within its country."""
Url = Annotated[str, Text("URL", 255, form=r"^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$")]
Currency = Annotated[str, OcpiString(3, form="^[A-Z]{3}$")]
"""ISO 4217."""
Language = Annotated[str, OcpiString(2, form="^[A-Za-z]{2}$")]
"""ISO 639-1."""


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
        return _one_of(
            [
                core_schema.literal_schema([member.value for member in self.known]),
                core_schema.with_info_after_validator_function(
                    _marking, core_schema.str_schema(pattern=r"^[^\x00]+$", strict=True)
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
        if value not in [member.value for member in self.known]:
            yield Rule.UNKNOWN_VALUE, f"not a value of {self.known.__name__}"


def parse_datetime(text: str) -> datetime:
    """An OCPI DateTime as aware UTC; digits after the sixth of a fraction are dropped.

    Raises:
        ValueError: another form, a numeric offset, or no such time.
    """
    if not re.fullmatch(_DATE_TIME_Z[1:-2] + "Z?", text, re.ASCII):
        raise ValueError(_DATE_TIME_RULE)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
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
                    core_schema.str_schema(pattern=_DATE_TIME_Z, max_length=64),
                    core_schema.datetime_schema(),
                ]
            ),
            core_schema.no_info_after_validator_function(
                _from_text, core_schema.str_schema(pattern=_DATE_TIME, max_length=64)
            ),
            core_schema.datetime_schema(strict=True, tz_constraint=0),
        ]
        if self.unknown_allowed:
            choices.append(
                core_schema.no_info_after_validator_function(
                    _unknown_time, core_schema.literal_schema([_UNKNOWN_TIME])
                )
            )
        return _one_of(choices, "ocpi_datetime", _DATE_TIME_RULE)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        plain: JsonSchemaValue = {"type": "string", "pattern": _DATE_TIME[:-1] + "Z?$"}
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
            json_schema=_one_of([whole, broken], "ocpi_number", _NUMBER_RULE),
            python_schema=_one_of([exact, whole], "ocpi_number", _NUMBER_RULE),
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
            json_schema=_one_of(
                [whole, _narrowed(core_schema.float_schema(strict=True))], "ocpi_int", _INT_RULE
            ),
            python_schema=_one_of(
                [whole, _narrowed(core_schema.decimal_schema(strict=True))], "ocpi_int", _INT_RULE
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "integer"}


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


Number = Annotated[Decimal, _Number()]
"""A decimal; a JSON number on the wire, never a string. Spec: 2.2.1 types_number_type."""
Integer = Annotated[int, _Integer()]
Boolean = Annotated[bool, Strict()]
Many = Annotated[tuple[T, ...], _Many()]
"""A list of cardinality `*`; give it the default `()`."""
Some = Annotated[tuple[T, ...], Len(min_length=1)]
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
