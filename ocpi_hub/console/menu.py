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
        self._groups = [
            Group(title, [by_name[name] for name in names if name in by_name])
            for title, names in _GROUPS.items()
        ]

    def of(self, may: Callable[[Page], bool]) -> Sequence[Group]:
        """Groups with the pages that one may open; none without any."""
        groups = (Group(each.title, list(filter(may, each.pages))) for each in self._groups)
        return [group for group in groups if group.pages]
