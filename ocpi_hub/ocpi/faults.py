"""Hard and mild faults of objects.

Faults come in two kinds. A *hard* one makes an object unusable (a required field is missing, a
wrong JSON type, an identifier that cannot be compared): it fails validation. A *mild* one leaves it
usable (a string over its length, an unknown enum value, a form the specification does not know):
the object passes, and `ocpi.findings` tells what is wrong, because OCPI objects are forwarded as
they are and never truncated.

A string type tries its strict form first, inside pydantic-core; only a value that fails it runs
Python code, which leaves a mark in the validation context if the value may pass. So a correct
object costs nothing, and an object without a mark has no findings.

Spec: 2.2.1 types_types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from pydantic import ValidationInfo
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")


class Rule(StrEnum):
    """The rules behind mild faults; `ocpi.quality_rules` explains them."""

    TOO_LONG = "too_long"
    NOT_PRINTABLE = "not_printable"
    UNKNOWN_VALUE = "unknown_value"
    WRONG_FORM = "wrong_form"
    CROSS_FIELD = "cross_field"
    MISSING = "missing"
    EVSE_ID = "evse_id"
    UNKNOWN_TARIFF = "unknown_tariff"
    STALE = "stale"
    AHEAD = "ahead"
    SKIPPED = "skipped"


IN_SCHEMAS: Final = frozenset(
    {Rule.TOO_LONG, Rule.NOT_PRINTABLE, Rule.UNKNOWN_VALUE, Rule.WRONG_FORM}
)
"""Rules about a single value that JSON Schemas know as well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mild fault of an object that was accepted.

    Attributes:
        path: the field, for instance `cdr_token.uid` or `tariffs[0].elements[2]`; "" for the whole.
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


def marking(value: T, info: ValidationInfo) -> T:
    mark(info)
    return value


def one_of(choices: Sequence[CoreSchema], kind: str, rule: str) -> CoreSchema:
    """The first choice that fits; one fault with the rule, instead of one fault per choice."""
    return core_schema.union_schema(
        list(choices),
        mode="left_to_right",
        custom_error_type=kind,
        custom_error_message=rule,
    )
