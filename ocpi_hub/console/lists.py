"""Pages that list: filters, order, pages, a file; all from one declaration.

Filters are the fields of the model that the admin API's list takes; paging is that list's `next`. A
field `sort` lists the orders that the list knows: `name` and `-name` for the column `name`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import urlencode

from pydantic import ValidationError

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.faults import Refusal, invalid_model
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import MAX_ITEMS, Listing, page_of
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.base import View
from ocpi_hub.clearing.tabular import csv_chunks
from ocpi_hub.console.cells import Cell, html, is_number, plain
from ocpi_hub.console.forms import Form, Input, choices, offered
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Download, Shown, Visit
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

T = TypeVar("T", bound=View)
L = TypeVar("L", bound=Listing)

_OWN = frozenset({"limit", "next", "sort"})


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
        area: `<area>.title` and `<area>.intro` are its texts.
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
        return Shown(
            "list.html",
            t(f"{self.area}.title"),
            {
                "intro": t(f"{self.area}.intro"),
                "action": BASE + visit.path,
                "filters": list(self._filters(visit)),
                "filtered": any(name in visit.query for name in self.listing.model_fields),
                "fault": fault,
                "heads": [self._head(visit, column) for column in self.columns],
                "rows": [self._row(item) for item in items.items],
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
            return page
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
        orders = _options(self.listing.model_fields["sort"].annotation) if self._sorts else ()
        now = visit.query.get("sort", orders[0] if orders else "")
        other = f"-{column.name}" if now == column.name else column.name
        return {
            "title": t.label(column.name),
            "sort": self._url(visit, sort=other, next=None) if column.name in orders else None,
            "order": {column.name: "ascending", f"-{column.name}": "descending"}.get(now),
        }

    @property
    def _sorts(self) -> bool:
        return "sort" in self.listing.model_fields

    def _row(self, item: T) -> Mapping[str, object]:
        cells = [(t.label(column.name), column.value(item)) for column in self.columns]
        return {
            "link": self.link(item) if self.link else None,
            "cells": [(title, html(cell), is_number(cell)) for title, cell in cells],
        }

    def _filters(self, visit: Visit) -> Sequence[Input]:
        found = []
        for name, field in self.listing.model_fields.items():
            if name in _OWN or name in visit.place:
                continue
            kind, options = _kind(field.annotation)
            found.append(
                Input(
                    name,
                    t.label(name),
                    "search" if name == self.search else kind,
                    visit.query.get(name, ""),
                    choices(options, empty=t("base.any")) if options else (),
                    help=field.description or "",
                )
            )
        return found

    def _url(self, visit: Visit, **changed: str | None) -> str:
        pairs = {name: value for name, value in {**visit.query, **changed}.items() if value}
        return f"?{urlencode(pairs)}" if pairs else BASE + visit.path


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


def _kind(annotation: Any) -> tuple[str, Sequence[str]]:
    """How a field is asked for: the kind of input, and the options of a select."""
    options = _options(annotation)
    if options:
        return "select", options
    plainly = _bare(annotation)
    if plainly is bool:
        return "select", ("true", "false")
    if plainly is datetime:
        return "datetime-local", ()
    return ("number" if plainly is int else "text"), ()


def _options(annotation: Any) -> Sequence[str]:
    plainly = _bare(annotation)
    if get_origin(plainly) is Literal:
        return [str(each) for each in get_args(plainly)]
    if isinstance(plainly, type) and issubclass(plainly, Enum):
        return [str(each.value) for each in plainly]
    return ()


def _bare(annotation: Any) -> Any:
    """A type without None and without what pydantic is told besides."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        others = [each for each in get_args(annotation) if each is not NoneType]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation
