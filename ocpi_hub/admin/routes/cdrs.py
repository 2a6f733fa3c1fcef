"""CDRs in custody: list, show, and decide; `cdr_affairs` has disputes, conflicts and gaps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import Field

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    NoBody,
    Party,
    Route,
    Text,
    Time,
)
from ocpi_hub.admin.routes.directed import CdrGiven, DirectedListing, Reason
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.base import Page, View
from ocpi_hub.admin.views.cdr_life import CdrLifeStory, CdrLine, cdr_line
from ocpi_hub.admin.views.cdrs import CdrDecided, CdrsRedriven
from ocpi_hub.clearing.life import Stage
from ocpi_hub.clearing.pricing import Verdict
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.store.cdr_life import CdrFilters

KIND = "cdrs"


class CdrListing(DirectedListing):
    id: Text | None = Field(None, description="of this id, whoever has one; case does not matter")
    stage: Stage | None = Field(None, description="docs/cdrs.md tells them")
    flag: Text | None = Field(None, description="a check noted this code, and the CDR went on")
    hold: Text | None = Field(None, description="a check noted this code, and the CDR had to wait")
    verdict: Verdict | None = Field(None, description="of the recomputed price")
    disputed: bool | None = Field(None, description="whether a dispute is open")
    since: Time | None = Field(None, description="arrived at this time or later")
    until: Time | None = Field(None, description="arrived before this time")

    @property
    def filters(self) -> CdrFilters:
        return CdrFilters(
            object_id=self.id,
            state=self.state,
            stage=self.stage,
            owner=self.owner,
            receiver=self.receiver,
            flag=self.flag,
            hold=self.hold,
            verdict=self.verdict,
            disputed=self.disputed,
            since=self.since,
            until=self.until,
        )


class Driven(Body):
    """Which CDRs: of an owner, for a receiver, or since a time; or of all of them."""

    owner: Party | None = Field(None, description="of this CPO")
    receiver: Party | None = Field(None, description="for this eMSP")
    since: Time | None = Field(None, description="that arrived at this time or later")
    until: Time | None = Field(None, description="that arrived before this time")
    state: DirectedState | None = Field(
        None, description="dead, pending, uncertain or refused; without it dead and pending ones"
    )


def cdr_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    admin = parts.access.cdrs

    async def listing(call: Call[CdrListing, NoBody]) -> Page[CdrLine]:
        place = call.given.place(KIND, int)
        limit = call.given.limit
        before = int(place[0]) if place else None
        found = await cdrs.list_cdrs(admin, call.given.filters, limit=limit + 1, before=before)
        shown = found[:limit]
        return Page(
            items=tuple(map(cdr_line, shown)),
            next=cursor_text(KIND, shown[-1].row.serial) if len(found) > limit else None,
        )

    async def show(call: Call[CdrGiven, NoBody]) -> CdrLifeStory:
        return await cdrs.show(admin, cdrs.cdr_key(call.given.owner, call.given.id))

    async def redrive(call: Call[CdrGiven, NoBody]) -> CdrsRedriven:
        return await cdrs.redrive(admin, call.given.owner, call.given.id)

    async def redrive_all(call: Call[NoParameters, Driven]) -> CdrsRedriven:
        which = call.body
        return await cdrs.redrive_all(
            admin,
            owner=which.owner,
            receiver=which.receiver,
            since=which.since,
            until=which.until,
            state=which.state,
        )

    async def release(call: Call[CdrGiven, Reason]) -> CdrDecided:
        given = call.given
        return await cdrs.release(admin, given.owner, given.id, reason=call.body.reason)

    async def refuse(call: Call[CdrGiven, Reason]) -> CdrDecided:
        given = call.given
        return await cdrs.refuse(admin, given.owner, given.id, reason=call.body.reason)

    async def confirm(call: Call[CdrGiven, Reason]) -> CdrDecided:
        given = call.given
        return await cdrs.confirm(admin, given.owner, given.id, reason=call.body.reason)

    one = f"{API}/cdrs/{{owner}}/{{id}}"
    return (
        Route("GET", f"{API}/cdrs", Scope.READ, "CDRs in custody, newest first",
              CdrListing, NoBody, Page[CdrLine], listing),
        Route("GET", one, Scope.READ, "One CDR with all that happened to it",
              CdrGiven, NoBody, CdrLifeStory, show),
        Route("POST", f"{API}/cdrs/redrive", Scope.OPERATE, "Deliver what waits or was given up",
              NoParameters, Driven, CdrsRedriven, redrive_all),
        Route("POST", f"{one}/redrive", Scope.OPERATE, "Try to deliver a CDR now",
              CdrGiven, NoBody, CdrsRedriven, redrive),
        _decision("release", "Let a held CDR go", release),
        _decision("refuse", "Close a held, dead or uncertain CDR as refused", refuse),
        _decision("confirm", "Close an uncertain or dead CDR as delivered", confirm),
    )  # fmt: skip


def _decision(
    word: str, summary: str, handler: Callable[[Call[CdrGiven, Reason]], Awaitable[View]]
) -> AnyRoute:
    template = f"{API}/cdrs/{{owner}}/{{id}}/{word}"
    return Route("POST", template, Scope.OPERATE, summary, CdrGiven, Reason, CdrDecided, handler)
