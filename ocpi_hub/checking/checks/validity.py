"""Objects of a partner held against the models: hard faults and mild ones."""

from __future__ import annotations

from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Notes
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import validate_object


def hard_fault(value: object, model: type[OcpiModel]) -> str | None:
    """Why an object cannot be used; None when it can."""
    try:
        validate_object(value, model)
    except InvalidRequest as error:
        return error.message
    return None


def mild_faults(value: object, model: type[OcpiModel]) -> list[str]:
    """What a usable object breaks all the same."""
    try:
        found = validate_object(value, model).findings
    except InvalidRequest:
        return []
    return [f"{each.path or 'the object'}: {each.message}" for each in found]


def judge_object(value: object, model: type[OcpiModel], notes: Notes, seen: Seen) -> None:
    """Note a hard fault."""
    if (fault := hard_fault(value, model)) is not None:
        notes.fault(fault, seen)
