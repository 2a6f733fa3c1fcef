"""Authorizations: the evidence of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Call,
    Listing,
    NoBody,
    Party,
    Route,
    Text,
    Time,
)
from ocpi_hub.admin.views.authorizations import AuthorizationItem, authorization_item
from ocpi_hub.admin.views.base import Page
from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.store.authorization import DecisionFilter, DecisionPlace

KIND = "authorizations"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AuthorizationListing(Listing):
    uid: Text | None = Field(None, description="only about this token; case does not matter")
    cpo: Party | None = Field(None, description="only asked by it")
    emsp: Party | None = Field(None, description="only about its tokens")
    decided_by: DecidedBy | None = None
    since: Time | None = Field(None, description="made then or later")
    until: Time | None = Field(None, description="made before")


def authorization_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[AuthorizationListing, NoBody]) -> Page[AuthorizationItem]:
        given = call.given
        wanted = DecisionFilter(
            given.uid, given.cpo, given.emsp, given.since, given.until, given.decided_by
        )
        found = await parts.decisions.decisions_before(_place(given), given.limit + 1, wanted)
        shown = found[: given.limit]
        return Page(
            items=tuple(authorization_item(decision) for _, decision in shown),
            next=_cursor(shown[-1][0]) if len(found) > len(shown) else None,
        )

    return (
        Route("GET", f"{API}/authorizations", Scope.READ, "Decisions, newest first",
              AuthorizationListing, NoBody, Page[AuthorizationItem], listing),
    )  # fmt: skip


def _cursor(place: DecisionPlace) -> str:
    at, number = place
    return cursor_text(KIND, (at - _EPOCH) // _MICROSECOND, number)


def _place(given: AuthorizationListing) -> DecisionPlace | None:
    place = given.place(KIND, int, int)
    if place is None:
        return None
    microseconds, number = map(int, place)
    # Later than any time the database knows: as good as the start.
    capped = min(microseconds, (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)
    return _EPOCH + timedelta(microseconds=capped), number
