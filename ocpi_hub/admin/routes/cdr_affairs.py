"""Disputes about CDRs, contents that conflict, and what is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from ocpi_hub.admin.actions import cdr_disputes
from ocpi_hub.admin.actions.cdr_gaps import gap_report
from ocpi_hub.admin.actions.cdrs import cdr_key
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    MAX_ITEMS,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Time,
    page_of,
)
from ocpi_hub.admin.routes.directed import CdrGiven, Words
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.cdr_affairs import (
    ConflictItem,
    DisputeView,
    GapReport,
    conflict_item,
    dispute_view,
)
from ocpi_hub.store.cdr_life import CdrLife
from ocpi_hub.store.disputes import Disputes, Outcome, Side

CONFLICTS = "cdr-conflicts"
DISPUTES = "cdr-disputes"


class CdrParties(Listing):
    owner: Party | None = Field(None, description="only this CPO's")
    receiver: Party | None = Field(None, description="only for this eMSP")


class DisputeListing(CdrParties):
    open: bool | None = Field(None, description="only open ones, or only closed ones")


class GapsGiven(Given):
    since: Time | None = Field(None, description="what came then or later; 35 days ago otherwise")
    expected_after_h: int | None = Field(
        None, ge=0, le=10_000, description="hours until the CDR of a session is missed"
    )
    owner: Party | None = Field(None, description="only this CPO's")
    receiver: Party | None = Field(None, description="only for this eMSP")
    limit: int = Field(100, ge=1, le=MAX_ITEMS, description="of each kind, at most")


class DisputeOpened(Body):
    raised_by: Side = Field(description="whose word it is")
    reason: Words
    amount: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)] | None = Field(
        None, description="what is in dispute, without VAT; without it, no sum is named"
    )


class DisputeAnswered(Body):
    answer: Words


class DisputeClosed(Body):
    """An accepted dispute asks for a Credit CDR."""

    outcome: Outcome
    note: Words


def cdr_affair_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    admin, database = parts.access.cdrs, parts.access.database

    async def opening(call: Call[CdrGiven, DisputeOpened]) -> DisputeView:
        key, body = cdr_key(call.given.owner, call.given.id), call.body
        return await cdr_disputes.open_dispute(admin, key, body.raised_by, body.reason, body.amount)

    async def answering(call: Call[CdrGiven, DisputeAnswered]) -> DisputeView:
        key = cdr_key(call.given.owner, call.given.id)
        return await cdr_disputes.answer_dispute(admin, key, call.body.answer)

    async def closing(call: Call[CdrGiven, DisputeClosed]) -> DisputeView:
        key, body = cdr_key(call.given.owner, call.given.id), call.body
        return await cdr_disputes.close_dispute(admin, key, body.outcome, body.note)

    async def disputes(call: Call[DisputeListing, NoBody]) -> Page[DisputeView]:
        given = call.given
        place = given.place(DISPUTES, int)
        found = await Disputes(database).list(
            owner=given.owner,
            receiver=given.receiver,
            is_open=given.open,
            limit=given.limit + 1,
            before=int(place[0]) if place else None,
        )
        return page_of(
            found, given.limit, dispute_view, lambda last: cursor_text(DISPUTES, last.place)
        )

    async def conflicts(call: Call[CdrParties, NoBody]) -> Page[ConflictItem]:
        given = call.given
        place = given.place(CONFLICTS, int)
        found = await CdrLife(database).conflicts(
            owner=given.owner,
            receiver=given.receiver,
            limit=given.limit + 1,
            before=int(place[0]) if place else None,
        )
        return page_of(
            found, given.limit, conflict_item, lambda last: cursor_text(CONFLICTS, last.place)
        )

    async def gaps(call: Call[GapsGiven, NoBody]) -> GapReport:
        given = call.given
        return await gap_report(
            parts.access,
            since=given.since,
            expected_after_h=given.expected_after_h,
            owner=given.owner,
            receiver=given.receiver,
            limit=given.limit,
        )

    dispute = f"{API}/cdrs/{{owner}}/{{id}}/dispute"
    return (
        Route("POST", dispute, Scope.OPERATE, "Open a dispute about a CDR",
              CdrGiven, DisputeOpened, DisputeView, opening, 201),
        Route("POST", f"{dispute}/answer", Scope.OPERATE, "Note the other party's answer",
              CdrGiven, DisputeAnswered, DisputeView, answering),
        Route("POST", f"{dispute}/close", Scope.OPERATE, "Note how a dispute ended",
              CdrGiven, DisputeClosed, DisputeView, closing),
        Route("GET", f"{API}/cdr-disputes", Scope.READ, "Disputes about CDRs, newest first",
              DisputeListing, NoBody, Page[DisputeView], disputes),
        Route("GET", f"{API}/cdr-conflicts", Scope.READ, "Contents that conflict with CDRs",
              CdrParties, NoBody, Page[ConflictItem], conflicts),
        Route("GET", f"{API}/cdr-gaps", Scope.READ, "What is missing among the CDRs",
              GapsGiven, NoBody, GapReport, gaps),
    )  # fmt: skip
