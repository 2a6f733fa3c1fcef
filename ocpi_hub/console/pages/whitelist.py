"""Whitelist exchange: runs, one run with what is to be decided about it, ages by relation."""

from __future__ import annotations

from ocpi_hub.admin.actions import whitelist
from ocpi_hub.admin.faults import Code as FaultCode
from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.whitelist import AgeListing, RunListing, list_ages, list_runs
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.whitelist import WhitelistAgeItem, WhitelistRunItem
from ocpi_hub.console.cells import At, Chip, Code, Link, Number, url
from ocpi_hub.console.forms import Form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.message_legs import platform_cell
from ocpi_hub.console.pages.relations import relation_url
from ocpi_hub.console.stories import Block, Facts, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.delivery.whitelist_runs import RunState
from ocpi_hub.delivery.whitelist_staleness import Freshness
from ocpi_hub.domain.objects import EVERYBODY
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.whitelist import WhitelistAdmin

ONE = "/whitelist/{run}"
_DIGITS = 18
_TONES = {
    Freshness.FRESH: Tone.GOOD,
    Freshness.NEAR: Tone.WARN,
    Freshness.STALE: Tone.BAD,
    Freshness.UNKNOWN: Tone.BAD,
}


def whitelist_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        AGES.page(),
        STORY.page(),
        Page("POST", f"{ONE}/confirm", Scope.OPERATE, confirm),
        Page("POST", f"{ONE}/discard", Scope.OPERATE, discard),
    )


# Runs ---------------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: RunListing) -> Items[WhitelistRunItem]:
    viewer = visit.viewer
    if viewer.is_partner:
        if given.platform not in (None, viewer.platform_id):
            return Items(items=(), next=None)
        given = given.model_copy(update={"platform": str(viewer.platform_id)})
    return await list_runs(WhitelistAdmin(visit.parts.admin.access.database), given)


def sees(viewer: Viewer, item: WhitelistRunItem) -> bool:
    return viewer.sees_platform(item.platform)


LIST: ListPage[WhitelistRunItem, RunListing] = ListPage(
    path="/whitelist",
    begin=("whitelist.schedules", "/whitelist-schedules", Scope.READ),
    area="whitelist",
    listing=RunListing,
    columns=(
        Column("run", lambda item: str(item.run)),
        Column("platform", lambda item: Code(item.platform)),
        Column("source", lambda item: t.word(item.source)),
        Column("extent", lambda item: t.word(item.extent)),
        Column("state", lambda item: Chip(item.state)),
        Column("started_at", lambda item: At(item.started_at)),
        Column("finished_at", lambda item: At(item.finished_at)),
        Column("seen", lambda item: Number(item.seen)),
        Column("added", lambda item: Number(item.added)),
        Column("changed", lambda item: Number(item.changed)),
        Column("absent", lambda item: Number(item.absent)),
        Column("withdrawn", lambda item: Number(item.withdrawn)),
        Column("errors", lambda item: Number(item.errors)),
    ),
    fetch=fetch,
    sees=sees,
    link=lambda item: url("whitelist", str(item.run)),
    nav="nav.whitelist",
    links=(
        ("whitelist.held", "/whitelist?state=held", True),
        ("whitelist.schedules", "/whitelist-schedules", True),
        ("whitelist.ages", "/whitelist-ages", True),
    ),
)


# One run ------------------------------------------------------------------------------------------


async def load(visit: Visit) -> WhitelistRunItem:
    return await whitelist.show(visit.parts.admin.access, _run(visit))


async def tell(visit: Visit, item: WhitelistRunItem) -> Story:
    requests = url("messages", platform=item.platform, module="tokens", since=item.started_at)
    blocks: list[Block] = [
        Facts(
            t("whitelist.facts"),
            [
                (t("whitelist.platform"), platform_cell(visit, PlatformId(item.platform))),
                (t.label("source"), t.word(item.source)),
                (t.label("extent"), t.word(item.extent)),
                (t.label("date_from"), At(item.date_from)),
                (t.label("started_at"), At(item.started_at)),
                (t.label("finished_at"), At(item.finished_at)),
                (t.label("pages"), Number(item.pages)),
                (t("whitelist.messages"), Link(t("whitelist.its_messages"), requests)),
            ],
        ),
        Facts(
            t("whitelist.figures"),
            [
                (t.label("seen"), Number(item.seen)),
                (t.label("added"), Number(item.added)),
                (t.label("changed"), Number(item.changed)),
                (t.label("absent"), Number(item.absent)),
                (t.label("withdrawn"), Number(item.withdrawn)),
                (t.label("errors"), Number(item.errors)),
            ],
        ),
    ]
    if item.note:
        tone = Tone.BAD if item.state is RunState.FAILED else Tone.WARN
        blocks.insert(0, Note(item.note, tone))
    return Story(
        t("whitelist.run", number=item.run),
        blocks,
        state=Chip(item.state),
        crumbs=[(t("whitelist.title"), url("whitelist"))],
        deeds=_deeds(item),
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ, sees=sees)


def _deeds(item: WhitelistRunItem) -> list[Form]:
    own = url("whitelist", str(item.run))
    match item.state:
        case RunState.HELD:
            return [
                Form(
                    f"{own}/confirm",
                    t("whitelist.confirm"),
                    needs=Scope.OPERATE,
                    confirm=t("whitelist.confirm_sure", absent=item.absent),
                    danger=True,
                ),
                Form(
                    f"{own}/discard",
                    t("whitelist.discard"),
                    needs=Scope.OPERATE,
                    confirm=t("whitelist.discard_sure"),
                ),
            ]
        case RunState.RUNNING:
            return [
                Form(
                    f"{own}/discard",
                    t("whitelist.stop"),
                    needs=Scope.OPERATE,
                    confirm=t("whitelist.stop_sure"),
                    danger=True,
                )
            ]
        case _:
            return []


async def confirm(visit: Visit) -> Answer:
    item = await whitelist.confirm(visit.parts.admin.access, _run(visit))
    return Redirect(f"/whitelist/{item.run}", (Tone.GOOD, t("whitelist.confirmed")))


async def discard(visit: Visit) -> Answer:
    access = visit.parts.admin.access
    before = await whitelist.show(access, _run(visit))
    item = await whitelist.discard(access, before.run)
    text = "whitelist.discarded" if before.state is RunState.HELD else "whitelist.stopped"
    return Redirect(f"/whitelist/{item.run}", (Tone.GOOD, t(text)))


def _run(visit: Visit) -> int:
    text = visit.place["run"]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page"))
    return int(text)


# Ages ---------------------------------------------------------------------------------------------


async def fetch_ages(visit: Visit, given: AgeListing) -> Items[WhitelistAgeItem]:
    return await list_ages(visit.parts.admin, given, lambda item: sees_age(visit.viewer, item))


def sees_age(viewer: Viewer, item: WhitelistAgeItem) -> bool:
    return viewer.sees_party(item.cpo, item.emsp)


AGES: ListPage[WhitelistAgeItem, AgeListing] = ListPage(
    path="/whitelist-ages",
    begin=("nav.relations", "/relations", Scope.READ),
    area="whitelist_ages",
    listing=AgeListing,
    columns=(
        Column("emsp", lambda item: Code(item.emsp)),
        Column("cpo", lambda item: Code(item.cpo)),
        Column("freshness", lambda item: Chip(item.freshness, _TONES[item.freshness])),
        Column("age_s", lambda item: Number(item.age_s)),
        Column("max_age_s", lambda item: Number(item.max_age_s)),
    ),
    fetch=fetch_ages,
    sees=sees_age,
    link=lambda item: (
        url("relations") if item.cpo == EVERYBODY else relation_url(item.cpo, item.emsp)
    ),
    links=(
        ("whitelist.runs", "/whitelist", True),
        ("whitelist.schedules", "/whitelist-schedules", True),
    ),
)
