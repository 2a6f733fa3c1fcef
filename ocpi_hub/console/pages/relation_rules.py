"""What holds the CDRs of a relation, and above what: said by operators, on top of the hub's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from ocpi_hub.admin.actions.cdr_rules import RulesChange, set_rules, show_rules
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.relations import RelationGiven
from ocpi_hub.admin.views.cdr_rules import CdrRulesItem, RelationRules
from ocpi_hub.clearing.checks import CODES, Code, Group
from ocpi_hub.console.cells import url
from ocpi_hub.console.forms import Form, Input, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Ask, Block, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Redirect, Tone, Visit
from ocpi_hub.domain.cdr_rules import LIMIT_NAMES, Weight

ONE = "/relations/{cpo}/{emsp}/rules"
AS_THE_HUB = "hub"
"""Gives a code back to what holds for the hub."""


def rule_pages() -> tuple[Page, ...]:
    return (
        STORY.page(),
        Page("POST", f"{ONE}/weights", Scope.ADMIN, set_weights),
        Page("POST", f"{ONE}/limits", Scope.ADMIN, set_limits),
    )


def rules_url(cpo: str, emsp: str) -> str:
    return url("relations", cpo, emsp, "rules")


async def load(visit: Visit) -> RelationRules:
    given = read_form(RelationGiven, visit.place)
    return await show_rules(visit.parts.admin.access, given.cpo, given.emsp)


async def tell(_: Visit, shown: RelationRules) -> Story:
    groups: dict[Group, list[Code]] = {}
    for code in CODES.values():
        groups.setdefault(code.group, []).append(code)
    blocks: list[Block] = [
        Note(t("rules.intro"), Tone.NOTE),
        Ask(t("rules.limits"), [_limits(shown)]),
        *(
            Ask(group.capitalize(), [_weights(shown, group, codes)])
            for group, codes in groups.items()
        ),
    ]
    relation = t("relations.edit", cpo=shown.cpo, emsp=shown.emsp)
    crumbs = [
        (t("relations.title"), url("relations")),
        (relation, url("relations", shown.cpo, shown.emsp)),
    ]
    return Story(t("rules.title", cpo=shown.cpo, emsp=shown.emsp), blocks, crumbs=crumbs)


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.READ)


# Forms --------------------------------------------------------------------------------------------


def _limits(shown: RelationRules) -> Form:
    return Form(
        f"{rules_url(shown.cpo, shown.emsp)}/limits",
        t("rules.save_limits"),
        tuple(
            Input(
                name,
                t(f"rules.{name}"),
                value=shown.own.limits.get(name, ""),
                help=t("rules.in_force", value=_limit(shown.in_force.limits.get(name))),
            )
            for name in LIMIT_NAMES
        ),
        needs=Scope.ADMIN,
    )


def _limit(value: str | None) -> str:
    return t("rules.off") if value is None or not Decimal(value) else value


def _weights(shown: RelationRules, group: Group, codes: list[Code]) -> Form:
    own, in_force = _by_code(shown.own), _by_code(shown.in_force)
    return Form(
        f"{rules_url(shown.cpo, shown.emsp)}/weights",
        t("rules.save", group=group),
        tuple(
            Input(
                each.code,
                each.code,
                "select",
                own.get(each.code, AS_THE_HUB),
                _choices(in_force.get(each.code), said=each.code in own),
                help=each.meaning,
            )
            for each in codes
        ),
        needs=Scope.ADMIN,
    )


def _choices(now: str | None, *, said: bool) -> list[tuple[str, str]]:
    """What the relation does not say is what is in force without it."""
    hub = t("rules.as_the_hub") if said or now is None else t("rules.as_hub", weight=t.word(now))
    return [(AS_THE_HUB, hub), *((weight.value, t.word(weight)) for weight in Weight)]


def _by_code(rules: CdrRulesItem) -> Mapping[str, str]:
    weights = ((Weight.HOLD, rules.hold), (Weight.FLAG, rules.flag), (Weight.OFF, rules.off))
    return {code: weight.value for weight, codes in weights for code in codes}


# Deeds --------------------------------------------------------------------------------------------


async def set_weights(visit: Visit) -> Answer:
    """Only the codes of the form that was sent."""
    return await _change(visit, RulesChange(dict(_said_weights(visit.form)), {}))


def _said_weights(form: Mapping[str, str]) -> Iterator[tuple[str, Weight | None]]:
    for code, weight in form.items():
        try:
            yield code, None if weight == AS_THE_HUB else Weight(weight)
        except ValueError:
            raise invalid("weight", t("rules.no_weight")) from None


async def set_limits(visit: Visit) -> Answer:
    """All limits; an empty one is as the hub has it."""
    limits: dict[str, Decimal | None] = dict.fromkeys(LIMIT_NAMES)
    for name, text in visit.form.items():
        try:
            limits[name] = Decimal(text)
        except InvalidOperation:
            raise invalid("limit", t("rules.no_limit")) from None
    return await _change(visit, RulesChange({}, limits))


async def _change(visit: Visit, wanted: RulesChange) -> Answer:
    given = read_form(RelationGiven, visit.place)
    await set_rules(visit.parts.admin.access, given.cpo, given.emsp, wanted)
    path = rules_url(str(given.cpo), str(given.emsp)).removeprefix(BASE)
    return Redirect(path, (Tone.GOOD, t("rules.saved")))
