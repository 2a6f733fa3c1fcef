"""Bringing a partner on board: invite it, connect to it, or serve it by file."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from ocpi_hub.admin.actions import platforms
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.onboarding import Connection, FilePlatform, NewPlatform
from ocpi_hub.admin.views.platforms import InvitationView
from ocpi_hub.console.cells import At, Chip, Code, Link, url
from ocpi_hub.console.forms import Form, Input, offered, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.onboarding_steps import shown_steps
from ocpi_hub.console.stories import Grid
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Live, Redirect, Shown, Tone, Visit
from ocpi_hub.domain.party import CredentialsToken, PlatformState
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.registration.steps import Attempt
from ocpi_hub.store.handshake_steps import PostgresSteps

ATTEMPT = "/onboarding/attempts/{attempt}"
EVERY_S = 1.0
_UNFINISHED = (PlatformState.INVITED, PlatformState.CONNECTING, PlatformState.DISCONNECTED)
_MOST = 50
_URL = re.compile(r"GET (https?://\S+)", re.IGNORECASE)


def onboarding_pages() -> tuple[Page, ...]:
    return (
        Page("GET", "/onboarding", Scope.READ, show, partner=True, nav="nav.onboarding"),
        Page("POST", "/onboarding/invite", Scope.ADMIN, invite),
        Page("POST", "/onboarding/connect", Scope.ADMIN, connect),
        Page("POST", "/onboarding/by-file", Scope.ADMIN, by_file),
        Page("GET", ATTEMPT, Scope.READ, attempt),
        Page("GET", f"{ATTEMPT}/live", Scope.READ, attempt_live),
    )


def onboarding_url(platform: str, *more: str) -> str:
    return url("platforms", platform, "onboarding", *more)


async def show(visit: Visit) -> Answer:
    """Where it begins, and what is not finished. A partner goes on with its own platform."""
    viewer = visit.viewer
    if viewer.is_partner:
        return Redirect(f"/platforms/{viewer.platform_id}/onboarding")
    forms = [("invite", _invite()), ("connect", _connect()), ("by_file", _by_file())]
    return Shown(
        "onboarding.html",
        t("onboarding.title"),
        {
            "ways": [
                {
                    "form": form,
                    "title": t(f"onboarding.{way}_title"),
                    "help": t(f"onboarding.{way}_help"),
                }
                for way, form in forms
                if offered([form], viewer)
            ],
            "grids": [_unfinished(visit), await _attempts(visit)],
        },
    )


def _invite() -> Form:
    return Form(
        url("onboarding", "invite"),
        t("onboarding.invite"),
        (_name(required=True), _parties("expected_parties", required=False)),
        needs=Scope.ADMIN,
    )


def _connect(versions_url: str = "", name: str = "") -> Form:
    token = Input(
        "token", t("onboarding.token"), "password", required=True, help=t("onboarding.token_help")
    )
    return Form(
        url("onboarding", "connect"),
        t("onboarding.connect"),
        (
            _name(name, required=False),
            Input("versions_url", t("label.versions_url"), value=versions_url, required=True),
            token,
            Input("allow_parties", t("platforms.allow"), help=t("platforms.allow_help")),
        ),
        needs=Scope.ADMIN,
    )


def connect_again(versions_url: str, name: str) -> Form:
    """For a partner that was connected, or nearly."""
    return _connect(versions_url, name)


def _by_file() -> Form:
    return Form(
        url("onboarding", "by-file"),
        t("onboarding.by_file"),
        (_name(required=True), _parties("parties", required=True)),
        needs=Scope.ADMIN,
    )


def _name(value: str = "", *, required: bool) -> Input:
    return Input("name", t("label.name"), value=value, required=required)


def _parties(name: str, *, required: bool) -> Input:
    text = t("onboarding.parties_help")
    return Input(name, t("onboarding.parties"), "area", help=text, required=required)


def _unfinished(visit: Visit) -> Grid:
    waiting = sorted(
        (platform.name, platform.platform_id, platform.state)
        for platform in visit.parts.admin.directory().platforms.values()
        if platform.state in _UNFINISHED
    )
    return Grid(
        t("onboarding.unfinished"),
        [t.label("name"), t.label("platform"), t.label("state")],
        [
            [Link(name, onboarding_url(platform_id)), Code(platform_id), Chip(state)]
            for name, platform_id, state in waiting[:_MOST]
        ],
        t("onboarding.none_unfinished"),
    )


async def _attempts(visit: Visit) -> Grid:
    steps = PostgresSteps(visit.parts.admin.access.database)
    return Grid(
        t("onboarding.attempts"),
        [t.label("at"), t("onboarding.last_step"), t("onboarding.said")],
        [
            [
                At(noted.at),
                Link(
                    noted.step.request or t(f"onboarding.step_{noted.step.name}"),
                    url("onboarding", "attempts", str(noted.attempt.attempt_id)),
                ),
                noted.step.said,
            ]
            for noted in await steps.without_platform()
        ],
        t("onboarding.no_attempts"),
    )


# Deeds --------------------------------------------------------------------------------------------


async def invite(visit: Visit) -> Answer:
    form = visit.form
    wanted = read_form(
        NewPlatform,
        {
            "name": form.get("name", ""),
            "expected_parties": _read_parties(visit, "expected_parties"),
        },
    )
    invitation = await platforms.invite(
        visit.parts.admin.onboarding,
        wanted.name,
        expect=[party.expected() for party in wanted.expected_parties],
    )
    return told_invitation(invitation, wanted.name)


def told_invitation(invitation: InvitationView, name: str) -> Answer:
    """The page is the only place where the token stands: the hub keeps its digest."""
    return Shown(
        "invitation.html",
        t("onboarding.invited_title"),
        {
            "name": name,
            "crumbs": [(t("onboarding.title"), url("onboarding"))],
            "facts": [
                (t("label.versions_url"), invitation.versions_url, "copy-url"),
                (t("onboarding.token"), invitation.token, "copy-token"),
            ],
            "next": onboarding_url(invitation.platform),
        },
    )


async def connect(visit: Visit) -> Answer:
    form = visit.form
    wanted = read_form(
        Connection,
        {
            "name": form.get("name"),
            "versions_url": form.get("versions_url", "").strip(),
            "token": form.get("token", "").strip(),
            "allow_parties": tuple(form.get("allow_parties", "").split()),
        },
    )
    attempt = Attempt.new()
    visit.parts.errands.require_room()
    visit.parts.errands.start(_carry_out(visit, wanted, attempt))
    to = url("onboarding", "attempts", str(attempt.attempt_id), name=wanted.name or "")
    return Redirect(to.removeprefix(BASE))


async def _carry_out(visit: Visit, wanted: Connection, attempt: Attempt) -> None:
    admin = visit.parts.admin
    await platforms.connect(
        admin.access,
        admin.onboarding,
        wanted.versions_url,
        CredentialsToken(wanted.token.get_secret_value()),
        name=wanted.name,
        permit=wanted.allow_parties,
        attempt=attempt,
    )


async def by_file(visit: Visit) -> Answer:
    wanted = read_form(
        FilePlatform,
        {"name": visit.form.get("name", ""), "parties": _read_parties(visit, "parties")},
    )
    expected = [party.expected() for party in wanted.parties]
    made = await platforms.serve_by_file(visit.parts.admin.access, wanted.name, expected)
    text = t("onboarding.by_file_done")
    return Redirect(f"/platforms/{made.platform}/onboarding", (Tone.GOOD, text))


def _read_parties(visit: Visit, name: str) -> list[dict[str, str]]:
    """Lines of a party and a role.

    Raises:
        Refusal: one is something else.
    """
    found = []
    for line in re.split(r"[\n,;]+", visit.form.get(name, "")):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise invalid(name, t("onboarding.parties_help"))
        found.append({"party": words[0], "role": words[1].upper()})
    return found


# An attempt that has led to no platform yet -------------------------------------------------------


async def attempt(visit: Visit) -> Answer:
    """What the hub does, and what comes of it."""
    attempt_id = _attempt_id(visit)
    now = await _attempt_now(visit, attempt_id)
    tried = now["versions_url"] if now["failed"] else None
    again = _connect(str(tried), visit.query.get("name", "")) if tried else None
    return Shown(
        "attempt.html",
        t("onboarding.attempt_title"),
        {
            **now,
            "crumbs": [(t("onboarding.title"), url("onboarding"))],
            "again": again if again and offered([again], visit.viewer) else None,
        },
    )


async def attempt_live(visit: Visit) -> Answer:
    attempt_id = _attempt_id(visit)
    return Live("attempt_now.html", lambda: _attempt_now(visit, attempt_id), EVERY_S)


async def _attempt_now(visit: Visit, attempt_id: uuid.UUID) -> Mapping[str, object]:
    name = visit.query.get("name", "")
    noted = await PostgresSteps(visit.parts.admin.access.database).of_attempt(attempt_id)
    platform = next((each.attempt.platform_id for each in noted if each.attempt.platform_id), None)
    asked = _URL.match(noted[0].step.request) if noted else None
    return {
        "steps": shown_steps(noted),
        "failed": bool(noted and noted[-1].step.failure),
        "next": onboarding_url(platform) if platform else None,
        "again_url": url("onboarding", "attempts", str(attempt_id), name=name),
        "versions_url": asked[1] if asked else None,
        "connect_to": url("onboarding", "attempts", str(attempt_id), "live", name=name),
    }


def _attempt_id(visit: Visit) -> uuid.UUID:
    try:
        return uuid.UUID(visit.place["attempt"])
    except ValueError:
        raise NoSuchObject(t("base.no_such_page")) from None
