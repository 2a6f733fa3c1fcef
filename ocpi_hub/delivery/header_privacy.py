"""What message records tell about headers: all names, and the values that are known to be harmless.

A header that nobody thought of may hold a credential, and a URL a token's uid: of those the record
says only that they were there.
"""

from __future__ import annotations

from collections.abc import Mapping

from ocpi_hub.domain.message_record import HeaderLines

HIDDEN = "~"
"""Stands for a value that is not told."""
MOST_HEADERS = 40
MAX_NAME = 100
MAX_VALUE = 200

_TOLD = frozenset(
    {
        "accept",
        "accept-encoding",
        "allow",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "keep-alive",
        "ocpi-from-country-code",
        "ocpi-from-party-id",
        "ocpi-to-country-code",
        "ocpi-to-party-id",
        "retry-after",
        "server",
        "transfer-encoding",
        "user-agent",
        "vary",
        "via",
        "x-correlation-id",
        "x-limit",
        "x-request-id",
        "x-total-count",
    }
)
_SCHEMES = frozenset({"token", "bearer", "basic"})


def recorded_headers(headers: Mapping[str, str]) -> HeaderLines:
    """The headers as they are recorded, in order of arrival."""
    lines = [(_printable(name, MAX_NAME), _value(name, text)) for name, text in headers.items()]
    return tuple(lines[:MOST_HEADERS])


def _value(name: str, text: str) -> str:
    folded = name.casefold()
    if folded in _TOLD:
        return _printable(text, MAX_VALUE)
    if folded == "authorization":
        # Partners send the wrong scheme often enough for it to be worth knowing.
        scheme, space, _ = text.partition(" ")
        return f"{scheme} {HIDDEN}" if space and scheme.casefold() in _SCHEMES else HIDDEN
    return HIDDEN


def _printable(text: str, most: int) -> str:
    return "".join(character for character in text[:most] if character.isprintable())
