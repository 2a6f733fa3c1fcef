"""Pages of list requests: what is asked, and the URL of the next page.

The `Link` carries a cursor next to `offset`, so that the last page costs what the first one does
(decision D-7). A client may compute offsets of its own from a link: a cursor that was made for
another offset or other filters is left out of account, and the offset alone decides.

Spec: 2.2.1 transport_and_format_pagination.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import MAX_URL, parse_datetime

DATE_FROM: Final = "date_from"
DATE_TO: Final = "date_to"
OFFSET: Final = "offset"
LIMIT: Final = "limit"
CURSOR: Final = "cursor"

_PAGING: Final = frozenset({OFFSET, LIMIT, CURSOR})
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_LAYOUT: Final = struct.Struct(">QQQII")
"""after_serial, total, offset, check of the filters, check of all before."""

_MAX_SERIAL: Final = 2**63 - 1

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a crawl stands.

    Attributes:
        after_serial: serial of the last object of the page before.
        total: X-Total-Count of the whole crawl, computed once.
    """

    after_serial: int
    total: int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page a client asks for.

    Attributes:
        date_from: inclusive.
        date_to: exclusive.
        limit: at most the hub's own maximum.
        cursor: belongs to this offset and these filters; None: the offset alone decides.
        max_bytes: of the objects together, unless there is only one; None: any number.
    """

    date_from: datetime | None
    date_to: datetime | None
    offset: int
    limit: int
    cursor: Cursor | None = None
    max_bytes: int | None = None


def parse_page(query: Query, *, maximum: int, max_bytes: int | None = None) -> PageRequest:
    """The page that query parameters ask for; of a repeated parameter the first one counts.

    Args:
        query: percent-decoded pairs.
        maximum: objects on a page at most.
        max_bytes: see `PageRequest`.

    Raises:
        InvalidRequest: a bad date, offset, limit or cursor.
    """
    first = dict(reversed(query))
    offset = _whole_number(first, OFFSET, default=0)
    limit = _whole_number(first, LIMIT, default=maximum)
    if limit == 0:
        raise InvalidRequest("limit: must be at least 1")
    return PageRequest(
        date_from=_date(first, DATE_FROM),
        date_to=_date(first, DATE_TO),
        offset=offset,
        limit=min(limit, maximum),
        cursor=_decode_cursor(first[CURSOR], offset, query) if CURSOR in first else None,
        max_bytes=max_bytes,
    )


def next_url(base_url: str, query: Query, *, offset: int, limit: int, cursor: Cursor | None) -> str:
    """The URL of the next page, with the filters of this one; 255 characters at most, unless
    `base_url` is too long for any.

    Args:
        base_url: absolute, without a query.
        query: the parameters of this request.
        offset: of the next page.
        cursor: where the next page begins.
    """
    filters = [(key, _shortened(key, value)) for key, value in query if key not in _PAGING]
    dates = [(key, value) for key, value in filters if key in {DATE_FROM, DATE_TO}]
    page = [(OFFSET, str(offset)), (LIMIT, str(limit))]
    candidates: list[Query] = [[*filters, *page], [*dates, *page]]
    if cursor is not None:
        candidates[:0] = [
            [*kept, *page, (CURSOR, _encode_cursor(cursor, offset, kept))]
            for kept in (filters, dates)
        ]
    urls = [f"{base_url}?{urlencode(pairs, safe=':')}" for pairs in candidates]
    return next((url for url in urls if len(url) <= MAX_URL), urls[-1])


def _whole_number(first: dict[str, str], name: str, *, default: int) -> int:
    value = first.get(name)
    if value is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(value):
        raise InvalidRequest(f"{name}: must be a whole number, not negative")
    return int(value)


def _date(first: dict[str, str], name: str) -> datetime | None:
    value = first.get(name)
    if value is None:
        return None
    try:
        return parse_datetime(value)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from None


def _shortened(key: str, value: str) -> str:
    """A date without the digits of its fraction that count for nothing."""
    if key not in {DATE_FROM, DATE_TO}:
        return value
    moment = parse_datetime(value).astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}Z"


def _filters_check(query: Iterable[tuple[str, str]]) -> int:
    kept = [(key, _shortened(key, value)) for key, value in query if key not in _PAGING]
    return zlib.crc32(urlencode(kept).encode())


def _encode_cursor(cursor: Cursor, offset: int, query: Query) -> str:
    head = (cursor.after_serial, cursor.total, offset, _filters_check(query))
    raw = _LAYOUT.pack(*head, zlib.crc32(_LAYOUT.pack(*head, 0)))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_cursor(text: str, offset: int, query: Query) -> Cursor | None:
    """The cursor; None when it was made for another offset or other filters.

    Raises:
        InvalidRequest: it was not made by this hub, or was changed.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        after_serial, total, made_for, filters, check = _LAYOUT.unpack(raw)
    except (binascii.Error, ValueError, struct.error):
        raise InvalidRequest("cursor: is not one of this hub's") from None
    beyond = max(after_serial, total) > _MAX_SERIAL
    if beyond or check != zlib.crc32(_LAYOUT.pack(after_serial, total, made_for, filters, 0)):
        raise InvalidRequest("cursor: is not one of this hub's")
    if made_for != offset or filters != _filters_check(query):
        return None
    return Cursor(after_serial, total)
