"""The menu: which pages stand in it, in which order, under which heading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ocpi_hub.console.page import Page

_GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "": ("nav.overview", "nav.traffic"),
    "nav.partners": ("nav.platforms", "nav.onboarding", "nav.relations"),
    "nav.charging": ("nav.locations", "nav.tokens", "nav.authorizations", "nav.sessions"),
    "nav.money": ("nav.cdrs", "nav.statements", "nav.reports"),
    "nav.exchange": ("nav.messages", "nav.lanes", "nav.whitelist", "nav.files"),
    "nav.hub": ("nav.audit", "nav.accounts"),
}

_BESIDE: Final[Mapping[str, str]] = {
    "/disputes": "nav.cdrs",
    "/conflicts": "nav.cdrs",
    "/gaps": "nav.cdrs",
    "/whitelist-schedules": "nav.whitelist",
    "/whitelist-ages": "nav.whitelist",
    "/cdr-batches": "nav.files",
}
"""Pages that belong to one in the menu without standing below it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that belong together.

    Attributes:
        title: the name of a text; empty: none.
    """

    title: str
    pages: Sequence[Page]


class Menu:
    """What of it somebody may open."""

    def __init__(self, pages: Sequence[Page]) -> None:
        by_name = {page.nav: page for page in pages if page.nav}
        placed = [name for names in _GROUPS.values() for name in names]
        if unplaced := by_name.keys() - set(placed):
            raise AssertionError(f"no place in the menu for {', '.join(sorted(unplaced))}")
        self._by_name = by_name
        self._groups = [
            Group(title, [by_name[name] for name in names if name in by_name])
            for title, names in _GROUPS.items()
        ]

    def of(self, may: Callable[[Page], bool]) -> Sequence[Group]:
        """Groups with the pages that one may open; none without any."""
        groups = (Group(each.title, list(filter(may, each.pages))) for each in self._groups)
        return [group for group in groups if group.pages]

    def within(self, path: str) -> str:
        """The path of the page in the menu that another one belongs to; empty: none."""
        for start, name in _BESIDE.items():
            if _is_below(path, start):
                return self._by_name[name].path if name in self._by_name else ""
        above = [page.path for page in self._by_name.values() if _is_below(path, page.path)]
        return max(above, key=len, default="")

    def above(self, path: str, may: Callable[[Page], bool]) -> Page | None:
        """The page in the menu to go back to from another one."""
        there = self.within(path)
        if there in ("", path):
            return None
        found = next(page for page in self._by_name.values() if page.path == there)
        return found if may(found) else None


def _is_below(path: str, start: str) -> bool:
    return path == start or (start != "/" and path.startswith(f"{start}/"))
