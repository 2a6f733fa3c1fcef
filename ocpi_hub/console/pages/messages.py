"""Messages: list, and all requests of one correlation id with what was in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.messages import MessageListing, list_messages
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.messages import MessageItem
from ocpi_hub.console.cells import At, Cell, Chip, Code, Number, url
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.message_legs import (
    code_chip,
    content_notes,
    leg_blocks,
    leg_grid,
    outcome_chip,
)
from ocpi_hub.console.pages.message_subjects import Subjects, about, resend_forms, subjects
from ocpi_hub.console.stories import Ask, Block, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.message_record import MessageRecord
from ocpi_hub.errors import NoSuchObject

SHOWN_LEGS = 3
"""Of a message, with what was in them; the others one by one."""


def message_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page())


def messages_url(correlation_id: str) -> str:
    return url("messages", correlation_id)


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: MessageListing) -> Items[MessageItem]:
    viewer = visit.viewer
    if viewer.is_partner:
        if given.platform not in (None, viewer.platform_id):
            return Items(items=(), next=None)
        given = given.model_copy(update={"platform": str(viewer.platform_id)})
    return await list_messages(visit.parts.admin.messages, given)


def _sees_item(viewer: Viewer, item: MessageItem) -> bool:
    return viewer.sees_platform(item.platform)


LIST: ListPage[MessageItem, MessageListing] = ListPage(
    path="/messages",
    area="messages",
    listing=MessageListing,
    columns=(
        Column("at", lambda item: At(item.at)),
        Column("direction", lambda item: item.direction.value),
        Column("platform", lambda item: Code(item.platform)),
        Column("from", lambda item: Code(item.sender)),
        Column("to", lambda item: Code(item.receiver)),
        Column("module", lambda item: item.module),
        Column("method", lambda item: item.method),
        Column("http", lambda item: code_chip(item.http)),
        Column("ocpi", lambda item: code_chip(item.ocpi)),
        Column("outcome", lambda item: outcome_chip(item.outcome)),
        Column("ms", lambda item: Number(item.ms, 1)),
        Column("path", lambda item: Code(item.path)),
        Column("correlation_id", lambda item: Code(item.correlation_id)),
    ),
    fetch=fetch,
    sees=_sees_item,
    link=lambda item: messages_url(item.correlation_id),
    search="correlation_id",
    begin=("nav.platforms", "/platforms", Scope.READ),
    nav="nav.messages",
    links=(("messages.failures", "/messages?failed=true", True),),
)


# One message --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """The requests of a correlation id that somebody may see, and what they were about."""

    correlation_id: str
    legs: Sequence[MessageRecord]
    subjects: Subjects


async def load(visit: Visit) -> Found:
    correlation_id = visit.place["correlation_id"]
    legs = [
        leg
        for leg in await visit.parts.admin.messages.legs(correlation_id)
        if visit.viewer.sees_platform(leg.platform_id)
    ]
    if not legs:
        raise NoSuchObject(f"no message with the correlation id {correlation_id} is kept")
    found = await subjects(visit.parts.admin.access.database, correlation_id, legs)
    return Found(correlation_id, legs, found.seen_by(visit.viewer))


async def tell(visit: Visit, found: Found) -> Story:
    legs = found.legs
    chosen = _chosen(visit, legs)
    blocks: list[Block] = [leg_grid(visit, found.correlation_id, legs)]
    facts = about(found.subjects)
    if facts.rows:
        blocks.append(facts)
    if forms := resend_forms(visit, found.subjects):
        blocks += [Note(t("messages.resend_why"), Tone.NOTE), Ask(t("messages.resend"), forms)]
    if len(chosen) < len(legs) and "leg" not in visit.query:
        text = t("messages.cut_list", shown=len(chosen), all=len(legs))
        blocks.append(Note(text, Tone.NOTE))
    for number in chosen:
        blocks += leg_blocks(visit, number, legs[number - 1])
    notes = content_notes([legs[number - 1] for number in chosen])
    blocks += [Note(text, Tone.NOTE) for text in notes]
    crumbs = [(t("messages.title"), url("messages"))]
    if "leg" in visit.query:
        crumbs.append((t("messages.back"), messages_url(found.correlation_id)))
    return Story(
        t("messages.one", correlation_id=found.correlation_id),
        blocks,
        state=outcome_of(legs),
        crumbs=crumbs,
    )


def sees(viewer: Viewer, found: Found) -> bool:
    return all(viewer.sees_platform(leg.platform_id) for leg in found.legs)


STORY = StoryPage(
    path="/messages/{correlation_id}", load=load, tell=tell, needs=Scope.READ, sees=sees
)


def outcome_of(legs: Sequence[MessageRecord]) -> Cell:
    """How it went at first sight."""
    return Chip("failed", Tone.BAD) if any(leg.has_failed for leg in legs) else Chip("answered")


def _chosen(visit: Visit, legs: Sequence[MessageRecord]) -> Sequence[int]:
    """Numbers of the requests whose content is shown, from 1 on: one that was asked for, or the
    first one and others, those that failed before those that did not."""
    asked = visit.query.get("leg", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 6 and 1 <= int(asked) <= len(legs):
        return [int(asked)]
    numbers = sorted(range(1, len(legs) + 1), key=lambda n: (n > 1, not legs[n - 1].has_failed, n))
    return sorted(numbers[:SHOWN_LEGS])
