"""How rules for the checks of CDRs look."""

from __future__ import annotations

from ocpi_hub.admin.views.base import PartyText, View
from ocpi_hub.domain.cdr_rules import CdrRules, Weight


class CdrRulesItem(View):
    """Codes by what they weigh, and limits by name; money in each CDR's own currency."""

    hold: tuple[str, ...]
    flag: tuple[str, ...]
    off: tuple[str, ...]
    limits: dict[str, str]


class RelationRules(View):
    """What a relation says itself, and what is in force for its CDRs."""

    cpo: PartyText
    emsp: PartyText
    own: CdrRulesItem
    in_force: CdrRulesItem


class CdrsAsked(View):
    """How many CDRs are examined again, soon."""

    asked: int


def cdr_rules_item(rules: CdrRules) -> CdrRulesItem:
    def of(wanted: Weight) -> tuple[str, ...]:
        return tuple(code for code, weight in rules.weights if weight is wanted)

    return CdrRulesItem(
        hold=of(Weight.HOLD),
        flag=of(Weight.FLAG),
        off=of(Weight.OFF),
        limits={name: f"{limit:f}" for name, limit in rules.limits.given().items()},
    )
