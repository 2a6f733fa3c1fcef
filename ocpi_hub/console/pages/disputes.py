"""Disputes about CDRs, contents that conflict, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from ocpi_hub.admin.actions.cdr_gaps import gap_report
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import MAX_ITEMS, Listing, Party, Time
from ocpi_hub.admin.routes.cdr_affairs import CONFLICTS, DISPUTES, CdrParties, DisputeListing
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.cdr_affairs import (
    ConflictItem,
    DisputeView,
    GapItem,
    conflict_item,
    dispute_view,
)
from ocpi_hub.console.cells import At, Chip, Code
from ocpi_hub.console.in_memory import part_of
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import cdr_url, number, session_url
from ocpi_hub.console.sides import newest, sides
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.cdr_gaps import GapKind
from ocpi_hub.store.cdr_life import CdrLife, Conflict
from ocpi_hub.store.disputes import Dispute, Disputes

_KINDS: Final = tuple(GapKind)


def dispute_pages() -> tuple[Page, ...]:
    return (DISPUTE_LIST.page(), CONFLICT_LIST.page(), GAP_LIST.page())


# Disputes -----------------------------------------------------------------------------------------


async def fetch_disputes(visit: Visit, given: DisputeListing) -> Items[DisputeView]:
    disputes = Disputes(visit.parts.admin.access.database)
    place = given.place(DISPUTES, int)
    before = int(place[0]) if place else None

    async def ask(owner: PartyId | None, receiver: PartyId | None) -> Sequence[Dispute]:
        return await disputes.list(
            owner=owner,
            receiver=receiver,
            is_open=given.open,
            limit=given.limit + 1,
            before=before,
        )

    pairs = sides(visit.viewer, given.owner, given.receiver)
    shown, more = await newest(pairs, ask, lambda dispute: dispute.place, given.limit)
    return Items(
        items=tuple(map(dispute_view, shown)),
        next=cursor_text(DISPUTES, shown[-1].place) if more else None,
    )


def _sees_dispute(viewer: Viewer, item: DisputeView) -> bool:
    return viewer.sees_party(item.owner, item.receiver)


def _state(item: DisputeView) -> list[Chip]:
    word = item.outcome or ("answered" if item.answer else "open")
    tone = Tone.WARN if item.outcome is None else Tone.NOTE
    awaited = [Chip(t("disputes.awaits_credit"), Tone.WARN)] if item.awaits_credit else []
    return [Chip(word, tone), *awaited]


DISPUTE_LIST: ListPage[DisputeView, DisputeListing] = ListPage(
    path="/disputes",
    area="disputes",
    listing=DisputeListing,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("state", _state),
        Column("owner", lambda item: Code(item.owner)),
        Column("receiver", lambda item: Code(item.receiver)),
        Column("raised_by", lambda item: Chip(item.raised_by)),
        Column("amount", lambda item: number(item.amount, 2)),
        Column("currency", lambda item: item.currency),
        Column("opened_at", lambda item: At(item.opened_at)),
        Column("reason", lambda item: item.reason),
        Column("answer", lambda item: item.answer),
        Column("note", lambda item: item.note),
    ),
    fetch=fetch_disputes,
    needs=Scope.READ,
    sees=_sees_dispute,
    link=lambda item: cdr_url(item.owner, item.id),
)


# Conflicts ----------------------------------------------------------------------------------------


async def fetch_conflicts(visit: Visit, given: CdrParties) -> Items[ConflictItem]:
    """What else an owner has sent is between it and the hub."""
    life = CdrLife(visit.parts.admin.access.database)
    place = given.place(CONFLICTS, int)
    before = int(place[0]) if place else None

    async def ask(owner: PartyId | None, receiver: PartyId | None) -> Sequence[Conflict]:
        return await life.conflicts(
            owner=owner, receiver=receiver, limit=given.limit + 1, before=before
        )

    viewer = visit.viewer
    pairs = [
        pair
        for pair in sides(viewer, given.owner, given.receiver)
        if not viewer.is_partner or viewer.sees_party(pair[0])
    ]
    shown, more = await newest(pairs, ask, lambda conflict: conflict.place, given.limit)
    return Items(
        items=tuple(map(conflict_item, shown)),
        next=cursor_text(CONFLICTS, shown[-1].place) if more else None,
    )


def _sees_conflict(viewer: Viewer, item: ConflictItem) -> bool:
    return viewer.sees_party(item.owner)


CONFLICT_LIST: ListPage[ConflictItem, CdrParties] = ListPage(
    path="/conflicts",
    area="conflicts",
    listing=CdrParties,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("at", lambda item: At(item.at)),
        Column("owner", lambda item: Code(item.owner)),
        Column("receiver", lambda item: Code(item.receiver)),
        Column("state", lambda item: Chip(item.state)),
        Column("differs", lambda item: ", ".join(item.differs)),
    ),
    fetch=fetch_conflicts,
    needs=Scope.READ,
    sees=_sees_conflict,
    link=lambda item: cdr_url(item.owner, item.id),
)


# Gaps ---------------------------------------------------------------------------------------------


class GapListing(Listing):
    """What the page lists: what the report knows, one kind or all."""

    kind: GapKind | None = None
    since: Time | None = Field(None, description="35 days back otherwise")
    expected_after_h: int | None = Field(
        None, ge=0, le=10_000, description="until the CDR of a session is missed"
    )
    owner: Party | None = None
    receiver: Party | None = None


async def fetch_gaps(visit: Visit, given: GapListing) -> Items[GapItem]:
    found: dict[tuple[str, ...], GapItem] = {}
    for owner, receiver in sides(visit.viewer, given.owner, given.receiver):
        report = await gap_report(
            visit.parts.admin.access,
            since=given.since,
            expected_after_h=given.expected_after_h,
            owner=owner,
            receiver=receiver,
            limit=MAX_ITEMS,
            kinds=(given.kind,) if given.kind else _KINDS,
        )
        found |= {_place(gap): gap for gap in report.gaps}
    viewer = visit.viewer
    items = [
        gap if viewer.sees_party(gap.owner) else gap.model_copy(update={"text": ""})
        for gap in found.values()
        if _sees_gap(viewer, gap)
    ]
    return part_of("console-gaps", items, given, _place)


def _place(gap: GapItem) -> tuple[str, ...]:
    order = f"{_KINDS.index(gap.kind)}"
    return order, gap.at or "", gap.owner, gap.id


def _sees_gap(viewer: Viewer, item: GapItem) -> bool:
    """A CDR without a session may be held, which is no matter of its receiver."""
    if viewer.sees_party(item.owner):
        return True
    return item.kind is not GapKind.CDR_WITHOUT_SESSION and viewer.sees_party(item.receiver)


def gap_link(gap: GapItem) -> str:
    """What a gap is about. A number that did not come is nowhere."""
    match gap.kind:
        case GapKind.SESSION_WITHOUT_CDR:
            return session_url(gap.owner, gap.id)
        case GapKind.NUMBER_MISSING:
            return ""
        case _:
            return cdr_url(gap.owner, gap.id)


GAP_LIST: ListPage[GapItem, GapListing] = ListPage(
    path="/gaps",
    area="gaps",
    listing=GapListing,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("kind", lambda item: Chip(item.kind, Tone.WARN)),
        Column("owner", lambda item: Code(item.owner)),
        Column("receiver", lambda item: Code(item.receiver)),
        Column("at", lambda item: At(item.at)),
        Column("text", lambda item: item.text),
    ),
    fetch=fetch_gaps,
    needs=Scope.READ,
    sees=_sees_gap,
    link=gap_link,
)
