"""Authorizations: the evidence of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from ocpi_hub.admin.actions import authorizations
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Text,
    Time,
    page_of,
)
from ocpi_hub.admin.views.authorizations import (
    AuthorizationDetails,
    AuthorizationItem,
    authorization_details,
    authorization_item,
)
from ocpi_hub.admin.views.base import Page
from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.store.authorization import DecisionFilter, DecisionPlace
from ocpi_hub.store.cross_links import CrossLinks

KIND = "authorizations"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AuthorizationListing(Listing):
    uid: Text | None = Field(None, description="only about this token; case does not matter")
    cpo: Party | None = Field(None, description="only asked by it")
    emsp: Party | None = Field(None, description="only about its tokens")
    decided_by: DecidedBy | None = None
    reference: Text | None = Field(None, description="only with this authorization_reference")
    session: Text | None = Field(
        None,
        description="those that this Session rests on, as CC*PID/id; other filters do not count",
    )
    cdr: Text | None = Field(None, description="those that this CDR rests on, as CC*PID/id")
    since: Time | None = Field(None, description="made then or later")
    until: Time | None = Field(None, description="made before")


class AuthorizationGiven(Given):
    at: Time = Field(description="`at` of the list")
    correlation_id: Text


def authorization_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    links = CrossLinks(parts.access.database)

    async def listing(call: Call[AuthorizationListing, NoBody]) -> Page[AuthorizationItem]:
        given = call.given
        if given.session or given.cdr:
            linked = await parts.decisions.of(charged_key(given))
            return Page(
                items=tuple(authorization_item(each.decision, each.linked_by) for each in linked),
                next=None,
            )
        wanted = DecisionFilter(
            given.uid,
            given.cpo,
            given.emsp,
            given.since,
            given.until,
            given.decided_by,
            given.reference,
        )
        found = await parts.decisions.decisions_before(
            decision_place(given), given.limit + 1, wanted
        )
        key = call.key
        authorizations.note_search(
            given.uid, len(found), asked_by=key.key_id, clear=key.may(Scope.OPERATE)
        )
        return page_of(
            found,
            given.limit,
            lambda row: authorization_item(row[1]),
            lambda last: decision_cursor(last[0]),
        )

    async def show(call: Call[AuthorizationGiven, NoBody]) -> AuthorizationDetails:
        given = call.given
        decision = await authorizations.find(parts.decisions, given.at, given.correlation_id)
        return authorization_details(decision, *await authorizations.came_of_it(links, decision))

    return (
        Route("GET", f"{API}/authorizations", Scope.READ, "Decisions, newest first",
              AuthorizationListing, NoBody, Page[AuthorizationItem], listing),
        Route("GET", f"{API}/authorizations/{{at}}/{{correlation_id}}", Scope.READ,
              "One decision with who was asked, and what came of it",
              AuthorizationGiven, NoBody, AuthorizationDetails, show),
    )  # fmt: skip


def charged_key(given: AuthorizationListing) -> ObjectKey:
    """The Session or CDR that is asked about.

    Raises:
        Refusal: it is not written as CC*PID/id, or both are asked about.
    """
    name, module = ("session", Module.SESSIONS) if given.session else ("cdr", Module.CDRS)
    if given.session and given.cdr:
        raise invalid("cdr", "ask about a Session or a CDR, not both")
    party, slash, object_id = (given.session or given.cdr or "").partition("/")
    try:
        owner = PartyId.parse(party)
    except ValueError as error:
        raise invalid(name, str(error)) from None
    if not slash or not object_id:
        raise invalid(name, "write CC*PID/id")
    return ObjectKey(module.value, owner, object_id)


def decision_cursor(place: DecisionPlace) -> str:
    at, number = place
    return cursor_text(KIND, (at - _EPOCH) // _MICROSECOND, number)


def decision_place(given: AuthorizationListing) -> DecisionPlace | None:
    place = given.place(KIND, int, int)
    if place is None:
        return None
    microseconds, number = map(int, place)
    # Later than any time the database knows: as good as the start.
    capped = min(microseconds, (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)
    return _EPOCH + timedelta(microseconds=capped), number
