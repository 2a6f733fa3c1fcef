"""Why the admin API refuses, and how that looks: `{"error": {"code", "message", "field"?}}`.

| code | HTTP | |
|-|-|-|
| invalid_request | 400 | a parameter or the body is wrong; `field` names it |
| unauthenticated | 401 | no key, or none that is good |
| forbidden | 403 | the key's scopes do not include the needed one |
| not_found | 404 | no such path, or no such object |
| method_not_allowed | 405 | the path has other methods |
| conflict | 409 | it cannot be done as things are |
| too_large | 413 | the body is too large |
| too_many_requests | 429 | too many unknown keys were tried |
| internal | 500 | a fault of the hub |
| refused_by_partner | 502 | the partner answered, and said no |
| unavailable | 503 | the database cannot be reached, or too much is going on |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import ValidationError

from ocpi_hub.admin.views.base import View
from ocpi_hub.errors import (
    NoSuchObject,
    OcpiError,
    OperatorError,
    RefusedByPartner,
    StoreError,
    StoreUnavailable,
)
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


class Code(StrEnum):
    """What went wrong, for programs."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL = "internal"
    REFUSED_BY_PARTNER = "refused_by_partner"
    UNAVAILABLE = "unavailable"


HTTP_STATUS: Mapping[Code, int] = {
    Code.INVALID_REQUEST: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.TOO_LARGE: 413,
    Code.TOO_MANY_REQUESTS: 429,
    Code.INTERNAL: 500,
    Code.REFUSED_BY_PARTNER: 502,
    Code.UNAVAILABLE: 503,
}

_RETRY = {"Retry-After": "2"}


class Fault(View):
    """What went wrong."""

    code: Code
    message: str
    field: str | None = None


class FaultBody(View):
    """Every answer that is no success."""

    error: Fault


class Refusal(Exception):
    """A request that is not carried out.

    Attributes:
        field: the parameter, or the place in the body.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.headers: Mapping[str, str] = headers or {}

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]

    @property
    def body(self) -> bytes:
        fault = Fault(code=self.code, message=self.message, field=self.field)
        return FaultBody(error=fault).model_dump_json(exclude_none=True).encode()


def invalid(field_name: str, text: str) -> Refusal:
    """A parameter is wrong."""
    return Refusal(Code.INVALID_REQUEST, f"{field_name}: {text}", field_name)


def invalid_model(error: ValidationError, known: Sequence[str]) -> Refusal:
    """Parameters or a body that do not fit their model; the first fault is told."""
    fault = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "extra_forbidden" if len(fault["loc"]) == 1:
            text = f"unknown; there is: {', '.join(known) or 'nothing'}"
        case "missing":
            text = "is required"
        case _:
            text = fault["msg"].removeprefix("Value error, ")
    if not name:
        return Refusal(Code.INVALID_REQUEST, text)
    return invalid(name, text)


def refusal_of(error: Exception) -> Refusal:
    """The one place where errors become answers. Logs those that are the hub's."""
    match error:
        case Refusal():
            return error
        case NoSuchObject():
            return Refusal(Code.NOT_FOUND, str(error))
        case RefusedByPartner():
            return Refusal(Code.REFUSED_BY_PARTNER, str(error))
        case OperatorError():
            return Refusal(Code.CONFLICT, str(error))
        case OcpiError():
            return _of_ocpi(error)
        case StoreUnavailable():
            log.error("admin_call_without_database", reason=str(error))
            return Refusal(
                Code.UNAVAILABLE, "the database cannot be reached; try again shortly", None, _RETRY
            )
        case StoreError():
            log.error("admin_call_cannot_be_stored", reason=str(error))
        case _:
            log.error("admin_call_failed", exc_info=error)
    return Refusal(Code.INTERNAL, "the hub could not do this: its log says why")


def _of_ocpi(error: OcpiError) -> Refusal:
    """What is shared with the OCPI side: reading paths and bodies, and the gate."""
    codes = {404: Code.NOT_FOUND, 413: Code.TOO_LARGE, 503: Code.UNAVAILABLE}
    code = codes.get(error.http_status, Code.INVALID_REQUEST)
    return Refusal(code, error.message, None, error.headers)
