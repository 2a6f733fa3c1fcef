"""What lists of directed objects have in common."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.routes.base import Listing, Party
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.cdrs import CdrItem, cdr_item
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.store.custody_admin import CustodyAdmin


class DirectedListing(Listing):
    state: DirectedState | None = None
    owner: Party | None = Field(None, description="only this CPO's")
    receiver: Party | None = Field(None, description="only for this eMSP")


async def directed_page(admin: CustodyAdmin, given: DirectedListing, kind: str) -> Page[CdrItem]:
    """A page, newest first.

    Args:
        kind: whose cursors these are.
    """
    place = given.place(kind, int)
    found = await admin.list(
        state=given.state,
        owner=given.owner,
        receiver=given.receiver,
        limit=given.limit + 1,
        before=int(place[0]) if place else None,
    )
    shown = found[: given.limit]
    more = len(found) > len(shown)
    return Page(
        items=tuple(map(cdr_item, shown)),
        next=cursor_text(kind, shown[-1].serial) if more else None,
    )
