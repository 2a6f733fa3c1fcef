"""Backlog: what waits for whom, and why; trying again what a receiver did not take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ocpi_hub.admin.actions import lanes
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import MAX_ITEMS
from ocpi_hub.admin.routes.lanes import GapListing, GapNamed, LaneListing, list_gaps, list_lanes
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.lanes import GapItem, LaneItem
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.forms import Form, read_form
from ocpi_hub.console.in_memory import digits, part_of
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.message_legs import code_chip
from ocpi_hub.console.stories import Block, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.party import PartyId

ONE = "/lanes/{receiver}/{module}"


def lane_pages() -> tuple[Page, ...]:
    return (LIST.page(), STORY.page(), Page("POST", f"{ONE}/hasten", Scope.OPERATE, hasten))


# The list -----------------------------------------------------------------------------------------


class ConsoleLanes(LaneListing):
    """What the page lists: who is behind the most, if one asks for it."""

    sort: Literal[
        "receiver", "-receiver", "module", "-module", "-backlog", "backlog", "-age_s", "age_s",
        "-not_taken", "not_taken", "-oldest_gap_s", "oldest_gap_s",
    ] = "receiver"  # fmt: skip


async def fetch(visit: Visit, given: ConsoleLanes) -> Items[LaneItem]:
    viewer = visit.viewer
    found: list[LaneItem] = []
    asked: LaneListing = given.model_copy(update={"limit": MAX_ITEMS, "next": None})
    while True:
        page = await list_lanes(visit.parts.admin, asked, lambda item: _sees_item(viewer, item))
        found += [_told_to(viewer, item) for item in page.items]
        if page.next is None:
            break
        asked = asked.model_copy(update={"next": page.next})
    by = given.sort.removeprefix("-")

    def key(item: LaneItem) -> tuple[str, str, str]:
        first = {
            "module": item.module,
            "backlog": digits(item.backlog),
            "age_s": digits(round(item.age_s)),
            "not_taken": digits(item.gaps),
            "oldest_gap_s": digits(round(item.oldest_gap_s)),
        }
        return first.get(by, ""), item.receiver, item.module

    return part_of(f"console-lanes-{given.sort}", found, given, key)


def _told_to(viewer: Viewer, item: LaneItem) -> LaneItem:
    """The hub's machines and processes are no affair of partners."""
    return item.model_copy(update={"leased_by": None}) if viewer.is_partner else item


def _sees_item(viewer: Viewer, item: LaneItem) -> bool:
    return viewer.sees_party(item.receiver)


LIST: ListPage[LaneItem, ConsoleLanes] = ListPage(
    path="/lanes",
    area="lanes",
    listing=ConsoleLanes,
    columns=(
        Column("receiver", lambda item: Code(item.receiver)),
        Column("module", lambda item: item.module),
        Column("status", lambda item: Chip(str(item.status)) if item.status else None),
        Column("backlog", lambda item: Number(item.backlog)),
        Column("age_s", lambda item: Number(item.age_s)),
        Column("backfills", lambda item: Number(item.backfills)),
        Column("not_taken", lambda item: Number(item.gaps)),
        Column("oldest_gap_s", lambda item: Number(item.oldest_gap_s)),
        Column("resting_since", lambda item: At(item.resting_since)),
        Column("leased_by", lambda item: item.leased_by),
    ),
    fetch=fetch,
    sees=_sees_item,
    link=lambda item: url("lanes", item.receiver, item.module),
    nav="nav.lanes",
    begin=("nav.relations", "/relations", Scope.READ),
    links=(("lanes.behind", "/lanes?behind=true", True),),
)


# One lane -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A lane, and some of what its receiver did not take."""

    lane: LaneItem | None
    receiver: PartyId
    module: str
    gaps: Items[GapItem]


async def load(visit: Visit) -> Found:
    given = read_form(GapListing, {**visit.place, **_next(visit)})
    admin = visit.parts.admin
    gaps = await list_gaps(admin, given)
    gaps = visit.privacy.view(gaps) if visit.privacy else gaps
    found = (await list_lanes(admin, read_form(LaneListing, visit.place))).items
    lane = _told_to(visit.viewer, found[0]) if found else None
    return Found(lane, given.receiver, given.module.value, gaps)


def sees(viewer: Viewer, found: Found) -> bool:
    return viewer.sees_party(found.receiver)


async def tell(visit: Visit, found: Found) -> Story:
    receiver, lane = str(found.receiver), found.lane
    blocks: list[Block] = [_facts(visit, found), _gaps(found)]
    if lane is not None and lane.resting_since:
        blocks.insert(0, Note(t("lanes.resting"), Tone.WARN))
    if found.gaps.next:
        more = url("lanes", receiver, found.module, next=found.gaps.next)
        blocks.append(Facts("", [(t("lanes.more"), Link(t("base.next"), more))]))
    waiting = lane.gaps if lane is not None else 0
    everything = Form(
        f"{url('lanes', receiver, found.module)}/hasten",
        t("lanes.hasten_all"),
        needs=Scope.OPERATE,
        confirm=t("lanes.hasten_sure", gaps=waiting),
    )
    return Story(
        t("lanes.one", module=found.module, receiver=receiver),
        blocks,
        state=Chip(str(lane.status)) if lane is not None and lane.status else None,
        crumbs=[(t("lanes.title"), url("lanes"))],
        deeds=[everything] if found.gaps.items else [],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ, sees=sees)


def _facts(visit: Visit, found: Found) -> Facts:
    lane = found.lane
    platform = visit.parts.admin.directory().platform_of(found.receiver)
    rows: list[tuple[str, Cell]] = [(t.label("receiver"), Code(str(found.receiver)))]
    if platform is not None:
        failures = url(
            "messages", platform=platform.platform_id, module=found.module, failed="true"
        )
        rows += [
            (t("messages.platform"), Link(platform.name, url("platforms", platform.platform_id))),
            (t("lanes.messages"), Link(t("lanes.failed_messages"), failures)),
        ]
    if lane is not None:
        rows += [
            (t.label("backlog"), [Number(lane.backlog), t("lanes.why_backlog")]),
            (t.label("age_s"), Number(lane.age_s)),
            (t.label("backfills"), Number(lane.backfills)),
            (t.label("not_taken"), Number(lane.gaps)),
            (t.label("oldest_gap_s"), Number(lane.oldest_gap_s)),
            (t.label("resting_since"), At(lane.resting_since)),
            (t.label("leased_by"), lane.leased_by),
        ]
    return Facts(t("lanes.facts"), rows)


def _gaps(found: Found) -> Grid:
    return Grid(
        t("lanes.gaps"),
        [t.label("owner"), t("lanes.object"), t.label("audience"), t("lanes.since"),
         t.label("attempts"), t.label("next_attempt_at"), "HTTP", "OCPI", t("lanes.answer")],
        [
            [
                Code(gap.owner),
                [Code(gap.id), gap.type] if gap.type else Code(gap.id),
                Code(gap.audience),
                At(gap.since),
                Number(gap.attempts),
                At(gap.next_attempt_at) if gap.next_attempt_at else t("lanes.not_before"),
                code_chip(gap.last_answer.http) if gap.last_answer else None,
                code_chip(gap.last_answer.ocpi) if gap.last_answer else None,
                gap.last_answer.message if gap.last_answer else None,
            ]
            for gap in found.gaps.items
        ],
        t("lanes.no_gaps"),
    )  # fmt: skip


# Trying again -------------------------------------------------------------------------------------


async def hasten(visit: Visit) -> Answer:
    """One object, or all that the receiver did not take."""
    given = read_form(GapListing, visit.place)
    key = read_form(GapNamed, visit.form).key(given.module) if "id" in visit.form else None
    lane = LaneId(given.receiver, given.module.value)
    done = await lanes.hasten(visit.parts.admin.access, lane, key)
    back = f"/lanes/{given.receiver}/{given.module.value}"
    return Redirect(back, (Tone.GOOD, t("lanes.hastened", due=done.due)))


def _next(visit: Visit) -> dict[str, str]:
    return {"next": visit.query["next"]} if "next" in visit.query else {}
