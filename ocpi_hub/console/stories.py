"""Pages that tell about one object: facts, tables, charts, what happened, and what can be done."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from markupsafe import Markup

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.cells import Cell, html, is_number
from ocpi_hub.console.forms import Form, offered
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Shown, Visit
from ocpi_hub.errors import NoSuchObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    title: str
    rows: Sequence[tuple[str, Cell]]
    kind: str = "facts"

    @property
    def shown(self) -> Sequence[tuple[str, Markup]]:
        return [(name, html(cell)) for name, cell in self.rows]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        empty: what is said when it has no rows.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""
    kind: str = "grid"

    @property
    def shown(self) -> Sequence[Sequence[tuple[str, Markup, bool]]]:
        return [
            [
                (head, html(cell), is_number(cell))
                for head, cell in zip(self.heads, row, strict=True)
            ]
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: Cell
    title: Cell
    text: Cell = None

    @property
    def shown(self) -> tuple[Markup, Markup, Markup]:
        return html(self.at), html(self.title), Markup("") if self.text is None else html(self.text)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened, in order."""

    title: str
    events: Sequence[Event]
    empty: str = ""
    kind: str = "timeline"


@dataclass(frozen=True, slots=True)
class Body:
    """Something as it was sent; JSON is set out in lines.

    Attributes:
        masked: what names drivers was hidden when it was recorded.
    """

    title: str
    text: str | None
    folded: bool = True
    masked: bool = False
    kind: str = "body"

    @property
    def shown(self) -> str:
        try:
            return json.dumps(json.loads(self.text or ""), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.text or ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of `charts.py`."""

    chart: Markup
    title: str = ""
    kind: str = "figure"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that has to be said."""

    text: str
    tone: str = "note"
    title: str = ""
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Later:
    """What takes a while: the browser asks for it by itself, and shows all of it instead of this.

    Attributes:
        text: what is being waited for.
        url: the complete path of the page with it.
    """

    title: str
    text: str
    url: str
    kind: str = "later"


@dataclass(frozen=True, slots=True)
class Ongoing:
    """What is being done: the browser asks for the page again and again while this is on it.

    Attributes:
        text: how far it is.
        url: the complete path of the page.
    """

    title: str
    text: str
    url: str
    every_s: int = 2
    kind: str = "ongoing"


@dataclass(frozen=True, slots=True)
class Ask:
    """Forms that stand among the blocks."""

    title: str
    forms: Sequence[Form]
    kind: str = "ask"


Block = Facts | Grid | Timeline | Body | Figure | Note | Later | Ongoing | Ask


@dataclass(frozen=True, slots=True)
class Story:
    """What a page tells.

    Attributes:
        state: beside the title.
        crumbs: where it belongs: texts and complete paths.
        deeds: what can be done with all of it; a viewer is offered what it may.
    """

    title: str
    blocks: Sequence[Block]
    state: Cell = None
    crumbs: Sequence[tuple[str, str]] = ()
    deeds: Sequence[Form] = ()


@dataclass(frozen=True, slots=True)
class StoryPage(Generic[T]):
    """A page about one object.

    Attributes:
        load: the object; raises NoSuchObject.
        tell: the page.
        sees: whether a partner may see it; without it, the page is not for partners.
    """

    path: str
    load: Callable[[Visit], Awaitable[T]]
    tell: Callable[[Visit, T], Awaitable[Story]]
    needs: Scope = Scope.READ
    sees: Callable[[Viewer, T], bool] | None = None

    def page(self) -> Page:
        """Its row in the table of pages."""
        return Page("GET", self.path, self.needs, self.show, partner=self.sees is not None)

    async def show(self, visit: Visit) -> Answer:
        """A partner is not told whether what it may not see is there."""
        nothing = NoSuchObject(t("base.no_such_page"))
        try:
            found = await self.load(visit)
        except NoSuchObject as error:
            raise nothing if visit.viewer.is_partner else error from None
        if visit.viewer.is_partner and not (self.sees and self.sees(visit.viewer, found)):
            raise nothing
        return told(visit, await self.tell(visit, found))


def told(visit: Visit, story: Story) -> Shown:
    """A story as a page."""
    blocks = [_offered(block, visit) for block in story.blocks]
    context: Mapping[str, object] = {
        "story": story,
        "state": html(story.state) if story.state is not None else "",
        "blocks": [block for block in blocks if block is not None],
        "deeds": offered(story.deeds, visit.viewer),
    }
    return Shown("story.html", story.title, context)


def _offered(block: Block, visit: Visit) -> Block | None:
    """Forms that somebody may not send are not shown, nor what names drivers to who only looks."""
    if isinstance(block, Body) and visit.privacy and block.text and not block.masked:
        return replace(block, text=visit.privacy.text(block.text))
    if not isinstance(block, Ask):
        return block
    forms = offered(block.forms, visit.viewer)
    return Ask(block.title, forms) if forms else None
