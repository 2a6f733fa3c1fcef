"""Relations: the matrix of CPOs and eMSPs, and one relation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ocpi_hub.admin.actions.relations import set_relation
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.relations import RelationGiven, RelationSettings
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.relations import RelationItem, relation_item
from ocpi_hub.console.cells import Cell, Chip, Code, Link, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.relation_rules import rules_url
from ocpi_hub.console.stories import Ask, Facts, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Shown, Tone, Visit
from ocpi_hub.directory.snapshot import CPO_SIDE, EMSP_SIDE, Directory
from ocpi_hub.domain.party import CdrExchange, Fallback, PartyId, RelationMode, Role
from ocpi_hub.store.platform_admin import RelationChange

ONE = "/relations/{cpo}/{emsp}"
MOST_PARTIES = 60
"""Of a side: a matrix of more is not read by anybody."""

_TONES = {RelationMode.REALTIME: "good", RelationMode.WHITELIST: "note", RelationMode.NONE: ""}


def relation_pages() -> tuple[Page, ...]:
    return (
        Page("GET", "/relations", Scope.READ, matrix, partner=True, nav="nav.relations"),
        STORY.page(),
        Page("POST", ONE, Scope.ADMIN, change),
    )


def relation_url(cpo: str, emsp: str) -> str:
    return url("relations", cpo, emsp)


# The matrix ---------------------------------------------------------------------------------------


async def matrix(visit: Visit) -> Answer:
    """A partner sees the lines and columns of its own parties, and who stands against them."""
    directory = visit.parts.admin.directory()
    viewer, word = visit.viewer, visit.query.get("q", "").casefold()
    names = _names(directory)
    cpos, emsps = (_side(directory, side) for side in (CPO_SIDE, EMSP_SIDE))
    if viewer.is_partner:
        cpos, emsps = _met(directory, viewer, cpos, emsps)
    kept = [
        [party for party in side if word in f"{party} {names.get(party, '')}".casefold()]
        for side in (cpos, emsps)
    ]
    # A word that names one side only leaves the other one whole.
    cpos, emsps = (found or side for found, side in zip(kept, (cpos, emsps), strict=True))
    many = max(len(cpos), len(emsps))
    note = t("relations.too_many", shown=MOST_PARTIES, all=many) if many > MOST_PARTIES else ""
    cpos, emsps = cpos[:MOST_PARTIES], emsps[:MOST_PARTIES]
    default = t.word(str(visit.parts.admin.access.settings.default_relation))
    return Shown(
        "relations.html",
        t("relations.title"),
        {
            "intro": t("relations.intro", default=default),
            "q": visit.query.get("q", ""),
            "begin": (t("onboarding.begin"), url("onboarding"))
            if viewer.may(Scope.ADMIN)
            else None,
            "note": note,
            "emsps": [{"party": str(emsp), "name": names.get(emsp, "")} for emsp in emsps],
            "cpos": [
                {
                    "party": str(cpo),
                    "name": names.get(cpo, ""),
                    "cells": [_cell(directory, viewer, cpo, emsp) for emsp in emsps],
                }
                for cpo in cpos
            ],
        },
    )


def _cell(
    directory: Directory, viewer: Viewer, cpo: PartyId, emsp: PartyId
) -> Mapping[str, object]:
    if cpo == emsp or not viewer.sees_party(cpo, emsp):
        return {"href": None, "text": "", "tone": "", "default": True, "emsp": str(emsp)}
    relation = directory.relation(cpo, emsp)
    return {
        "href": relation_url(str(cpo), str(emsp)),
        "text": t.word(relation.mode),
        "tone": _TONES[relation.mode],
        "default": (cpo, emsp) not in directory.relations,
        "emsp": str(emsp),
    }


def _side(directory: Directory, roles: frozenset[Role]) -> list[PartyId]:
    return sorted(
        {
            held.party
            for platform in directory.platforms.values()
            for held in platform.roles
            if held.role in roles
        }
    )


def _met(
    directory: Directory, viewer: Viewer, cpos: Sequence[PartyId], emsps: Sequence[PartyId]
) -> tuple[list[PartyId], list[PartyId]]:
    """What a partner sees of both sides: its own parties, and those that these have a relation
    with."""
    own = viewer.parties
    pairs = {(cpo, emsp) for cpo in cpos if cpo in own for emsp in emsps}
    pairs |= {(cpo, emsp) for emsp in emsps if emsp in own for cpo in cpos}
    related = (pair for pair in pairs if directory.relation(*pair).mode is not RelationMode.NONE)
    seen = own.union(*related)
    return [cpo for cpo in cpos if cpo in seen], [emsp for emsp in emsps if emsp in seen]


def _names(directory: Directory) -> Mapping[PartyId, str]:
    return {
        held.party: held.name or platform.name
        for platform in directory.platforms.values()
        for held in platform.roles
    }


# One relation -------------------------------------------------------------------------------------


async def load(visit: Visit) -> RelationItem:
    given = read_form(RelationGiven, visit.place)
    directory = visit.parts.admin.directory()
    return relation_item(directory.relation(given.cpo, given.emsp))


async def tell(visit: Visit, shown: RelationItem) -> Story:
    audit = Link(t("nav.audit"), url("audit", object=f"{shown.cpo}/{shown.emsp}"))
    return Story(
        t("relations.edit", cpo=shown.cpo, emsp=shown.emsp),
        [
            Facts(
                "",
                [
                    (t.label("cpo"), Code(shown.cpo)),
                    (t.label("emsp"), Code(shown.emsp)),
                    (t("relations.mode"), Chip(shown.mode)),
                    (t("relations.fallback"), t.word(shown.fallback)),
                    (t("relations.cdrs"), t.word(shown.cdrs)),
                    (t("relations.schedule"), Code(shown.cdr_schedule)),
                    (t("relations.budget"), shown.authorize_budget_ms or t("relations.default")),
                    (t("relations.whitelist_age"), _or_default(shown.whitelist_max_age_s)),
                    (t("relations.fallback_age"), _or_default(shown.fallback_max_age_s)),
                    *([] if visit.viewer.is_partner else [(t("rules.summary"), _rules(shown))]),
                    *([(t("platforms.changes"), audit)] if visit.viewer.may(Scope.OPERATE) else []),
                ],
            ),
            Ask("", [_form(shown)]),
        ],
        state=Chip(shown.mode),
        crumbs=[(t("relations.title"), url("relations"))],
    )


def _sees(viewer: Viewer, item: RelationItem) -> bool:
    return viewer.sees_party(item.cpo, item.emsp)


STORY = StoryPage(path=ONE, load=load, tell=tell, sees=_sees)


def _rules(shown: RelationItem) -> Cell:
    own = shown.cdr_rules
    said = [f"{weight}: {', '.join(codes)}" for weight, codes in (
        ("hold", own.hold), ("flag", own.flag), ("off", own.off)) if codes]  # fmt: skip
    said += [f"{name} {limit}" for name, limit in own.limits.items()]
    text = "; ".join(said) or t("rules.nothing_own")
    return [text, Link(t("rules.edit"), rules_url(shown.cpo, shown.emsp))]


def _or_default(value: int | None) -> str | int:
    return t("relations.default") if value is None else value


def _form(shown: RelationItem) -> Form:
    def number(name: str, label: str, value: int | None) -> Input:
        text = "" if value is None else str(value)
        return Input(name, label, "number", text, help=t("relations.kept"))

    return Form(
        relation_url(shown.cpo, shown.emsp),
        t("relations.save"),
        (
            Input("mode", t("relations.mode"), "select", shown.mode, choices(tuple(RelationMode))),
            Input(
                "fallback", t("relations.fallback"), "select", shown.fallback,
                choices(tuple(Fallback)),
            ),
            number("authorize_budget_ms", t("relations.budget"), shown.authorize_budget_ms),
            number("whitelist_max_age_s", t("relations.whitelist_age"), shown.whitelist_max_age_s),
            number("fallback_max_age_s", t("relations.fallback_age"), shown.fallback_max_age_s),
            Input(
                "cdrs", t("relations.cdrs"), "select", shown.cdrs, choices(tuple(CdrExchange))
            ),
            Input(
                "cdr_schedule", t("relations.schedule"), value=shown.cdr_schedule or "",
                help=t("relations.kept"),
            ),
        ),
        needs=Scope.ADMIN,
    )  # fmt: skip


async def change(visit: Visit) -> Answer:
    given = read_form(RelationGiven, visit.place)
    wanted = RelationChange(**dict(read_form(RelationSettings, visit.form)))
    await set_relation(visit.parts.admin.access, given.cpo, given.emsp, wanted)
    return Redirect(visit.path, (Tone.GOOD, t("relations.saved")))
