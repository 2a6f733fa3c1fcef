"""What is read in a partner's answers and URLs: pages of lists, headers, parties."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from ocpi_hub.checking.conversation import Seen
from ocpi_hub.domain.party import Module, PartyId

Object = Mapping[str, object]

_COUNT = re.compile(r"\d{1,15}")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that the partner serves, and its first page.

    Attributes:
        query: parameters that every request for it carries.
        total: X-Total-Count; None when there is none that can be read.
    """

    module: Module
    url: str
    query: Mapping[str, str]
    first: Seen
    items: tuple[Object, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Crawl:
    """A list read to its end, or as far as a run reads.

    Attributes:
        complete: nothing is left, and nothing went wrong.
    """

    pages: tuple[Seen, ...]
    items: tuple[Object, ...]
    complete: bool


def joined(url: str, *path: str, query: Mapping[str, str] | None = None) -> str:
    """An endpoint's URL with what follows it (TF-35)."""
    base, mark, own = url.partition("?")
    whole = "/".join((base.rstrip("/") if path else base, *(quote(part, safe="") for part in path)))
    asked = urlencode(query or {}, safe=":")
    both = "&".join(filter(None, (own if mark else "", asked)))
    return f"{whole}?{both}" if both else whole


def server_of(url: str) -> str:
    """Host and port as a URL names them; "" where it names none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def same_server(one: str, other: str) -> bool:
    """Whether two URLs lead to the same scheme, host and port."""
    try:
        first, second = urlsplit(one), urlsplit(other)
    except ValueError:
        return False
    return (first.scheme.lower(), first.netloc.lower()) == (
        second.scheme.lower(),
        second.netloc.lower(),
    )


def total_of(seen: Seen) -> int | None:
    """X-Total-Count."""
    return count_in(seen.headers.get("x-total-count"))


def count_in(text: str | None) -> int | None:
    """A number in a header; None when it is none."""
    return int(text) if text is not None and _COUNT.fullmatch(text.strip()) else None


def objects_in(listed: Iterable[object]) -> tuple[Object, ...]:
    return tuple(each for each in listed if isinstance(each, dict))


def roles_in(listed: Iterable[object]) -> Iterable[tuple[PartyId, str]]:
    for each in objects_in(listed):
        try:
            party = PartyId.parse(f"{each.get('country_code')}*{each.get('party_id')}")
        except ValueError:
            continue
        yield party, str(each.get("role"))
