"""One platform on its way on board: what is done, what is missing, what to do next.

The operator and the partner's engineer see the same page, each what it may do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocpi_hub.admin.actions import platforms
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.platforms import PlatformDetails
from ocpi_hub.console.cells import Cell, Chip, Code, html, url
from ocpi_hub.console.forms import Form, Input, offered
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.onboarding import (
    EVERY_S,
    connect_again,
    onboarding_url,
    told_invitation,
)
from ocpi_hub.console.pages.onboarding_relations import counterparts, has_relation
from ocpi_hub.console.pages.onboarding_steps import shown_steps
from ocpi_hub.console.stories import Facts
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Live, Redirect, Shown, Tone, Visit
from ocpi_hub.directory.snapshot import CPO_SIDE, EMSP_SIDE
from ocpi_hub.domain.party import InterfaceRole, Platform, PlatformId, PlatformState
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.check_runs import CheckRuns
from ocpi_hub.store.handshake_steps import PostgresSteps

ONE = "/platforms/{platform}"
_NOT_YET = (PlatformState.INVITED, PlatformState.CONNECTING, PlatformState.DISCONNECTED)
_S, _R = InterfaceRole.SENDER, InterfaceRole.RECEIVER
_NEEDED = {
    "cpo": [("locations", _S), ("sessions", _S), ("cdrs", _S), ("tokens", _R), ("commands", _R)],
    "emsp": [("locations", _R), ("sessions", _R), ("cdrs", _R), ("tokens", _S)],
}
"""Interfaces without which traffic of a side cannot flow."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way.

    Attributes:
        missing: what is left to do, in sentences.
    """

    title: str
    tone: Tone
    state: str
    href: str
    missing: Sequence[str] = ()


def onboarding_platform_pages() -> tuple[Page, ...]:
    way = f"{ONE}/onboarding"
    return (
        Page("GET", way, Scope.READ, show, partner=True),
        Page("GET", f"{way}/live", Scope.READ, live, partner=True),
        Page("POST", f"{ONE}/invitation", Scope.ADMIN, renew),
        Page("POST", f"{ONE}/rotate", Scope.ADMIN, rotate),
        Page("POST", f"{ONE}/revoke", Scope.ADMIN, revoke),
        Page("POST", f"{ONE}/remove", Scope.ADMIN, remove),
    )


async def own_platform(visit: Visit) -> PlatformId:
    """The platform of the path.

    Raises:
        NoSuchObject: there is none, as far as the viewer is told.
    """
    platform_id = PlatformId(visit.place["platform"])
    admin = visit.parts.admin
    if not visit.viewer.sees_platform(platform_id):
        raise NoSuchObject(t("base.no_such_page"))
    if platform_id not in admin.directory().platforms:
        # It was made a moment ago, perhaps, in another process.
        await admin.keeper.refresh()
        if platform_id not in admin.directory().platforms:
            raise NoSuchObject(t("base.no_such_page"))
    return platform_id


async def show(visit: Visit) -> Answer:
    platform_id = await own_platform(visit)
    shown = await platforms.show(visit.parts.admin.access, platform_id)
    forms = offered(registration_deeds(shown), visit.viewer)
    intro = "onboarding.intro_partner" if visit.viewer.is_partner else "onboarding.intro"
    return Shown(
        "onboarding_platform.html",
        t("onboarding.platform_title", who=shown.name),
        {
            **await _now(visit, platform_id),
            "name": shown.name,
            "crumbs": _crumbs(visit.viewer, shown),
            "intro": t(intro),
            "live": f"{onboarding_url(platform_id)}/live",
            "forms": forms,
        },
    )  # fmt: skip


async def live(visit: Visit) -> Answer:
    platform_id = await own_platform(visit)
    return Live("onboarding_now.html", lambda: _now(visit, platform_id), EVERY_S)


def _crumbs(viewer: Viewer, shown: PlatformDetails) -> list[tuple[str, str]]:
    own = (shown.name, url("platforms", shown.platform))
    return [own] if viewer.is_partner else [(t("onboarding.title"), url("onboarding")), own]


def _facts(visit: Visit, platform: Platform) -> Facts:
    base = visit.parts.admin.onboarding.versions_url
    parties = [f"{held.party} {held.role}" for held in platform.roles if held.active]
    others = [f"{held.party} {held.role}" for held in platform.roles if not held.active]
    rows: list[tuple[str, Cell]] = [
        (t("onboarding.hub_versions"), Code(base)),
        (t("onboarding.their_versions"), Code(platform.versions_url)),
        (t.label("version"), platform.version),
        (t("platforms.parties"), ", ".join(parties)),
    ]
    # It was expected with these, or had them: whoever looks for a party here has to find out.
    if others and platform.state is PlatformState.CONNECTED:
        rows.append((t("onboarding.not_registered"), ", ".join(others)))
    return Facts(t("onboarding.addresses"), rows)


async def _now(visit: Visit, platform_id: PlatformId) -> Mapping[str, object]:
    admin = visit.parts.admin
    platform = admin.directory().platforms.get(platform_id)
    if platform is None:  # It was removed while somebody looked.
        return {"stages": [], "steps": [], "state": "", "next": None, "facts": Facts("", [])}
    noted = await PostgresSteps(admin.access.database).of_platform(platform_id)
    found = [
        _handshake(platform),
        await _self_test(visit, platform),
        _relations(visit, platform),
        await _traffic(visit, platform),
    ]
    todo = next((stage for stage in found if stage.tone is not Tone.GOOD), None)
    return {
        "stages": found,
        "steps": shown_steps(noted),
        "state": html(Chip(platform.state)),
        "next": todo,
        "facts": _facts(visit, platform),
    }


def _handshake(platform: Platform) -> Stage:
    title, href = t("onboarding.stage_handshake"), f"{onboarding_url(platform.platform_id)}#steps"
    state = platform.state
    if state is PlatformState.BY_FILE:
        return Stage(title, Tone.GOOD, t("onboarding.no_handshake"), href)
    if state is PlatformState.CONNECTED:
        missing = [] if platform.online else [t("onboarding.missing_online")]
        missing += _interfaces(platform)
        return Stage(title, Tone.WARN if missing else Tone.GOOD, t.word(state), href, missing)
    return Stage(
        title,
        Tone.NOTE if state is PlatformState.INVITED else Tone.WARN,
        t.word(state),
        href,
        [t(f"onboarding.missing_{state}")],
    )


def _interfaces(platform: Platform) -> list[str]:
    roles = {held.role for held in platform.roles if held.active}
    sides = (("cpo", CPO_SIDE), ("emsp", EMSP_SIDE))
    lacking = sorted(
        {
            f"{module} {role}"
            for name, side in sides
            if roles & side
            for module, role in _NEEDED[name]
            if (module, role) not in platform.endpoints
        }
    )
    return [t("onboarding.missing_interfaces", names=", ".join(lacking))] if lacking else []


async def _self_test(visit: Visit, platform: Platform) -> Stage:
    title, href = t("onboarding.stage_test"), url("platforms", platform.platform_id, "checks")
    if platform.state is PlatformState.BY_FILE:
        return Stage(title, Tone.GOOD, t("onboarding.no_handshake"), href)
    runs = await CheckRuns(visit.parts.admin.access.database).list(platform.platform_id)
    last = next((run for run in runs if run.conforms is not None), None)
    if last is None:
        return Stage(
            title, Tone.NOTE, t("onboarding.untested"), href, [t("onboarding.missing_test")]
        )
    failed = last.counts.get("failed", 0)
    state = t("onboarding.tested", passed=last.counts.get("passed", 0), failed=failed)
    missing = [] if last.conforms else [t("onboarding.missing_conformance", failed=failed)]
    return Stage(title, Tone.WARN if missing else Tone.GOOD, state, href, missing)  # fmt: skip


def _relations(visit: Visit, platform: Platform) -> Stage:
    directory = visit.parts.admin.directory()
    pairs = counterparts(directory, platform.platform_id)
    open_pairs = sum(has_relation(directory, pair) for pair in pairs)
    title, href = t("onboarding.stage_relations"), onboarding_url(platform.platform_id, "relations")
    missing = []
    if not pairs:
        missing = [t("onboarding.missing_others")]
    elif not open_pairs:
        missing = [t("onboarding.missing_relation")]
    state = t("onboarding.related", open=open_pairs)
    return Stage(title, Tone.NOTE if missing else Tone.GOOD, state, href, missing)


async def _traffic(visit: Visit, platform: Platform) -> Stage:
    roles = [held for held in platform.roles if held.active]
    found = await CheckRuns(visit.parts.admin.access.database).traffic(
        [held.party for held in roles]
    )
    kinds = {held.role for held in roles}
    missing = []
    if kinds & CPO_SIDE and not found.locations:
        missing.append(t("onboarding.missing_locations"))
    if kinds & EMSP_SIDE and not found.tokens:
        missing.append(t("onboarding.missing_tokens"))
    if not found.cdrs:
        missing.append(t("onboarding.missing_cdr"))
    state = t("onboarding.no_cdr" if not found.cdrs else "onboarding.flows")
    tone = Tone.NOTE if not found.cdrs else Tone.GOOD
    return Stage(
        t("onboarding.stage_traffic"), tone, state, url("platforms", platform.platform_id), missing
    )


# Deeds --------------------------------------------------------------------------------------------


def registration_deeds(shown: PlatformDetails) -> list[Form]:
    """What can be done about a registration."""
    own = url("platforms", shown.platform)
    invitation = Form(
        f"{own}/invitation", t("onboarding.renew"), needs=Scope.ADMIN,
        confirm=t("onboarding.renew_sure"),
    )  # fmt: skip
    revocation = Form(
        f"{own}/revoke", t("onboarding.revoke"), needs=Scope.ADMIN,
        confirm=t("onboarding.revoke_sure"), danger=True,
    )  # fmt: skip
    if shown.state is PlatformState.SUSPENDED:
        return [revocation]
    if shown.state is PlatformState.CONNECTED:
        again = Form(
            f"{own}/rotate", t("onboarding.rotate"), needs=Scope.ADMIN,
            confirm=t("onboarding.rotate_sure"),
        )  # fmt: skip
        return [again, invitation, revocation]
    if shown.state in _NOT_YET:
        return [
            invitation,
            *([connect_again(shown.versions_url, shown.name)] if shown.versions_url else []),
        ]
    return []


def removal(shown: PlatformDetails) -> Form:
    """What ends it all."""
    return Form(
        f"{url('platforms', shown.platform)}/remove",
        t("onboarding.remove"),
        (Input("force", t("onboarding.force"), "checkbox"),),
        needs=Scope.ADMIN,
        confirm=t("onboarding.remove_sure", who=shown.name),
        danger=True,
    )


async def renew(visit: Visit) -> Answer:
    admin = visit.parts.admin
    platform_id = await own_platform(visit)
    name = admin.directory().platforms[platform_id].name
    invitation = await platforms.renew_invitation(admin.access, admin.onboarding, platform_id)
    return told_invitation(invitation, name)


async def rotate(visit: Visit) -> Answer:
    return await _start_rotation(visit, now=False)


async def revoke(visit: Visit) -> Answer:
    return await _start_rotation(visit, now=True)


async def _start_rotation(visit: Visit, *, now: bool) -> Answer:
    platform_id = await own_platform(visit)
    visit.parts.errands.require_room()
    visit.parts.errands.start(_rotate(visit, platform_id, now=now))
    told = t("onboarding.revoking" if now else "onboarding.rotating")
    return Redirect(f"/platforms/{platform_id}/onboarding", (Tone.NOTE, told))


async def _rotate(visit: Visit, platform_id: PlatformId, *, now: bool) -> None:
    admin = visit.parts.admin
    await platforms.rotate(admin.access, admin.onboarding, platform_id, now=now)


async def remove(visit: Visit) -> Answer:
    platform_id = await own_platform(visit)
    access = visit.parts.admin.access
    await platforms.remove(access, platform_id, force="force" in visit.form)
    return Redirect("/platforms", (Tone.GOOD, t("onboarding.removed")))
