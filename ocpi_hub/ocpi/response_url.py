"""The `response_url` of a command or of a request for a charging profile: read and replaced.

In a body it is one member of the object; only its value changes, everything else keeps its text.
In a query it is a parameter, and partners differ in how they write a URL there. The specification's
own sample leaves it unescaped, with a query of its own (CP-03), so what arrives is read leniently
and what leaves is always percent-encoded.

Spec: 2.2.1 mod_commands_flow, mod_charging_profiles_cpo_get_method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.json_text import member_places
from ocpi_hub.ocpi.parse import require_object_text

RESPONSE_URL: Final = "response_url"

Pairs = tuple[tuple[str, str], ...]

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_UNESCAPED: Final = re.compile(r"https?://[^?]*\?.*=.*", re.IGNORECASE)
"""A URL with a query of its own, as it is. Every way of escaping it would escape its `=`."""


def replaced_in_body(body: bytes, url: str) -> bytes:
    """The body with another `response_url`; the text of everything else stays as it is.

    Args:
        body: has passed `parse_object` of a model with a `response_url`.

    Raises:
        InvalidRequest: the body is no object with a `response_url`.
    """
    text = require_object_text(body)
    for name, start, end in member_places(text):
        if name == RESPONSE_URL:
            return f"{text[:start]}{json.dumps(url)}{text[end:]}".encode()
    raise InvalidRequest(f"{RESPONSE_URL}: is required")


@dataclass(frozen=True, slots=True)
class AskedInQuery:
    """A query with a `response_url`.

    Attributes:
        response_url: decoded.
        before, after: the other parameters, decoded, in order of arrival.
    """

    response_url: str
    before: Pairs
    after: Pairs

    def replaced(self, url: str) -> Pairs:
        """The parameters with another `response_url`, in the order in which they came."""
        return (*self.before, (RESPONSE_URL, url), *self.after)


def read_query(raw_query: str, *, known: Collection[str]) -> AskedInQuery:
    """Find the `response_url` in a query.

    Args:
        raw_query: as it came, without its question mark.
        known: the other parameters of this request. They end an unescaped URL, whose own query
            otherwise goes on to the end.

    Raises:
        InvalidRequest: there is none, or there are two.
    """
    parts = [part for part in raw_query.split("&") if part]
    names = [unquote_plus(part.partition("=")[0]) for part in parts]
    if RESPONSE_URL not in names:
        raise InvalidRequest(f"{RESPONSE_URL}: is required in the query")
    if names.count(RESPONSE_URL) > 1:
        raise InvalidRequest(f"{RESPONSE_URL}: comes twice in the query")
    first = names.index(RESPONSE_URL)
    after = first + 1
    written = parts[first].partition("=")[2]
    if _UNESCAPED.fullmatch(written):
        while after < len(parts) and names[after] not in known:
            after += 1
        url = "&".join((written, *parts[first + 1 : after]))
    else:
        url = _decoded(written)
    return AskedInQuery(url, _pairs(parts[:first]), _pairs(parts[after:]))


def _decoded(written: str) -> str:
    """Escaped as a rule, with `+` as itself: a URL has no spaces. If it has some when decoded, it
    was not escaped."""
    decoded = unquote(written)
    return decoded if _PRINTABLE.fullmatch(decoded) else written


def _pairs(parts: list[str]) -> Pairs:
    split = (part.partition("=") for part in parts)
    return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in split)
