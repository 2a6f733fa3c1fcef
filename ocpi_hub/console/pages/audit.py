"""The audit log: list, and one change with what it changed."""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

from ocpi_hub.admin.actions import audit
from ocpi_hub.admin.faults import Code as FaultCode
from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.audit import AuditListing, list_audit
from ocpi_hub.admin.views.audit import AuditItem
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, url
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Block, Body, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.store.audit import AuditOutcome

_DIGITS = 18


def audit_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page())


async def fetch(visit: Visit, given: AuditListing) -> Items[AuditItem]:
    return await list_audit(visit.parts.admin.audit, given)


LIST: ListPage[AuditItem, AuditListing] = ListPage(
    path="/audit",
    area="audit",
    listing=AuditListing,
    columns=(
        Column("at", lambda item: At(item.at)),
        Column("actor", lambda item: [Chip(item.by), item.name]),
        Column("what", lambda item: item.what),
        Column("object", lambda item: Code(item.object)),
        Column("outcome", lambda item: Chip(item.outcome)),
        Column("error", lambda item: item.error),
    ),
    fetch=fetch,
    needs=Scope.OPERATE,
    link=lambda item: url("audit", str(item.entry)),
    search="object",
    nav="nav.audit",
)


async def load(visit: Visit) -> AuditItem:
    number = visit.place["entry"]
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page"))
    return await audit.show(visit.parts.admin.audit, int(number))


async def tell(_: Visit, item: AuditItem) -> Story:
    blocks: list[Block] = [
        Facts(
            t("audit.facts"),
            [
                (t.label("at"), At(item.at)),
                (t.label("ended_at"), At(item.ended_at)),
                (t.label("actor"), [Chip(item.by), item.name, Code(item.actor)]),
                (t.label("what"), item.what),
                (t.label("object"), Link(item.object, url("audit", object=item.object))),
                (t.label("correlation_id"), Code(item.correlation_id)),
                (t.label("times"), item.times),
            ],
        ),
        Grid(
            t("audit.changed"),
            [t("audit.field"), t("audit.before"), t("audit.after")],
            [[Code(name), _value(old), _value(new)] for name, old, new in _differences(item)],
            t("audit.nothing_changed"),
        ),
        Body(t("audit.before"), _whole(item.before)),
        Body(t("audit.after"), _whole(item.after)),
    ]
    if item.outcome is AuditOutcome.BEGUN:
        blocks.insert(0, Note(t("audit.begun"), Tone.WARN))
    elif item.error:
        blocks.insert(0, Note(item.error, Tone.BAD))
    return Story(
        t("audit.entry", number=item.entry),
        [block for block in blocks if not (isinstance(block, Body) and block.text is None)],
        state=[item.what, Chip(item.outcome)],
        crumbs=[(t("audit.title"), url("audit"))],
    )


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
STORY = StoryPage(path="/audit/{entry}", load=load, tell=tell, needs=Scope.OPERATE)


def _differences(item: AuditItem) -> list[tuple[str, JsonValue, JsonValue]]:
    """Fields that differ; of an object that is new or gone, all that say something."""
    before = item.before if isinstance(item.before, dict) else {}
    after = item.after if isinstance(item.after, dict) else {}
    names = [*before, *(name for name in after if name not in before)]
    return [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _value(value: JsonValue) -> Cell:
    """Times are told from other texts by how views write them."""
    if value is None:
        return None
    if isinstance(value, str):
        return At(value) if _TIME.fullmatch(value) else value
    return json.dumps(value, ensure_ascii=False)


def _whole(value: JsonValue) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
