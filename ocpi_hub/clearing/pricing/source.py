"""A CDR from JSON text: alone, or with the tariffs it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from ocpi_hub.domain.value import value
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import parse_json, validate_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff

MAX_DEPTH: Final = 64

M = TypeVar("M", bound=OcpiModel)


@value
class Source:
    """A CDR and tariffs for ids that it does not hold itself."""

    cdr: CDR
    tariffs: tuple[Tariff, ...]


def read_source(text: bytes) -> Source:
    """Read a CDR, or an object with `cdr` and `tariffs`. Numbers become exact decimals.

    Raises:
        MalformedJson: no JSON; names line and column.
        InvalidRequest: names the field.
    """
    found = parse_json(text, max_depth=MAX_DEPTH)
    if not isinstance(found, Mapping):
        raise InvalidRequest("must be a CDR, or an object with cdr and tariffs")
    if "cdr" not in found:
        return Source(_read(found, CDR, ""), ())
    tariffs = found.get("tariffs", [])
    if not isinstance(tariffs, list):
        raise InvalidRequest("tariffs: must be a list")
    return Source(
        _read(found["cdr"], CDR, "cdr"),
        tuple(_read(each, Tariff, f"tariffs[{n}]") for n, each in enumerate(tariffs)),
    )


def _read(found: object, model: type[M], path: str) -> M:
    try:
        return validate_object(found, model).value
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error.message}" if path else error.message) from None
