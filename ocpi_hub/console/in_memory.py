"""Pages of lists that are in memory as a whole: whatever they are sorted by costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.routes.base import Listing, page_of
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.base import View

T = TypeVar("T", bound=View)

_DIGITS = 20


def part_of(
    kind: str, items: Sequence[T], given: Listing, key: Callable[[T], Sequence[str]]
) -> Items[T]:
    """A part of a list that is in memory, in order of a key that no two items share.

    Args:
        kind: whose cursors these are.
    """
    ordered = sorted(items, key=lambda item: tuple(key(item)))
    descending = str(getattr(given, "sort", "")).startswith("-")
    if descending:
        ordered.reverse()
    width = len(key(ordered[0])) if ordered else 1
    place = given.place(kind, *([str] * width))
    if place is not None:
        ordered = [
            item
            for item in ordered
            if (tuple(key(item)) > place) != descending and tuple(key(item)) != place
        ]
    return page_of(
        ordered, given.limit, lambda item: item, lambda last: cursor_text(kind, *key(last))
    )


def digits(number: int) -> str:
    """A number as a text that sorts like it; what is below 0 counts as 0."""
    return f"{max(number, 0):0{_DIGITS}d}"
