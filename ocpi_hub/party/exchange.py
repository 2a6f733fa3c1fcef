"""One request that arrived at the platform, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.errors import InvalidRequest, MalformedJson, OcpiError
from ocpi_hub.ocpi import headers as ocpi_headers
from ocpi_hub.ocpi.envelope import dump, envelope
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.party.config import VERSION

CONFIGURATION_MODULES = frozenset({"versions", "credentials", "hubclientinfo"})
"""Never routed: no routing headers. Spec: 2.2.1 transport_and_format_message_routing."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request as it came.

    Attributes:
        module: the module the path names, `versions` for versions and details, empty if none.
        tail: the segments after the module, percent-decoded.
        headers: names are case-insensitive.
    """

    method: str
    path: str
    module: str
    role: InterfaceRole | None
    tail: tuple[str, ...]
    query: Mapping[str, str]
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    ids: MessageIds

    @property
    def functional(self) -> bool:
        return self.role is not None and self.module not in CONFIGURATION_MODULES

    @property
    def to(self) -> PartyId | None:
        """Raises: InvalidRequest: half a pair."""
        return ocpi_headers.routing_pair(
            self.headers, ocpi_headers.TO_COUNTRY, ocpi_headers.TO_PARTY
        )

    @property
    def sender(self) -> PartyId | None:
        """Raises: InvalidRequest: half a pair."""
        return ocpi_headers.routing_pair(
            self.headers, ocpi_headers.FROM_COUNTRY, ocpi_headers.FROM_PARTY
        )

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            MalformedJson: it is not JSON.
            InvalidRequest: it is JSON, but no object.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            raise MalformedJson from None
        if not isinstance(value, dict):
            raise InvalidRequest("The body is not a JSON object")
        return value


def interface_of(path: str) -> tuple[str, InterfaceRole | None, tuple[str, ...]]:
    """Module, interface role and remaining segments of a raw URL path."""
    segments = [unquote(segment) for segment in path.split("/") if segment]
    match segments:
        case ["ocpi", "versions"]:
            return "versions", None, ()
        case ["ocpi", version] if version == VERSION:
            return "versions", None, (version,)
        case ["ocpi", version, "credentials"] if version == VERSION:
            return "credentials", None, ()
        case ["ocpi", version, ("sender" | "receiver") as role, module, *tail] if (
            version == VERSION
        ):
            return module, InterfaceRole(role.upper()), tuple(tail)
        case _:
            return "", None, tuple(segments)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answers.

    Attributes:
        code: the OCPI status code of the body; None when the body is no envelope.
        note: what the record should say beyond the codes, for instance `duplicate`.
    """

    http_status: int
    code: int | None
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None

    @property
    def accepted(self) -> bool:
        return self.http_status < 300 and self.code is not None and is_success(self.code)


def success(
    data: bytes | None = None,
    *,
    http_status: int = 200,
    headers: Mapping[str, str] | None = None,
    note: str | None = None,
) -> Answer:
    """A 1000 around JSON text that is already encoded."""
    return Answer(http_status, 1000, envelope(data), headers or {}, note)


def success_value(value: object) -> Answer:
    return success(dump(value))


def failure(error: OcpiError, note: str | None = None) -> Answer:
    body = envelope(status_code=error.status_code, message=error.message)
    return Answer(error.http_status, error.status_code, body, error.headers, note)
