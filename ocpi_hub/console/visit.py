"""What a page's handler gets, and what it answers. Neither knows HTTP's library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ocpi_hub.admin.accounts import Secret
from ocpi_hub.admin.errands import Errands
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.overview import OverviewFigures
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.personal import Privacy
from ocpi_hub.admin.viewer import Viewer

BASE = "/console"


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """What pages are made from."""

    admin: AdminParts

    @property
    def overview(self) -> OverviewFigures:
        return self.admin.overview

    @property
    def errands(self) -> Errands:
        return self.admin.errands


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, by somebody who may see it.

    Attributes:
        visitor: None on pages that everybody sees.
        session: what the cookie holds; before a login it opens nothing.
        browser: known from an earlier login, perhaps.
        address: where it comes from.
        correlation_id: of the request.
        place: what stands in the path.
        query, form: without empty values; of repeated ones the first.
    """

    parts: ConsoleParts
    visitor: Viewer | None
    session: Secret
    browser: Secret | None
    address: str
    correlation_id: str
    path: str
    place: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def privacy(self) -> Privacy | None:
        """What hides drivers from whoever looks; None: nothing has to. Partners know their own."""
        if self.viewer.is_partner or self.viewer.may(Scope.OPERATE):
            return None
        return self.parts.admin.access.privacy

    @property
    def viewer(self) -> Viewer:
        if self.visitor is None:
            raise AssertionError("this page is for people who are logged in")
        return self.visitor


class Tone(StrEnum):
    """How something is to be taken."""

    GOOD = "good"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page.

    Attributes:
        title: of the browser's window.
        context: what the template is filled with.
    """

    template: str
    title: str
    context: Mapping[str, object] = field(default_factory=dict)
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go on there; the usual answer to a deed.

    Attributes:
        to: below `/console`.
        flash: what the next page tells.
        login: the new session and the browser that is known from now on.
        logout: whether the cookie goes.
    """

    to: str
    flash: tuple[Tone, str] | None = None
    login: tuple[Secret, Secret] | None = None
    logout: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is made while it is sent."""

    name: str
    content_type: str
    chunks: AsyncIterator[str]


@dataclass(frozen=True, slots=True)
class Data:
    """What a script of a page asks for, made while it is sent, and compressed.

    Attributes:
        etag: changes whenever the content does; who has it is told so, and nothing is made.
    """

    etag: str
    content_type: str
    chunks: AsyncIterator[str]


@dataclass(frozen=True, slots=True)
class Live:
    """A part of a page that is sent again and again, while the session lasts.

    Attributes:
        render: the template's context now.
    """

    template: str
    render: Callable[[], Awaitable[Mapping[str, object]]]
    every_s: float = 5.0


Answer = Shown | Redirect | Download | Data | Live
