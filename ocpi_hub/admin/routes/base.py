"""What a route is: one row says how it is called, who may, what it takes and what it answers.

The same rows serve the requests (`api.py`) and make the description (`openapi.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from ocpi_hub.admin.cursors import Place, cursor_place
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import AdminKey, Scope
from ocpi_hub.admin.views.base import PARTY_PATTERN, Page, View
from ocpi_hub.domain.party import PartyId

API = "/admin/api"
MAX_ITEMS = 1000
MAX_BODY_BYTES = 64 * 1024
TEXT_LENGTH = 255
"""Characters of an id or of a reason, at most."""


Found = TypeVar("Found")
Shown = TypeVar("Shown", bound=View)


class Given(BaseModel):
    """Parameters of a path and of a query."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Body(BaseModel):
    """A JSON object that a request brings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoBody(Body):
    """Nothing has to be sent."""


class Listing(Given):
    """What every list takes."""

    limit: int = Field(100, ge=1, le=MAX_ITEMS, description="items of one answer, at most")
    next: str | None = Field(
        None, max_length=2000, description="`next` of the answer before: the list goes on there"
    )

    def place(self, kind: str, *types: type[str] | type[int]) -> Place | None:
        """Where to go on; None: from the start.

        Raises:
            Refusal: `next` is none of this list.
        """
        if self.next is None:
            return None
        try:
            return cursor_place(kind, self.next, *types)
        except ValueError as error:
            raise invalid("next", str(error)) from None


def page_of(
    found: Sequence[Found],
    limit: int,
    view: Callable[[Found], Shown],
    cursor: Callable[[Found], str],
) -> Page[Shown]:
    """What a list answers, of rows that one more was asked for than are shown.

    Args:
        cursor: where a list goes on after a row.
    """
    shown = found[:limit]
    more = len(found) > len(shown)
    return Page(items=tuple(map(view, shown)), next=cursor(shown[-1]) if more else None)


def _party(value: object) -> PartyId:
    if not isinstance(value, str):
        raise ValueError("write CC*PID, for instance NL*CPO")
    return PartyId.parse(value)


def _time(value: object) -> datetime:
    try:
        if not isinstance(value, str):
            raise ValueError
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("write 2026-01-31 or 2026-01-31T08:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Party = Annotated[
    PartyId,
    PlainValidator(_party),
    WithJsonSchema({"type": "string", "pattern": PARTY_PATTERN, "examples": ["NL*CPO"]}),
]
Time = Annotated[
    datetime,
    PlainValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH)]


G = TypeVar("G", bound=Given)
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Call(Generic[G, B]):
    """A request that may be carried out."""

    given: G
    body: B
    key: AdminKey


@dataclass(frozen=True, slots=True)
class Route(Generic[G, B]):
    """One row of the table.

    Attributes:
        template: the path; what stands in braces is a field of `given`, whose other fields are
            parameters of the query.
        scope: what a key needs.
        summary: one line.
        max_body_bytes: of a request.
        only_looks: changes nothing whatever its method: what is asked about stands in the body.
    """

    method: str
    template: str
    scope: Scope
    summary: str
    given: type[G]
    body: type[B]
    result: type[View]
    handler: Callable[[Call[G, B]], Awaitable[View]]
    http_status: int = 200
    max_body_bytes: int = MAX_BODY_BYTES
    only_looks: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.template.strip("/").split("/"))

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the parameters in the path."""
        return tuple(part[1:-1] for part in self.segments if part.startswith("{"))

    @property
    def changes(self) -> bool:
        return self.method != "GET" and not self.only_looks

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The path's parameters; None when it is another path."""
        own = self.segments
        if len(own) != len(segments):
            return None
        found: dict[str, str] = {}
        for mine, theirs in zip(own, segments, strict=True):
            if mine.startswith("{"):
                found[mine[1:-1]] = theirs
            elif mine != theirs:
                return None
        return found


AnyRoute = Route[Any, Any]
