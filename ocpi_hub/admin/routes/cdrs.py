"""CDRs in custody: list, show, and decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import Field, field_validator

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    NoBody,
    Party,
    Route,
    Text,
)
from ocpi_hub.admin.routes.directed import DirectedListing, directed_page
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.base import Page, View
from ocpi_hub.admin.views.cdrs import CdrDecided, CdrItem, CdrsRedriven, CdrStory

KIND = "cdrs"
_REASON_LENGTH = 1000


class CdrGiven(Given):
    owner: Party = Field(description="the CPO")
    id: Text = Field(description="the CDR's id; case does not matter")


class Receiver(Body):
    receiver: Party = Field(description="all dead letters and waiting CDRs of this eMSP")


class Reason(Body):
    """An operator's word is kept with the CDR."""

    reason: str = Field(min_length=1, max_length=_REASON_LENGTH)

    @field_validator("reason")
    @classmethod
    def _reason_can_be_kept(cls, value: str) -> str:
        if not value.strip() or "\0" in value:
            raise ValueError("say why, in words")
        return value.strip()


def cdr_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    admin = parts.access.cdrs

    async def listing(call: Call[DirectedListing, NoBody]) -> Page[CdrItem]:
        return await directed_page(admin, call.given, KIND)

    async def show(call: Call[CdrGiven, NoBody]) -> CdrStory:
        return await cdrs.show(admin, cdrs.cdr_key(call.given.owner, call.given.id))

    async def redrive(call: Call[CdrGiven, NoBody]) -> CdrsRedriven:
        return await cdrs.redrive(admin, call.given.owner, call.given.id)

    async def redrive_all(call: Call[NoParameters, Receiver]) -> CdrsRedriven:
        return await cdrs.redrive_all(admin, receiver=call.body.receiver)

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
              DirectedListing, NoBody, Page[CdrItem], listing),
        Route("GET", one, Scope.READ, "One CDR with all that happened to it",
              CdrGiven, NoBody, CdrStory, show),
        Route("POST", f"{API}/cdrs/redrive", Scope.OPERATE, "Deliver what waits for an eMSP now",
              NoParameters, Receiver, CdrsRedriven, redrive_all),
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
