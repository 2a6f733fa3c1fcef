"""What lists of directed objects have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.routes.base import Body, Given, Listing, Party, Text, page_of
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.cdrs import CdrItem, cdr_item
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.store.custody_admin import CustodyAdmin

_WORDS_LENGTH = 1000


def _kept(words: str) -> str:
    if not words.strip() or "\0" in words:
        raise ValueError("say it in words")
    return words.strip()


Words = Annotated[str, Field(min_length=1, max_length=_WORDS_LENGTH), AfterValidator(_kept)]
"""What an operator says; it is kept."""


class CdrGiven(Given):
    owner: Party = Field(description="the CPO")
    id: Text = Field(description="the CDR's id; case does not matter")


class Reason(Body):
    """An operator's word is kept with the CDR."""

    reason: Words


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
    return page_of(found, given.limit, cdr_item, lambda last: cursor_text(kind, last.serial))
