"""The table of pages: each row says its path, who may, and what makes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from ocpi_hub.admin.keys import Scope
from ocpi_hub.console.visit import BASE, Answer, Visit

Handler = Callable[[Visit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Page:
    """One row.

    Attributes:
        path: below `/console`; what stands in braces is in `Visit.place`.
        needs: the scope that an operator's role has to include; None: everybody who is logged in.
        partner: whether partners may; such a page answers for `visit.viewer` only.
        public: even without login.
        nav: its place in the menu: the name of a text.
    """

    method: Literal["GET", "POST"]
    path: str
    needs: Scope | None
    handler: Handler
    partner: bool = False
    public: bool = False
    nav: str = ""

    @property
    def url(self) -> str:
        return BASE + self.path
