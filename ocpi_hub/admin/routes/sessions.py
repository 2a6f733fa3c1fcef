"""Sessions in custody: list and show."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import sessions
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Call, Given, NoBody, Party, Route, Text
from ocpi_hub.admin.routes.directed import DirectedListing, directed_page
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.cdrs import CdrItem, CdrStory

KIND = "sessions"


class SessionGiven(Given):
    owner: Party = Field(description="the CPO")
    id: Text = Field(description="the Session's id; case does not matter")


def session_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    admin = parts.access.sessions

    async def listing(call: Call[DirectedListing, NoBody]) -> Page[CdrItem]:
        return await directed_page(admin, call.given, KIND)

    async def show(call: Call[SessionGiven, NoBody]) -> CdrStory:
        return await sessions.show(admin, call.given.owner, call.given.id)

    return (
        Route("GET", f"{API}/sessions", Scope.READ, "Sessions in custody, newest first",
              DirectedListing, NoBody, Page[CdrItem], listing),
        Route("GET", f"{API}/sessions/{{owner}}/{{id}}", Scope.READ,
              "One Session with all that happened to it",
              SessionGiven, NoBody, CdrStory, show),
    )  # fmt: skip
