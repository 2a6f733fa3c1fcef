"""The error tree of the hub.

HubError                        anything this package raises on purpose
├── ConfigError                 the configuration cannot work: says which key and what to do
├── StoreError                  PostgreSQL
│   ├── StoreUnavailable        the database cannot be reached or did not answer in time
│   └── EmbeddedServerError     our own PostgreSQL cannot be started: says why and what to do
├── OperatorError               a command cannot be carried out: says why and what to do
│   ├── NoSuchObject            because what it is about does not exist
│   └── RefusedByPartner        because the partner answered and said no
└── OcpiError                   becomes an OCPI envelope; a class carries HTTP status and code
    ├── InvalidRequest          200/2001  missing or invalid parameter
    │   ├── MalformedJson       400/2001
    │   ├── NotPermitted        403/2001  authenticated, but not allowed
    │   ├── NotOwnUrl           404/2001  the URL names a party that is not the caller's
    │   ├── UnknownForPatch     404/2001  PATCH of an object the hub does not hold
    │   └── BodyTooLarge        413/2001
    ├── Unauthenticated         401/2000
    ├── NotFound                404/2000
    ├── MethodNotAllowed        405/2000
    ├── UnknownLocation         404/2003
    ├── UnknownToken            404/2004
    ├── ServerFault             200/3000  an unexpected fault on a configuration module
    │   ├── Overloaded          503/3000
    │   └── TooManyRequests     429/3000
    ├── ClientApiUnusable       200/3001
    ├── UnsupportedVersion      200/3002
    ├── EndpointsMissing        200/3003
    └── HubRoutingError         200/4000
        ├── UnknownReceiver     200/4001
        ├── ReceiverTimeout     200/4002
        └── ReceiverNotConnected 200/4003

Spec: 2.2.1 status_codes_status_codes; the pairs are the error matrix of docs/requirements.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class HubError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(HubError):
    """The configuration cannot work; the text names the key and the remedy."""


class StoreError(HubError):
    """PostgreSQL answered with an error that is not the caller's fault."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, or did not answer in time: nothing is known to be stored."""


class EmbeddedServerError(StoreError):
    """Our own PostgreSQL cannot be started; the text says why and what to do."""


class OperatorError(HubError):
    """An operator's command cannot be carried out; the text says why and what to do."""


class NoSuchObject(OperatorError):
    """What the command is about does not exist."""


class RefusedByPartner(OperatorError):
    """The partner answered, and said no: asking again soon will not help."""


class OcpiError(HubError):
    """An error that leaves as an OCPI envelope.

    Attributes:
        http_status: HTTP status of the response.
        status_code: OCPI status code of the envelope.
        headers: extra response headers, for instance Retry-After.
    """

    http_status: ClassVar[int] = 200
    status_code: ClassVar[int] = 2000
    default_message: ClassVar[str] = "Generic client error"

    def __init__(
        self, message: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.message = message or self.default_message
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(self.message)


class InvalidRequest(OcpiError):
    status_code = 2001
    default_message = "Invalid or missing parameters"


class MalformedJson(InvalidRequest):
    http_status = 400
    default_message = "The body is not JSON"


class NotPermitted(InvalidRequest):
    http_status = 403
    default_message = "Not permitted for this party"


class NotOwnUrl(InvalidRequest):
    http_status = 404
    default_message = "The URL names a party that does not belong to this platform"


class UnknownForPatch(InvalidRequest):
    http_status = 404
    default_message = "The hub does not hold this object: PUT it in full"


class BodyTooLarge(InvalidRequest):
    http_status = 413
    default_message = "The body is larger than this hub accepts"


class Unauthenticated(OcpiError):
    http_status = 401
    default_message = "Missing or unknown credentials token"


class NotFound(OcpiError):
    http_status = 404
    default_message = "Not found"


class MethodNotAllowed(OcpiError):
    http_status = 405
    default_message = "Method not defined for this interface"


class UnknownLocation(OcpiError):
    http_status = 404
    status_code = 2003
    default_message = "Unknown Location"


class UnknownToken(OcpiError):
    http_status = 404
    status_code = 2004
    default_message = "Unknown Token"


class ServerFault(OcpiError):
    status_code = 3000
    default_message = "Generic server error"


class Overloaded(ServerFault):
    http_status = 503
    default_message = "The hub cannot serve this request now; try again shortly"


class TooManyRequests(ServerFault):
    http_status = 429
    default_message = "Too many requests"


class ClientApiUnusable(OcpiError):
    status_code = 3001
    default_message = "Unable to use the client's API"


class UnsupportedVersion(OcpiError):
    status_code = 3002
    default_message = "Unsupported version"


class EndpointsMissing(OcpiError):
    status_code = 3003
    default_message = "No matching endpoints or expected endpoints missing"


class HubRoutingError(OcpiError):
    status_code = 4000
    default_message = "The hub could not route this request"


class UnknownReceiver(HubRoutingError):
    status_code = 4001
    default_message = "Unknown receiver (TO address is unknown)"


class ReceiverTimeout(HubRoutingError):
    status_code = 4002
    default_message = "Timeout on forwarded request"


class ReceiverNotConnected(HubRoutingError):
    status_code = 4003
    default_message = "Connection problem: the receiver is not connected"
