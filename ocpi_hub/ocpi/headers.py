"""HTTP headers of OCPI: authorization, routing, message ids, paging.

Spec: 2.2.1 transport_and_format_authorization_header, transport_and_format_message_routing,
transport_and_format_unique_messageg_ids, transport_and_format_paginated_response.
"""

from __future__ import annotations

import base64
import binascii
import functools
import os
import random
import re
from collections.abc import Iterator, Mapping

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest

AUTHORIZATION = "Authorization"
REQUEST_ID = "X-Request-ID"
CORRELATION_ID = "X-Correlation-ID"
TO_PARTY = "OCPI-to-party-id"
TO_COUNTRY = "OCPI-to-country-code"
FROM_PARTY = "OCPI-from-party-id"
FROM_COUNTRY = "OCPI-from-country-code"
ROUTING = (FROM_COUNTRY, FROM_PARTY, TO_COUNTRY, TO_PARTY)
"""As `read_routing` takes their values."""
TOTAL_COUNT = "X-Total-Count"
LIMIT = "X-Limit"
LINK = "Link"

MAX_ID_LENGTH = 200
"""Longer message ids are replaced: they are echoed, logged and stored."""

_VARIANTS = {f"{number:x}": "89ab"[number & 3] for number in range(16)}
_NEXT_LINK = re.compile(
    r'<([^<>]*)>\s*(?:;[^<,]*?)?;\s*rel\s*=\s*(?:"next"|next)\s*(?=[;,]|$)', re.IGNORECASE
)


@functools.lru_cache(maxsize=1024)
def authorization(token: str, *, raw: bool = False) -> str:
    """The Authorization header for a credentials token.

    Args:
        token: the plain credentials token.
        raw: leave the Base64 out, for partners with the quirk `raw_token`.
    """
    return f"Token {token if raw else base64.b64encode(token.encode()).decode()}"


def token_candidates(header: str | None) -> Iterator[str]:
    """Credentials tokens that an Authorization header may stand for, likeliest first.

    The Base64 reading comes first (one trailing newline, as in the specification's samples, is
    dropped), then the raw text that many 2.1.1 and 2.2 platforms send.
    """
    scheme, space, encoded = (header or "").partition(" ")
    if scheme.lower() != "token" or not space or not encoded or not _is_word(encoded):
        return
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    else:
        yield decoded.removesuffix("\n")
    yield encoded


def message_ids(headers: Mapping[str, str]) -> MessageIds:
    """The ids of an inbound request; missing or unusable ones are made up."""
    return MessageIds(_id(headers.get(REQUEST_ID)), _id(headers.get(CORRELATION_ID)))


def _id(value: str | None) -> str:
    return value if value and len(value) <= MAX_ID_LENGTH and _is_word(value) else message_id()


def _is_word(text: str) -> bool:
    """Whether it is visible ASCII alone, without a space."""
    return text.isascii() and text.isprintable() and " " not in text


def new_id() -> str:
    """A random UUID (RFC 9562, version 4) as text, which nobody can guess."""
    return _uuid(os.urandom(16).hex())


def message_id() -> str:
    """A UUID for a message: unique, but no secret. What nobody can guess takes a system call."""
    return _uuid(f"{random.getrandbits(128):032x}")


def _uuid(digits: str) -> str:
    """Version 4 of 32 hexadecimal digits."""
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def id_headers(ids: MessageIds) -> dict[str, str]:
    return {REQUEST_ID: ids.request_id, CORRELATION_ID: ids.correlation_id}


def routing_pair(headers: Mapping[str, str], country: str, party: str) -> PartyId | None:
    """A TO or FROM pair; None when both headers are absent or empty.

    Raises:
        InvalidRequest: half a pair, or values that are no party id.
    """
    return _pair(headers.get(country, ""), headers.get(party, ""), country, party)


def read_routing(*values: str) -> tuple[PartyId | None, PartyId | None]:
    """The FROM and the TO party, of the values of `ROUTING`; "" for a header that is not there.

    Raises:
        InvalidRequest: half a pair, or values that are no party id.
    """
    from_country, from_party, to_country, to_party = values
    return (
        _pair(from_country, from_party, FROM_COUNTRY, FROM_PARTY),
        _pair(to_country, to_party, TO_COUNTRY, TO_PARTY),
    )


routing = functools.lru_cache(maxsize=4096)(read_routing)
"""`read_routing` for what is short: the same parties come with every request."""


def _pair(country_code: str, party_id: str, country: str, party: str) -> PartyId | None:
    country_code, party_id = country_code.strip(), party_id.strip()
    if not country_code and not party_id:
        return None
    try:
        return PartyId.parse(f"{country_code}*{party_id}")
    except ValueError:
        raise InvalidRequest(
            f"{country} and {party} go together: two letters, and three letters or digits"
        ) from None


def routing_headers(*, to: PartyId | None, sender: PartyId | None) -> dict[str, str]:
    """The four routing headers for a request or a response."""
    headers: dict[str, str] = {}
    if to is not None:
        headers |= {TO_COUNTRY: to.country_code, TO_PARTY: to.party_id}
    if sender is not None:
        headers |= {FROM_COUNTRY: sender.country_code, FROM_PARTY: sender.party_id}
    return headers


def next_link(header: str | None) -> str | None:
    """The URL of the next page, from a Link header."""
    match = _NEXT_LINK.search(header or "")
    return match.group(1) if match else None
