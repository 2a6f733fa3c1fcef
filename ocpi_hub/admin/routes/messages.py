"""Message records: list, and all legs of one correlation id."""

from __future__ import annotations

from pydantic import Field

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
)
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.messages import (
    MessageDetail,
    MessageItem,
    message_detail,
    message_item,
)
from ocpi_hub.domain.message_record import Direction, MessageCursor, MessageFilter, Outcome
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.messages import PostgresMessages

KIND = "messages"
LOOKED_AT = 100_000
"""Records that one page may go through for a filter that has no index."""


class MessageListing(Listing):
    platform: Text | None = Field(None, description="only from and to it")
    party: Party | None = Field(None, description="only from or to it")
    module: Text | None = Field(None, description="a module, `versions` or `other`")
    direction: Direction | None = None
    http_class: int | None = Field(None, ge=1, le=5, description="first digit of the HTTP status")
    outcome: Outcome | None = None
    method: Text | None = None
    ocpi_class: int | None = Field(None, ge=1, le=9, description="first digit of the OCPI code")
    failed: bool | None = Field(
        None, description="true: no answer, HTTP 400 or above, or an OCPI code from 2000 on"
    )
    correlation_id: Text | None = None
    since: Time | None = Field(None, description="began then or later")
    until: Time | None = Field(None, description="began before")


class CorrelationGiven(Given):
    correlation_id: Text


def message_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[MessageListing, NoBody]) -> Page[MessageItem]:
        return await list_messages(parts.messages, call.given)

    async def legs(call: Call[CorrelationGiven, NoBody]) -> Page[MessageDetail]:
        correlation_id = call.given.correlation_id
        found = await parts.messages.legs(correlation_id)
        if not found:
            raise NoSuchObject(f"no message with the correlation id {correlation_id} is kept")
        return Page(items=tuple(map(message_detail, found)), next=None)

    return (
        Route("GET", f"{API}/messages", Scope.READ,
              "Requests between platforms and the hub, newest first",
              MessageListing, NoBody, Page[MessageItem], listing),
        Route("GET", f"{API}/messages/{{correlation_id}}", Scope.READ,
              "All that belongs to one correlation id, in order (1000 requests at most)",
              CorrelationGiven, NoBody, Page[MessageDetail], legs),
    )  # fmt: skip


async def list_messages(messages: PostgresMessages, given: MessageListing) -> Page[MessageItem]:
    """Those that match, newest first; a page may have few of them, and yet a next one."""
    page = await messages.page(
        given.limit, _wanted(given), after=_cursor(given), looked_at=LOOKED_AT
    )
    return Page(
        items=tuple(map(message_item, page.items)),
        next=cursor_text(KIND, str(page.next)) if page.next else None,
    )


def _wanted(given: MessageListing) -> MessageFilter:
    return MessageFilter(
        platform_id=given.platform,
        party=given.party,
        module=given.module,
        direction=given.direction,
        http_class=given.http_class,
        outcome=given.outcome,
        failed=given.failed,
        correlation_id=given.correlation_id,
        since=given.since,
        until=given.until,
        method=given.method,
        ocpi_class=given.ocpi_class,
    )


def _cursor(given: MessageListing) -> MessageCursor | None:
    place = given.place(KIND, str)
    if place is None:
        return None
    try:
        return MessageCursor.parse(str(place[0]))
    except ValueError as error:
        raise invalid("next", str(error)) from None
