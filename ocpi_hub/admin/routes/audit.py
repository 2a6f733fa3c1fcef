"""The audit log: list, and one entry."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import audit
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Call,
    Given,
    Listing,
    NoBody,
    Route,
    Text,
    Time,
    page_of,
)
from ocpi_hub.admin.views.audit import AuditItem, audit_item
from ocpi_hub.admin.views.base import Page
from ocpi_hub.store.audit import AuditFilter, AuditLog, AuditOutcome

KIND = "audit"


class AuditListing(Listing):
    actor: Text | None = Field(None, description="an id or a name")
    what: Text | None = Field(None, description="for instance platform.suspend")
    object: Text | None = Field(None, description="an id, or CC*PID/id")
    outcome: AuditOutcome | None = None
    since: Time | None = Field(None, description="began then or later")
    until: Time | None = Field(None, description="began before")


class EntryGiven(Given):
    entry: int = Field(ge=1, le=2**63 - 1, description="its number")


def audit_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[AuditListing, NoBody]) -> Page[AuditItem]:
        return await list_audit(parts.audit, call.given)

    async def show(call: Call[EntryGiven, NoBody]) -> AuditItem:
        return await audit.show(parts.audit, call.given.entry)

    return (
        Route("GET", f"{API}/audit", Scope.OPERATE, "What was changed by whom, newest first",
              AuditListing, NoBody, Page[AuditItem], listing),
        Route("GET", f"{API}/audit/{{entry}}", Scope.OPERATE, "One change, before and after",
              EntryGiven, NoBody, AuditItem, show),
    )  # fmt: skip


async def list_audit(log: AuditLog, given: AuditListing) -> Page[AuditItem]:
    """Those that match, newest first."""
    place = given.place(KIND, int)
    wanted = AuditFilter(
        given.what, given.object, given.actor, given.outcome, given.since, given.until
    )
    before = int(place[0]) if place else None
    found = await log.list(given.limit + 1, wanted, before=before)
    return page_of(found, given.limit, audit_item, lambda last: cursor_text(KIND, last.entry_id))
