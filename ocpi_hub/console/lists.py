"""Pages that list: filters, order, pages, a file; all from one declaration.

Filters are the fields of the model that the admin API's list takes; paging is that list's `next`. A
field `sort` lists the orders that the list knows: `name` and `-name` for the column `name`, first
the one that a click on its title asks for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from pydantic import ValidationError

from ocpi_hub.admin.faults import Refusal, invalid_model
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import MAX_ITEMS, Listing
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.base import View
from ocpi_hub.clearing.tabular import csv_chunks
from ocpi_hub.console.cells import Cell, html, is_nothing, is_number, plain
from ocpi_hub.console.filters import filter_inputs, options_of
from ocpi_hub.console.forms import Form, Input, offered
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Download, Shown, Visit
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

T = TypeVar("T", bound=View)
L = TypeVar("L", bound=Listing)

_FEW = 6
"""Filters that are shown from the start, where there is room; of more, the search only."""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column.

    Attributes:
        name: its title is the text `label.<name>`, or the name in words.
        value: what stands in it.
    """

    name: str
    value: Callable[[T], Cell]


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T, L]):
    """A page that lists.

    Attributes:
        path: below `/console`; what stands in braces is a field of `listing`.
        area: `<area>.title`, `<area>.intro` and `<area>.empty` are its texts; the last says what
            would be here, and what brings it.
        listing: what can be asked for.
        fetch: the items; for a partner, those of its platform.
        needs: the scope that an operator's role has to include.
        sees: whether a partner may see an item; without it, the page is not for partners. What
            `fetch` returns besides is left out, and logged as an error.
        link: where a row leads, complete.
        search: the filter that the key `/` leads to.
        forms: deeds above the list.
        links: to lists that belong to it, above it: names of texts, paths below `/console`, and
            whether partners may go there.
        begin: what to do when it is empty: the name of a text, a path below `/console`, and the
            scope of those who may.
    """

    path: str
    area: str
    listing: type[L]
    columns: Sequence[Column[T]]
    fetch: Callable[[Visit, L], Awaitable[Items[T]]]
    needs: Scope = Scope.READ
    sees: Callable[[Viewer, T], bool] | None = None
    link: Callable[[T], str] | None = None
    search: str = ""
    nav: str = ""
    forms: Callable[[Visit], Sequence[Form]] | None = None
    links: Sequence[tuple[str, str, bool]] = ()
    begin: tuple[str, str, Scope] | None = None

    def page(self) -> Page:
        """Its row in the table of pages."""
        return Page(
            "GET", self.path, self.needs, self.show, partner=self.sees is not None, nav=self.nav
        )

    async def show(self, visit: Visit) -> Answer:
        """The page, or the file."""
        fault: str | None = None
        items: Items[T] = Items(items=(), next=None)
        try:
            given = self._given(visit)
            if visit.query.get("format") == "csv":
                return Download(f"{self.area}.csv", "text/csv", self._csv(visit, given))
            items = await self._items(visit, given)
        except Refusal as refusal:
            fault = refusal.message
        forms = offered(self.forms(visit), visit.viewer) if self.forms else []
        columns = self._columns(visit, items.items)
        filters = filter_inputs(self.listing, visit, self.search)
        others = [each for each in filters if each.name != self.search]
        return Shown(
            "list.html",
            t(f"{self.area}.title"),
            {
                "intro": t(f"{self.area}.intro"),
                "action": BASE + visit.path,
                "search": next((each for each in filters if each.name == self.search), None),
                "filters": others,
                "many": len(others) > _FEW,
                "narrowed": any(each.value for each in others),
                "chosen": [self._chosen(visit, each) for each in filters if each.value],
                "empty": self._empty(filters),
                "begin": self._begin(visit, filters),
                "fault": fault,
                "heads": [self._head(visit, column) for column in columns],
                "rows": [self._row(item, columns) for item in items.items],
                "more": self._url(visit, next=items.next) if items.next else None,
                "paged": "next" in visit.query,
                "first": self._url(visit, next=None),
                "file": self._url(visit, next=None, format="csv"),
                "forms": forms,
                "links": [
                    (t(name), BASE + path)
                    for name, path, partner in self.links
                    if partner or not visit.viewer.is_partner
                ],
            },
            http_status=400 if fault else 200,
        )

    def _given(self, visit: Visit, **more: object) -> L:
        asked = {name: value for name, value in visit.query.items() if name != "format"}
        try:
            return self.listing.model_validate({**asked, **more, **visit.place})
        except ValidationError as error:
            raise invalid_model(error, list(self.listing.model_fields)) from None

    async def _items(self, visit: Visit, given: L) -> Items[T]:
        page = await self.fetch(visit, given)
        if not visit.viewer.is_partner:
            return visit.privacy.view(page) if visit.privacy else page
        sees = self.sees or (lambda *_: False)
        shown = tuple(item for item in page.items if sees(visit.viewer, item))
        if len(shown) < len(page.items):
            log.error("console_rows_out_of_sight", page=self.path, rows=len(page.items))
        return Items(items=shown, next=page.next)

    def _csv(self, visit: Visit, given: L) -> AsyncIterator[str]:
        async def pages() -> AsyncIterator[Sequence[Sequence[str | int | float]]]:
            wanted: L = given.model_copy(update={"limit": MAX_ITEMS})
            while True:
                items = await self._items(visit, wanted)
                yield [
                    [plain(column.value(item)) for column in self.columns] for item in items.items
                ]
                if items.next is None:
                    return
                wanted = wanted.model_copy(update={"next": items.next})

        return csv_chunks([column.name for column in self.columns], pages())

    def _head(self, visit: Visit, column: Column[T]) -> Mapping[str, object]:
        """A title; what can be sorted by turns the order round."""
        orders = options_of(self.listing.model_fields["sort"].annotation) if self._sorts else ()
        now = visit.query.get("sort", orders[0] if orders else "")
        own = [order for order in orders if order.removeprefix("-") == column.name]
        other = next((order for order in own if order != now), None)
        return {
            "title": t.label(column.name),
            "sort": self._url(visit, sort=other, next=None) if other else None,
            "order": {column.name: "ascending", f"-{column.name}": "descending"}.get(now),
        }

    @property
    def _sorts(self) -> bool:
        return "sort" in self.listing.model_fields

    def _columns(self, visit: Visit, items: Sequence[T]) -> Sequence[Column[T]]:
        """Those that say something on this page. The file has all."""
        first, sort = self.columns[0], visit.query.get("sort", "").removeprefix("-")
        return [
            column
            for column in self.columns
            if column is first
            or column.name == sort
            or not all(is_nothing(html(column.value(item))) for item in items)
        ]

    def _row(self, item: T, columns: Sequence[Column[T]]) -> Mapping[str, object]:
        cells = [(t.label(column.name), column.value(item)) for column in columns]
        return {
            "link": self.link(item) if self.link else None,
            "cells": [(title, html(cell), is_number(cell)) for title, cell in cells],
        }

    def _chosen(self, visit: Visit, field: Input) -> tuple[str, str, str]:
        """A filter that is set, and the list without it."""
        text = dict(field.options).get(field.value, field.value)
        return field.label, text, self._url(visit, **{field.name: None, "next": None})

    def _empty(self, filters: Sequence[Input]) -> str:
        if any(each.value for each in filters):
            return t("base.nothing_found")
        return t(f"{self.area}.empty")

    def _begin(self, visit: Visit, filters: Sequence[Input]) -> tuple[str, str] | None:
        if self.begin is None or any(each.value for each in filters):
            return None
        name, path, needs = self.begin
        return (t(name), BASE + path) if visit.viewer.may(needs) else None

    def _url(self, visit: Visit, **changed: str | None) -> str:
        pairs = {name: value for name, value in {**visit.query, **changed}.items() if value}
        return f"?{urlencode(pairs)}" if pairs else BASE + visit.path
