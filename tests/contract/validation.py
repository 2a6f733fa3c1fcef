"""JSON Schemas against exact numbers, as the models take them."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend

from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.registry import V2_2_1
from ocpi_hub.ocpi.schema import schema_of

SCHEMAS = Path(__file__).parents[2] / "schemas"


def _is_integer(_: TypeChecker, value: object) -> bool:
    """A JSON number without a fraction, however it was read; a boolean is no number."""
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float | Decimal) and value == int(value))
    )


_Exact = extend(  # type: ignore[no-untyped-call]  # its stub has no signature
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


class Schema:
    """A JSON Schema that says what it has against a value."""

    def __init__(self, schema: dict[str, Any]) -> None:
        Draft202012Validator.check_schema(schema)
        self._validator = _Exact(schema)

    def complaint(self, value: object) -> str | None:
        """The first fault of a value of `parse_json`; None: it is valid."""
        error = next(self._validator.iter_errors(value), None)
        return None if error is None else f"{error.json_path}: {error.message}"

    def accepts(self, value: object) -> bool:
        return self.complaint(value) is None


@cache
def schema_file(name: str) -> Schema:
    """The schema of an object of 2.2.1 as it lies in `schemas/`."""
    return Schema(json.loads((SCHEMAS / V2_2_1 / f"{name}.json").read_text(encoding="utf-8")))


@cache
def schema_of_part(model: type[OcpiModel]) -> Schema:
    """The schema of a part of an object, which has no file of its own."""
    return Schema(schema_of(model, V2_2_1))
