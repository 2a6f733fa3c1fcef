"""Authorizations: list, and one decision with who made it, why, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ocpi_hub.admin.actions.authorizations import came_of_it, find, note_search
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.authorizations import (
    AuthorizationListing,
    charged_key,
    decision_cursor,
    decision_place,
)
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.authorizations import AuthorizationItem, authorization_item
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.authorization.protocols import DecisionRecord, LateAnswer, LegRecord
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.authorization_words import why
from ocpi_hub.console.pages.cdr_cells import (
    cdr_url,
    decision_url,
    messages_link,
    number,
    party_cell,
    sees_linked,
    session_url,
    stage_chips,
)
from ocpi_hub.console.sides import newest, sides
from ocpi_hub.console.stories import Block, Body, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.authorization import DecisionFilter, DecisionPlace
from ocpi_hub.store.cross_links import CrossLinks
from ocpi_hub.store.evidence import LinkedBy

ONE = "/authorizations/{at}/{correlation_id}"


def authorization_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page())


class DecisionLine(AuthorizationItem):
    """A decision as the list shows it.

    Attributes:
        page: where its story is.
    """

    page: str


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: AuthorizationListing) -> Items[DecisionLine]:
    store, viewer = visit.parts.admin.decisions, visit.viewer
    if given.session or given.cdr:
        try:
            linked = await store.of(charged_key(given))
        except NoSuchObject:
            if not viewer.is_partner:
                raise
            linked = []  # as if it were another's
        lines = [_line(viewer, each.decision, each.linked_by) for each in linked]
        return Items(items=tuple(each for each in lines if _sees(viewer, each)), next=None)
    place = decision_place(given)

    async def ask(
        cpo: PartyId | None, emsp: PartyId | None
    ) -> Sequence[tuple[DecisionPlace, DecisionRecord]]:
        wanted = DecisionFilter(
            given.uid, cpo, emsp, given.since, given.until, given.decided_by, given.reference
        )
        return await store.decisions_before(place, given.limit + 1, wanted)

    pairs = sides(viewer, given.cpo, given.emsp)
    shown, more = await newest(pairs, ask, lambda found: found[0], given.limit)
    clear = visit.privacy is None
    note_search(given.uid, len(shown), asked_by=viewer.account_id, clear=clear)
    return Items(
        items=tuple(_line(viewer, decision) for _, decision in shown),
        next=decision_cursor(shown[-1][0]) if more else None,
    )


def _line(
    viewer: Viewer, decision: DecisionRecord, linked_by: LinkedBy | None = None
) -> DecisionLine:
    item = authorization_item(decision, linked_by)
    legs = {emsp: ms for emsp, ms in item.legs_ms.items() if viewer.sees_party(emsp)}
    late = tuple(each for each in item.late if viewer.sees_party(each.emsp))
    return DecisionLine(
        **{**dict(item), "legs_ms": legs, "late": late},
        page=decision_url(decision.at, decision.correlation_id),
    )


def _sees(viewer: Viewer, item: AuthorizationItem) -> bool:
    return viewer.sees_party(item.cpo, item.emsp)


LIST: ListPage[DecisionLine, AuthorizationListing] = ListPage(
    path="/authorizations",
    area="authorizations",
    listing=AuthorizationListing,
    columns=(
        Column("at", lambda item: At(item.at)),
        Column("uid", lambda item: Code(item.uid)),
        Column("cpo", lambda item: Code(item.cpo)),
        Column("emsp", lambda item: Code(item.emsp)),
        Column("allowed", lambda item: allowed_chip(item.allowed)),
        Column("decided_by", lambda item: Chip(item.decided_by)),
        Column("reason", lambda item: Code(item.reason)),
        Column("total_ms", lambda item: Number(item.total_ms, 1)),
        Column("legs", lambda item: [f"{emsp} {ms:.0f} ms" for emsp, ms in item.legs_ms.items()]),
        Column("reference", lambda item: Code(item.reference)),
    ),
    fetch=fetch,
    needs=Scope.READ,
    sees=_sees,
    link=lambda item: item.page,
    search="uid",
    begin=("nav.relations", "/relations", Scope.READ),
    nav="nav.authorizations",
)


def allowed_chip(allowed: str | None) -> Chip:
    """What was answered; nothing: no answer could be given."""
    if allowed is None:
        return Chip("no_answer")
    return Chip(allowed, Tone.GOOD if allowed == "ALLOWED" else Tone.WARN)


# One decision -------------------------------------------------------------------------------------


async def load(visit: Visit) -> DecisionRecord:
    try:
        at = datetime.fromisoformat(visit.place["at"]).astimezone(UTC)
        return await find(visit.parts.admin.decisions, at, visit.place["correlation_id"])
    except (ValueError, OverflowError, NoSuchObject):
        raise NoSuchObject(t("authorization.gone")) from None


def _sees_record(viewer: Viewer, decision: DecisionRecord) -> bool:
    return viewer.sees_party(decision.cpo, decision.emsp)


async def tell(visit: Visit, shown: DecisionRecord) -> Story:
    viewer, uid = visit.viewer, _uid(visit, shown)
    blocks: list[Block] = [
        Note(why(shown), "" if shown.allowed is None else "note"),
        _facts(visit, shown),
        _legs([leg for leg in shown.legs if viewer.sees_party(leg.emsp)]),
        *await _came_of_it(visit, shown),
    ]
    if late := [each for each in shown.late if viewer.sees_party(each.emsp)]:
        blocks.insert(3, _late(late))
    if shown.location is not None:
        blocks.append(Body(t("authorization.location"), shown.location))
    return Story(
        t("authorization.title", uid=uid),
        blocks,
        state=[allowed_chip(shown.allowed), Chip(shown.decided_by)],
        crumbs=[(t("authorizations.title"), url("authorizations"))],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ, sees=_sees_record)


def _uid(visit: Visit, shown: DecisionRecord) -> str:
    return visit.privacy.name(shown.uid) if visit.privacy else shown.uid


def _same_token(visit: Visit, shown: DecisionRecord) -> list[tuple[str, Cell]]:
    """A list is asked for in clear: from what is hidden, nothing leads there."""
    if visit.privacy is not None:
        return []
    same = Link(t("authorizations.title"), url("authorizations", uid=shown.uid))
    return [(t("authorization.same_token"), same)]


def _messages(viewer: Viewer, shown: DecisionRecord) -> Cell:
    """An eMSP that was not asked has no part in them."""
    asked = any(viewer.sees_party(leg.emsp) for leg in shown.legs)
    if asked or viewer.sees_party(shown.cpo):
        return messages_link(shown.correlation_id)
    return Code(shown.correlation_id)


def _facts(visit: Visit, shown: DecisionRecord) -> Facts:
    emsp = str(shown.emsp) if shown.emsp else None
    return Facts(
        t("authorization.facts"),
        [
            (t.label("at"), At(shown.at)),
            (t.label("uid"), [Code(_uid(visit, shown)), Chip(shown.token_type)]),
            (t.label("cpo"), party_cell(visit, str(shown.cpo))),
            (t.label("emsp"), party_cell(visit, emsp)),
            (t.label("allowed"), allowed_chip(shown.allowed)),
            (t.label("decided_by"), Chip(shown.decided_by)),
            (t.label("reason"), Code(shown.reason)),
            (t.label("reference"), Code(shown.reference)),
            (t("authorization.answer"), f"HTTP {shown.http_status}, OCPI {shown.status_code}"),
            (t.label("total_ms"), Number(shown.total_ms, 1, "ms")),
            (t.label("messages"), _messages(visit.viewer, shown)),
            *_same_token(visit, shown),
        ],
    )


def _legs(legs: Sequence[LegRecord]) -> Grid:
    rows: list[list[Cell]] = [
        [Code(str(leg.emsp)), Number(leg.ms, 1, "ms"), Chip(leg.outcome)] for leg in legs
    ]
    heads = [t.label(name) for name in ("emsp", "ms", "outcome")]
    return Grid(t("authorization.legs"), heads, rows, t("authorization.no_legs"))


def _late(late: Sequence[LateAnswer]) -> Grid:
    rows: list[list[Cell]] = [
        [Code(str(each.emsp)), Number(each.ms, 1, "ms"), Chip(each.outcome)] for each in late
    ]
    heads = [t.label(name) for name in ("emsp", "ms", "outcome")]
    return Grid(t("authorization.late"), heads, rows)


async def _came_of_it(visit: Visit, shown: DecisionRecord) -> Sequence[Block]:
    """Sessions and CDRs that name its reference."""
    if shown.reference is None or shown.emsp is None:
        return []
    links = CrossLinks(visit.parts.admin.access.database)
    sessions, linked = await came_of_it(links, shown)
    cdrs = [
        cdr
        for cdr in linked
        if sees_linked(visit.viewer, str(cdr.owner), str(cdr.receiver), cdr.stage)
    ]
    named = dict.fromkeys([*sessions, *(cdr.session_id for cdr in cdrs if cdr.session_id)])
    owner = str(shown.cpo)
    rows: list[list[Cell]] = [
        [t("authorization.session"), Link(each, session_url(owner, each)), None, None, None]
        for each in named
    ]
    rows += [
        [
            t("authorization.cdr"),
            Link(cdr.spelled_id, cdr_url(owner, cdr.spelled_id)),
            stage_chips(cdr.stage, disputed=False),
            number(float(cdr.energy_kwh), 3, "kWh"),
            number(float(cdr.excl_vat), 2, cdr.currency),
        ]
        for cdr in cdrs
    ]
    heads = ["", *(t.label(name) for name in ("id", "stage", "energy", "excl_vat"))]
    return [Grid(t("authorization.came"), heads, rows, t("authorization.nothing_came"))]
