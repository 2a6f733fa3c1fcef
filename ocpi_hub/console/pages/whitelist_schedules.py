"""When platforms' token lists are read: list, one, set, read now."""

from __future__ import annotations

from ocpi_hub.admin.actions import whitelist
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.whitelist import (
    PullBody,
    ScheduleBody,
    ScheduleListing,
    list_schedules,
)
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.whitelist import WhitelistScheduleItem
from ocpi_hub.console.cells import At, Code, Link, url
from ocpi_hub.console.forms import Form, Input, read_form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.message_legs import platform_cell
from ocpi_hub.console.stories import Ask, Facts, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.domain.party import PlatformId

ONE = "/whitelist-schedules/{platform}"


def whitelist_schedule_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        STORY.page(),
        Page("POST", f"{ONE}/set", Scope.ADMIN, configure),
        Page("POST", f"{ONE}/read", Scope.OPERATE, read_now),
    )


async def fetch(visit: Visit, given: ScheduleListing) -> Items[WhitelistScheduleItem]:
    """Platforms that have a token list or a schedule."""
    viewer = visit.viewer
    return await list_schedules(visit.parts.admin, given, lambda item: sees(viewer, item))


def sees(viewer: Viewer, item: WhitelistScheduleItem) -> bool:
    return viewer.sees_platform(item.platform)


LIST: ListPage[WhitelistScheduleItem, ScheduleListing] = ListPage(
    path="/whitelist-schedules",
    area="whitelist_schedules",
    listing=ScheduleListing,
    columns=(
        Column("platform", lambda item: Code(item.platform)),
        Column("pull", lambda item: Code(item.pull)),
        Column("next_at", lambda item: At(item.next_at)),
    ),
    fetch=fetch,
    sees=sees,
    link=lambda item: url("whitelist-schedules", item.platform),
    links=(
        ("whitelist.runs", "/whitelist", True),
        ("whitelist.ages", "/whitelist-ages", True),
    ),
)


async def load(visit: Visit) -> WhitelistScheduleItem:
    return await whitelist.show_schedule(visit.parts.admin.access, _platform(visit))


async def tell(visit: Visit, item: WhitelistScheduleItem) -> Story:
    platform = visit.parts.admin.directory().platforms.get(PlatformId(item.platform))
    own = url("whitelist-schedules", item.platform)
    return Story(
        t("whitelist_schedules.one", platform=platform.name if platform else item.platform),
        [
            Facts(
                t("whitelist_schedules.facts"),
                [
                    (t("whitelist.platform"), platform_cell(visit, PlatformId(item.platform))),
                    (t.label("pull"), Code(item.pull)),
                    (t.label("next_at"), At(item.next_at)),
                    (
                        t("whitelist.runs"),
                        Link(
                            t("whitelist_schedules.all_runs"),
                            url("whitelist", platform=item.platform),
                        ),
                    ),
                ],
            ),
            Ask(t("whitelist_schedules.change"), [_set_form(own, item)]),
            Ask(t("whitelist_schedules.read_now"), [_read_form(own)]),
        ],
        crumbs=[(t("whitelist_schedules.title"), url("whitelist-schedules"))],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ, sees=sees)


def _set_form(own: str, item: WhitelistScheduleItem) -> Form:
    return Form(
        f"{own}/set",
        t("whitelist_schedules.save"),
        (
            Input(
                "pull",
                t("whitelist_schedules.pull"),
                value=item.pull or "",
                help=t("whitelist_schedules.pull_help"),
            ),
        ),
        needs=Scope.ADMIN,
    )


def _read_form(own: str) -> Form:
    return Form(
        f"{own}/read",
        t("whitelist_schedules.read_now"),
        (Input("full", t("whitelist_schedules.full"), "checkbox"),),
        needs=Scope.OPERATE,
    )


async def configure(visit: Visit) -> Answer:
    wanted = read_form(ScheduleBody, {"pull": visit.form.get("pull", "").strip() or None})
    await whitelist.set_schedule(visit.parts.admin.access, _platform(visit), wanted.pull)
    back = visit.path.removesuffix("/set")
    return Redirect(back, (Tone.GOOD, t("whitelist_schedules.saved")))


async def read_now(visit: Visit) -> Answer:
    wanted = read_form(PullBody, visit.form)
    run = await whitelist.pull(visit.parts.admin.access, _platform(visit), full=wanted.full)
    text = t("whitelist_schedules.started", number=run.run)
    return Redirect(f"/whitelist/{run.run}", (Tone.GOOD, text))


def _platform(visit: Visit) -> PlatformId:
    return PlatformId(visit.place["platform"])
