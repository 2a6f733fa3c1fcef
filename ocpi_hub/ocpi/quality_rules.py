"""What is said about the faults of partners: the one table behind docs/data-quality.md.

Mild faults (`faults.Rule`) pass and are counted. Hard ones are refused with 2001; their texts are
made where they are found, in `parse.py` and in the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ocpi_hub.ocpi.faults import Rule

MILD: Final[Mapping[Rule, str]] = MappingProxyType(
    {
        Rule.TOO_LONG: "A string has more characters than its type allows.",
        Rule.NOT_PRINTABLE: "A string holds control characters, such as line breaks.",
        Rule.UNKNOWN_VALUE: "An enum has a value that the specification does not know.",
        Rule.WRONG_FORM: (
            "A value has another form or range than its type: a country, currency, language, URL,"
            " coordinate, time of day, weekday, rate."
        ),
        Rule.CROSS_FIELD: "Fields contradict each other, or two parts have the same id.",
        Rule.MISSING: (
            "A field is absent that the type does not require, but receivers do: `evse_id` of an"
            " EVSE that is not REMOVED, `end_date_time` of a COMPLETED Session, `tariffs` of a CDR."
        ),
        Rule.EVSE_ID: (
            "An `evse_id` is not of the form of ISO 15118-2, which is eMI3's: `NL*CPO*E0001`, with"
            " or without separators."
        ),
        Rule.UNKNOWN_TARIFF: (
            "A connector or charging period names a Tariff that its owner has not sent, and that"
            " the CDR does not bring."
        ),
        Rule.STALE: "A push is older than what the hub holds: answered 1000 and dropped.",
        Rule.AHEAD: (
            "`last_updated` is more than five minutes in the future: nobody can tell what is newer."
        ),
        Rule.SKIPPED: (
            "An object of the partner's own list that the hub reads has a hard fault: it is left"
            " out, and nobody can tell the partner."
        ),
    }
)
"""Every rule that is counted, and when it applies."""


@dataclass(frozen=True, slots=True)
class Hard:
    """A kind of hard fault.

    Attributes:
        message: an example of what `status_message` says: field, rule, shape of what was there.
    """

    what: str
    message: str


HARD: Final = (
    Hard("A required field is absent.", "currency: is required"),
    Hard("A required field is null.", "currency: must be a string(3): printable, got null"),
    Hard(
        "A value is of another JSON type.", "valid: must be a boolean, got a string of 3 characters"
    ),
    Hard(
        "A number is a string, or has a fraction where none may be.",
        "total_energy: must be a JSON number, got a string of 4 characters",
    ),
    Hard(
        "A time is no DateTime, or has an offset instead of `Z`.",
        "last_updated: must be a DateTime: RFC 3339 in UTC, with Z or no designator,"
        " got a string of 25 characters",
    ),
    Hard(
        "An id, or another CiString, has characters beyond printable ASCII.",
        "id: must be a CiString(36): printable ASCII, not empty, got a string of 4 characters",
    ),
    Hard(
        "An id is empty.",
        "id: must be a CiString(36): printable ASCII, not empty, got a string of 0 characters",
    ),
    Hard("A list that needs an element has none.", "elements: must have at least one element"),
    Hard(
        "An object stands where a list belongs, or the other way round.",
        "cdr_token: must be an object, got a list of 0",
    ),
    Hard("The URL names another object than the body.", "id differs between the URL and the body"),
)
"""Kinds of hard faults; every field of every object can have some of them."""
