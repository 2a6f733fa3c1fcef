"""Lists in pages. Spec: 2.2.1 transport_and_format_pagination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi import headers as ocpi_headers
from ocpi_hub.party.exchange import Answer, success


def parse_datetime(text: str) -> datetime:
    """An OCPI DateTime; without a designator it is UTC.

    Raises:
        InvalidRequest: it is none. Spec: 2.2.1 types_datetime_type.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} is not a DateTime") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a list.

    Attributes:
        text: its JSON as it is sent.
    """

    owner: PartyId
    last_updated: datetime
    text: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """Which objects of a list are meant. Spec: 2.2.1 transport_and_format_paginated_request."""

    owner: PartyId | None
    date_from: datetime | None
    date_to: datetime | None

    def select(self, objects: Iterable[Listed]) -> list[Listed]:
        return [
            item
            for item in objects
            if (self.owner is None or item.owner == self.owner)
            and (self.date_from is None or item.last_updated >= self.date_from)
            and (self.date_to is None or item.last_updated < self.date_to)
        ]


def list_page(
    objects: Iterable[Listed],
    query: Mapping[str, str],
    owner: PartyId | None,
    url: str,
    page_limit: int,
) -> Answer:
    """The page that `query` asks for.

    Args:
        owner: list only the objects of this party; None: of all.
        url: of the list, for the link to the next page.

    Raises:
        InvalidRequest: a parameter is not usable.
    """
    window = Window(
        owner=owner,
        date_from=parse_datetime(query["date_from"]) if "date_from" in query else None,
        date_to=parse_datetime(query["date_to"]) if "date_to" in query else None,
    )
    offset = _count(query, "offset", 0)
    limit = min(_count(query, "limit", page_limit), page_limit)
    matching = window.select(objects)
    headers = {ocpi_headers.TOTAL_COUNT: str(len(matching)), ocpi_headers.LIMIT: str(limit)}
    if offset + limit < len(matching):
        following = {**query, "offset": str(offset + limit), "limit": str(limit)}
        headers[ocpi_headers.LINK] = f'<{url}?{urlencode(following)}>; rel="next"'
    page = matching[offset : offset + limit]
    return success(b"[" + b",".join(item.text for item in page) + b"]", headers=headers)


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    """Raises: InvalidRequest: not a number, or a limit of 0."""
    text = query.get(name)
    if text is None:
        return default
    usable = text.isascii() and text.isdecimal() and len(text) <= 15
    if not usable or (name == "limit" and int(text) == 0):
        raise InvalidRequest(f"{name} is not usable: {text!r}")
    return int(text)
