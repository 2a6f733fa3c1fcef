"""Relations of a new partner with those that are there, in one form."""

from __future__ import annotations

from ocpi_hub.admin.actions.relations import set_relation
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.relations import RelationGiven
from ocpi_hub.console.cells import Chip, Code, Link, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Ask, Block, Grid, Note, Story, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.directory.snapshot import CPO_SIDE, EMSP_SIDE, Directory
from ocpi_hub.domain.party import PartyId, PlatformId, RelationMode, Role
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.platform_admin import RelationChange

RELATIONS = "/platforms/{platform}/onboarding/relations"
MOST = 60
"""Pairs of one form; more are found in the matrix."""

_MODES = frozenset(mode.value for mode in RelationMode)

Pair = tuple[PartyId, PartyId]
"""CPO and eMSP."""


def onboarding_relation_pages() -> tuple[Page, ...]:
    return (
        Page("GET", RELATIONS, Scope.READ, show, partner=True),
        Page("POST", RELATIONS, Scope.ADMIN, change),
    )


def counterparts(directory: Directory, platform_id: PlatformId) -> list[Pair]:
    """Pairs of its parties and those of other platforms."""
    own = directory.platforms[platform_id]

    def parties(side: frozenset[Role], *, mine: bool) -> set[PartyId]:
        return {
            held.party
            for platform in directory.platforms.values()
            if (platform is own) is mine
            for held in platform.roles
            if held.active and held.role in side
        }

    pairs = {
        (cpo, emsp)
        for mine in (True, False)
        for cpo in parties(CPO_SIDE, mine=mine)
        for emsp in parties(EMSP_SIDE, mine=not mine)
        if cpo != emsp
    }
    return sorted(pairs)


def has_relation(directory: Directory, pair: Pair) -> bool:
    return directory.relation(*pair).mode is not RelationMode.NONE


async def show(visit: Visit) -> Answer:
    """A partner sees those that it has a relation with, and not who else is there."""
    directory, platform_id = visit.parts.admin.directory(), PlatformId(visit.place["platform"])
    platform = directory.platforms.get(platform_id)
    if platform is None or not visit.viewer.sees_platform(platform_id):
        raise NoSuchObject(t("base.no_such_page"))
    pairs = counterparts(directory, platform_id)
    if visit.viewer.is_partner:
        pairs = [pair for pair in pairs if has_relation(directory, pair)]
    blocks: list[Block] = [
        Grid(
            t("onboarding.stage_relations"),
            [t.label("cpo"), t.label("emsp"), t("relations.mode")],
            [
                [
                    Code(str(cpo)),
                    Code(str(emsp)),
                    [
                        Chip(directory.relation(cpo, emsp).mode),
                        Link(t("onboarding.details"), url("relations", str(cpo), str(emsp))),
                    ],
                ]
                for cpo, emsp in pairs[:MOST]
            ],
            t("onboarding.no_counterparts"),
        )
    ]
    if len(pairs) > MOST:
        blocks.append(Note(t("onboarding.more_pairs", shown=MOST, all=len(pairs))))
    if pairs:
        blocks.append(Ask(t("onboarding.choose"), [_form(directory, platform_id, pairs[:MOST])]))
    return told(
        visit,
        Story(
            t("onboarding.relations_title", who=platform.name),
            blocks,
            crumbs=[
                (platform.name, url("platforms", platform_id)),
                (t("onboarding.title"), url("platforms", platform_id, "onboarding")),
            ],
        ),
    )


def _form(directory: Directory, platform_id: PlatformId, pairs: list[Pair]) -> Form:
    return Form(
        url("platforms", platform_id, "onboarding", "relations"),
        t("onboarding.save_relations"),
        tuple(
            Input(
                f"{cpo}/{emsp}",
                t("onboarding.pair", cpo=cpo, emsp=emsp),
                "select",
                directory.relation(cpo, emsp).mode,
                choices(tuple(RelationMode)),
            )
            for cpo, emsp in pairs
        ),
        needs=Scope.ADMIN,
    )


async def change(visit: Visit) -> Answer:
    """Set those that were chosen otherwise than they are: about the others nobody has decided."""
    directory, platform_id = visit.parts.admin.directory(), PlatformId(visit.place["platform"])
    if platform_id not in directory.platforms:
        raise NoSuchObject(t("base.no_such_page"))
    known = set(counterparts(directory, platform_id))
    changed = 0
    for name, value in list(visit.form.items())[:MOST]:
        cpo, _, emsp = name.partition("/")
        given = read_form(RelationGiven, {"cpo": cpo, "emsp": emsp})
        if value not in _MODES or (given.cpo, given.emsp) not in known:
            raise invalid("mode", t("onboarding.not_a_mode"))
        mode = RelationMode(value)
        if directory.relation(given.cpo, given.emsp).mode is not mode:
            wanted = RelationChange(mode=mode)
            await set_relation(visit.parts.admin.access, given.cpo, given.emsp, wanted)
            changed += 1
    text = t("onboarding.relations_saved", changed=changed)
    return Redirect(f"/platforms/{platform_id}/onboarding", (Tone.GOOD, text))
