"""Platforms: list, one platform, suspend, resume, set."""

from __future__ import annotations

import json
from enum import StrEnum

from pydantic import Field

from ocpi_hub.admin.actions import platforms
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.platforms import PlatformListing, PlatformSettings
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.platforms import (
    PlatformDetails,
    PlatformItem,
    PlatformParty,
    platform_item,
)
from ocpi_hub.admin.views.quality import QualityItem, quality_item
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.in_memory import part_of
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.onboarding import onboarding_url
from ocpi_hub.console.pages.onboarding_platform import registration_deeds, removal
from ocpi_hub.console.pages.partner import account_form
from ocpi_hub.console.stories import Ask, Block, Body, Facts, Grid, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PlatformId, PlatformState, Quirk

ONE = "/platforms/{platform}"
_DIGITS = 9


class PlatformOrder(StrEnum):
    """Ways to sort platforms."""

    PLATFORM = "platform"
    PLATFORM_DOWN = "-platform"
    NAME = "name"
    NAME_DOWN = "-name"


class ConsolePlatforms(PlatformListing):
    """What the page lists."""

    q: str | None = Field(None, max_length=100, description="part of a name or an id")
    sort: PlatformOrder = PlatformOrder.PLATFORM


def platform_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        STORY.page(),
        Page("POST", f"{ONE}/suspend", Scope.OPERATE, suspend),
        Page("POST", f"{ONE}/resume", Scope.OPERATE, resume),
        Page("POST", f"{ONE}/set", Scope.ADMIN, configure),
    )


def platform_url(platform_id: str) -> str:
    return url("platforms", platform_id)


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: ConsolePlatforms) -> Items[PlatformItem]:
    directory = visit.parts.admin.directory()
    word = (given.q or "").casefold()
    found = [
        platform_item(platform)
        for platform in directory.platforms.values()
        if visit.viewer.sees_platform(platform.platform_id)
        and given.state in (None, platform.state)
        and (given.party is None or directory.platform_of(given.party) is platform)
        and (word in platform.name.casefold() or word in platform.platform_id.casefold())
    ]
    by_name = given.sort in (PlatformOrder.NAME, PlatformOrder.NAME_DOWN)
    return part_of(
        f"console-platforms-{given.sort}",
        found,
        given,
        lambda item: (item.name.casefold() if by_name else "", item.platform),
    )


def _sees(viewer: Viewer, item: PlatformItem) -> bool:
    return viewer.sees_platform(item.platform)


LIST: ListPage[PlatformItem, ConsolePlatforms] = ListPage(
    path="/platforms",
    area="platforms",
    listing=ConsolePlatforms,
    columns=(
        Column("platform", lambda item: Code(item.platform)),
        Column("name", lambda item: item.name),
        Column("state", lambda item: Chip(item.state)),
        Column("parties", lambda item: [_party(held) for held in item.parties]),
        Column("version", lambda item: item.version),
        Column("quirks", lambda item: [Chip(quirk) for quirk in item.quirks]),
    ),
    fetch=fetch,
    sees=_sees,
    link=lambda item: platform_url(item.platform),
    search="q",
    nav="nav.platforms",
    begin=("onboarding.begin", "/onboarding", Scope.ADMIN),
)


def _party(held: PlatformParty) -> Cell:
    """That it does not answer is nothing that its platform's state says."""
    offline = [Chip(held.status)] if held.status is PartyStatus.OFFLINE else []
    return [Code(held.party), Chip(held.role), *offline]


# One platform -------------------------------------------------------------------------------------


async def load(visit: Visit) -> PlatformDetails:
    return await platforms.show(visit.parts.admin.access, _id(visit))


async def tell(visit: Visit, shown: PlatformDetails) -> Story:
    mistakes = [
        quality_item(row)
        for row in await visit.parts.admin.quality.list(PlatformId(shown.platform))
    ]
    blocks: list[Block] = [
        _facts(visit, shown),
        Grid(
            t("platforms.parties"),
            [t.label("party"), t.label("role"), t.label("state")],
            [[Code(held.party), held.role, Chip(held.status)] for held in shown.parties],
            t("platforms.no_parties"),
        ),
        Grid(
            t("platforms.endpoints"),
            [t.label("module"), t.label("role"), t.label("url")],
            [[each.module, each.role, Code(each.url)] for each in shown.endpoints],
            t("platforms.no_endpoints"),
        ),
        _quality(mistakes),
        *(
            Body(f"{t('platforms.business')}: {held.party} {held.role}", json.dumps(held.details))
            for held in shown.business_details
        ),
        Ask(t("platforms.settings"), [_settings(shown)]),
        Ask(t("platforms.logins"), [account_form(shown.platform)]),
        Ask(t("onboarding.remove_title"), [removal(shown)]),
    ]
    if shown.circuit is not None:
        text = t(
            "platforms.circuit", since=shown.circuit.opened_at, next=shown.circuit.next_probe_at
        )
        blocks.insert(0, Note(text, Tone.BAD))
    return Story(
        shown.name,
        blocks,
        state=[Chip(shown.state), _online(shown)] if shown.version else Chip(shown.state),
        crumbs=[(t("platforms.title"), url("platforms"))],
        deeds=_deeds(shown),
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, sees=_sees)


def _facts(visit: Visit, shown: PlatformDetails) -> Facts:
    audit = Link(t("nav.audit"), url("audit", object=shown.platform))
    return Facts(
        t("platforms.facts"),
        [
            (t.label("platform"), Code(shown.platform)),
            (t.label("version"), shown.version),
            (t.label("versions_url"), Code(shown.versions_url)),
            (t.label("created_at"), At(shown.created_at)),
            (t.label("connected_at"), At(shown.connected_at)),
            (t.label("last_contact_at"), At(shown.last_contact_at)),
            (t.label("invitation_expires_at"), At(shown.invitation_expires_at)),
            (t.label("resumes_as"), Chip(shown.resumes_as)),
            (t.label("quirks"), [Chip(quirk) for quirk in shown.quirks]),
            (t.label("page_limit"), shown.page_limit),
            (t.label("catch_up"), shown.catch_up),
            (t.label("custom_modules"), [Code(name) for name in shown.custom_modules]),
            (t("platforms.allow"), [Code(party) for party in shown.allowed_parties]),
            (t("platforms.way"), _way(shown)),
            (t("nav.messages"), _messages(shown)),
            *([(t("platforms.changes"), audit)] if visit.viewer.may(Scope.OPERATE) else []),
        ],
    )


def _messages(shown: PlatformDetails) -> Cell:
    return [
        Link(t("platforms.all_messages"), url("messages", platform=shown.platform)),
        Link(t("messages.failures"), url("messages", platform=shown.platform, failed="true")),
    ]


def _way(shown: PlatformDetails) -> Cell:
    return [
        Link(t("nav.onboarding"), onboarding_url(shown.platform)),
        Link(t("checks.crumb"), url("platforms", shown.platform, "checks")),
        Link(t("nav.relations"), onboarding_url(shown.platform, "relations")),
    ]


def _online(shown: PlatformDetails) -> Cell:
    if shown.online:
        return Chip(t("platforms.online"), Tone.GOOD)
    return Chip(t("platforms.offline"), Tone.WARN)


def _quality(mistakes: list[QualityItem]) -> Grid:
    return Grid(
        t("platforms.quality"),
        [t.label(name) for name in ("module", "rule", "count", "last_at", "example")],
        [
            [item.module, item.rule, Number(item.count), At(item.last_at),
             f"{item.example.field or ''} {item.example.shape}".strip()]
            for item in mistakes
        ],
        t("platforms.no_quality"),
    )  # fmt: skip


def _deeds(shown: PlatformDetails) -> list[Form]:
    own = platform_url(shown.platform)
    if shown.state is PlatformState.SUSPENDED:
        resumption = Form(f"{own}/resume", t("platforms.resume"), needs=Scope.OPERATE)
        return [resumption, *registration_deeds(shown)]
    again = [form for form in registration_deeds(shown) if not form.inputs]
    return [
        *again,
        Form(
            f"{own}/suspend",
            t("platforms.suspend"),
            needs=Scope.OPERATE,
            confirm=t("platforms.suspend_sure"),
            danger=True,
        ),
    ]


def _settings(shown: PlatformDetails) -> Form:
    return Form(
        f"{platform_url(shown.platform)}/set",
        t("platforms.set"),
        (
            Input("name", t.label("name"), value=shown.name, required=True),
            Input(
                "page_limit", t.label("page_limit"), "number", str(shown.page_limit or 0),
                help=t("platforms.page_limit_help"),
            ),
            Input(
                "catch_up", t.label("catch_up"), "select", shown.catch_up,
                choices(("push", "pull", "none")), t("platforms.catch_up_help"),
            ),
            Input("allow_parties", t("platforms.allow"), help=t("platforms.allow_help")),
            *(
                Input(
                    f"quirk.{quirk}",
                    t.label(quirk),
                    "checkbox",
                    "true" if quirk in shown.quirks else "",
                )
                for quirk in Quirk
            ),
        ),
        needs=Scope.ADMIN,
    )  # fmt: skip


# Deeds --------------------------------------------------------------------------------------------


async def suspend(visit: Visit) -> Answer:
    await platforms.suspend(visit.parts.admin.access, _id(visit))
    return Redirect(visit.path.removesuffix("/suspend"), (Tone.GOOD, t("platforms.suspended")))


async def resume(visit: Visit) -> Answer:
    await platforms.resume(visit.parts.admin.access, _id(visit))
    return Redirect(visit.path.removesuffix("/resume"), (Tone.GOOD, t("platforms.resumed")))


async def configure(visit: Visit) -> Answer:
    form = visit.form
    limit = form.get("page_limit", "0")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= _DIGITS):
        raise invalid("page_limit", t("platforms.page_limit_wrong", digits=_DIGITS))
    settings = read_form(
        PlatformSettings,
        {
            "name": form.get("name"),
            "page_limit": int(limit),
            "catch_up": form.get("catch_up"),
            "allow_parties": tuple(form.get("allow_parties", "").split()),
            "quirks": {quirk: f"quirk.{quirk}" in form for quirk in Quirk},
        },
    )
    await platforms.configure(visit.parts.admin.access, _id(visit), settings.change)
    return Redirect(visit.path.removesuffix("/set"), (Tone.GOOD, t("platforms.saved")))


def _id(visit: Visit) -> PlatformId:
    return PlatformId(visit.place["platform"])
