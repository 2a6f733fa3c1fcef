"""Sessions: list, and one with what came before and after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from ocpi_hub.admin.actions import sessions
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.directed import DirectedListing
from ocpi_hub.admin.routes.sessions import KIND, SessionGiven
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.cdrs import CdrItem, CdrStory, cdr_item
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, url
from ocpi_hub.console.forms import read_form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import (
    cdr_url,
    decisions_grid,
    messages_link,
    number,
    party_cell,
    reason_for,
    sees,
    sees_linked,
    session_url,
    stage_chips,
)
from ocpi_hub.console.pages.cdr_events import attempts, in_order
from ocpi_hub.console.sides import newest, sides
from ocpi_hub.console.stories import (
    Block,
    Body,
    Event,
    Facts,
    Grid,
    Note,
    Story,
    StoryPage,
    Timeline,
)
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.store.cross_links import CrossLinks, LinkedCdr

_STATUS = {"ACTIVE": Tone.GOOD, "COMPLETED": Tone.NOTE, "INVALID": Tone.BAD}


def session_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page())


class SessionLine(CdrItem):
    """A Session with what it says itself; null: it does not, or not in a usable way."""

    status: str | None
    started_at: str | None
    ended_at: str | None
    energy_kwh: str | None
    total_cost: str | None
    currency: str | None
    location_id: str | None


def _line(row: DirectedObject) -> SessionLine:
    says = _says(row.body)
    cost = says.get("total_cost")
    return SessionLine(
        **dict(cdr_item(row)),
        status=_text(says, "status"),
        started_at=_text(says, "start_date_time"),
        ended_at=_text(says, "end_date_time"),
        energy_kwh=_decimal(says, "kwh"),
        total_cost=_decimal(cost, "excl_vat") if isinstance(cost, Mapping) else None,
        currency=_text(says, "currency"),
        location_id=_text(says, "location_id"),
    )


def _says(body: str) -> Mapping[str, object]:
    found = json.loads(body, parse_int=str, parse_float=str)
    return found if isinstance(found, Mapping) else {}


def _text(says: Mapping[str, object], name: str) -> str | None:
    found = says.get(name)
    return found if isinstance(found, str) else None


def _decimal(says: Mapping[str, object], name: str) -> str | None:
    """Numbers keep their text; what is none is left out."""
    found = _text(says, name)
    try:
        return found if found is not None and Decimal(found).is_finite() else None
    except InvalidOperation:
        return None


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: DirectedListing) -> Items[SessionLine]:
    admin = visit.parts.admin.access.sessions
    place = given.place(KIND, int)
    before = int(place[0]) if place else None

    async def ask(owner: PartyId | None, receiver: PartyId | None) -> Sequence[DirectedObject]:
        return await admin.list(
            state=given.state, owner=owner, receiver=receiver, limit=given.limit + 1, before=before
        )

    pairs = sides(visit.viewer, given.owner, given.receiver)
    shown, more = await newest(pairs, ask, lambda row: row.serial, given.limit)
    lines = map(_line, shown)
    return Items(
        items=tuple(
            line.model_copy(update={"reason": reason_for(visit.viewer, line)})
            for line in lines
            if sees(visit.viewer, line)
        ),
        next=cursor_text(KIND, shown[-1].serial) if more else None,
    )


LIST: ListPage[SessionLine, DirectedListing] = ListPage(
    path="/sessions",
    area="sessions",
    listing=DirectedListing,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("status", lambda item: _status(item.status)),
        Column("owner", lambda item: Code(item.owner)),
        Column("receiver", lambda item: Code(item.receiver)),
        Column("started_at", lambda item: At(item.started_at)),
        Column("ended_at", lambda item: At(item.ended_at)),
        Column("kwh", lambda item: number(item.energy_kwh, 3)),
        Column("excl_vat", lambda item: number(item.total_cost, 2)),
        Column("currency", lambda item: item.currency),
        Column("location", lambda item: Code(item.location_id)),
        Column("delivery", lambda item: Chip(item.state)),
        Column("reason", lambda item: item.reason),
    ),
    fetch=fetch,
    needs=Scope.READ,
    sees=sees,
    link=lambda item: session_url(item.owner, item.id),
    nav="nav.sessions",
    begin=("nav.relations", "/relations", Scope.READ),
)


def _status(status: str | None) -> Chip:
    return Chip(status, _STATUS.get(status or ""))


# One session --------------------------------------------------------------------------------------


async def load(visit: Visit) -> CdrStory:
    given = read_form(SessionGiven, visit.place)
    found = await sessions.show(visit.parts.admin.access.sessions, given.owner, given.id)
    return visit.privacy.quotes(found) if visit.privacy else found


async def tell(visit: Visit, shown: CdrStory) -> Story:
    owner, says = PartyId.parse(shown.owner), _says(shown.body)
    links = CrossLinks(visit.parts.admin.access.database)
    cdrs = [
        cdr
        for cdr in await links.cdrs_of_session(owner, shown.id)
        if sees_linked(visit.viewer, shown.owner, str(cdr.receiver), cdr.stage)
    ]
    key = ObjectKey(Module.SESSIONS.value, owner, shown.id)
    linked = await visit.parts.admin.decisions.of(key)
    blocks: list[Block] = [
        _facts(visit, shown, says),
        _cdrs(shown.owner, cdrs),
        decisions_grid(linked),
        _delivery(shown),
        Timeline(t("cdr.life"), in_order([_arrival(shown), *attempts(shown)])),
        Body(t("cdr.body"), shown.body),
    ]
    if reason := reason_for(visit.viewer, shown):
        blocks.insert(0, Note(reason, Tone.NOTE))
    return Story(
        t("session.title", id=shown.id),
        blocks,
        state=_status(_text(says, "status")),
        crumbs=[(t("sessions.title"), url("sessions"))],
    )


STORY = StoryPage(path="/sessions/{owner}/{id}", load=load, tell=tell, needs=Scope.READ, sees=sees)


def _location(owner: str, says: Mapping[str, object]) -> Cell:
    location_id = _text(says, "location_id")
    return Link(location_id, url("locations", owner, location_id)) if location_id else None


def _facts(visit: Visit, shown: CdrStory, says: Mapping[str, object]) -> Facts:
    cost, currency = says.get("total_cost"), _text(says, "currency") or ""
    excl = _decimal(cost, "excl_vat") if isinstance(cost, Mapping) else None
    return Facts(
        t("session.says"),
        [
            (t.label("owner"), party_cell(visit, shown.owner)),
            (t.label("receiver"), party_cell(visit, shown.receiver)),
            (t.label("started_at"), At(_text(says, "start_date_time"))),
            (t.label("ended_at"), At(_text(says, "end_date_time"))),
            (t.label("energy"), number(_decimal(says, "kwh"), 3, "kWh")),
            (t.label("excl_vat"), number(excl, 2, currency)),
            (t.label("location"), _location(shown.owner, says)),
            (t.label("evse_uid"), Code(_text(says, "evse_uid"))),
            (t.label("auth_method"), Code(_text(says, "auth_method"))),
            (t.label("reference"), Code(_text(says, "authorization_reference"))),
            (t.label("last_updated"), At(_text(says, "last_updated"))),
        ],
    )


def _delivery(shown: CdrStory) -> Facts:
    return Facts(
        t("cdr.delivery"),
        [
            (t.label("state"), Chip(shown.state)),
            (t.label("attempts"), shown.attempts),
            (t.label("last_answer"), shown.status),
            (t.label("next_attempt_at"), At(shown.next_attempt_at)),
            (t.label("version"), shown.version),
            (t.label("messages"), messages_link(shown.correlation_id)),
        ],
    )


def _arrival(shown: CdrStory) -> tuple[str, Event]:
    at = shown.received_at or ""
    return at, Event(At(at), t("session.arrived"))


def _cdrs(owner: str, found: Sequence[LinkedCdr]) -> Grid:
    rows: list[list[Cell]] = [
        [
            Link(cdr.spelled_id, cdr_url(owner, cdr.spelled_id)),
            stage_chips(cdr.stage, disputed=False),
            number(float(cdr.energy_kwh), 3, "kWh"),
            number(float(cdr.excl_vat), 2, cdr.currency),
        ]
        for cdr in found
    ]
    heads = [t.label(name) for name in ("id", "stage", "energy", "excl_vat")]
    return Grid(t("session.cdrs"), heads, rows, t("session.no_cdrs"))
