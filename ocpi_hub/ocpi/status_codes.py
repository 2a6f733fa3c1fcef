"""OCPI status codes. Spec: 2.2.1 status_codes_status_codes."""

from __future__ import annotations

from enum import IntEnum


class StatusCode(IntEnum):
    """The codes of the specification; partners may send others, which pass through."""

    SUCCESS = 1000
    CLIENT_ERROR = 2000
    INVALID_PARAMETERS = 2001
    NOT_ENOUGH_INFORMATION = 2002
    UNKNOWN_LOCATION = 2003
    UNKNOWN_TOKEN = 2004
    SERVER_ERROR = 3000
    CLIENT_API_UNUSABLE = 3001
    UNSUPPORTED_VERSION = 3002
    ENDPOINTS_MISSING = 3003
    HUB_ERROR = 4000
    UNKNOWN_RECEIVER = 4001
    RECEIVER_TIMEOUT = 4002
    RECEIVER_NOT_CONNECTED = 4003


def is_success(code: int) -> bool:
    """1xxx, the custom 19xx included."""
    return 1000 <= code < 2000


def is_client_error(code: int) -> bool:
    """2xxx: the request was at fault, so the same request will fail again."""
    return 2000 <= code < 3000
