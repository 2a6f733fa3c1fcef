"""How relations look."""

from __future__ import annotations

from ocpi_hub.admin.views.base import PartyText, View
from ocpi_hub.admin.views.cdr_rules import CdrRulesItem, cdr_rules_item
from ocpi_hub.domain.party import CdrExchange, Fallback, Relation, RelationMode


class RelationItem(View):
    """A relation; null stands for the hub's default."""

    cpo: PartyText
    emsp: PartyText
    mode: RelationMode
    fallback: Fallback
    authorize_budget_ms: int | None
    whitelist_max_age_s: int | None
    fallback_max_age_s: int | None
    cdrs: CdrExchange
    cdr_schedule: str | None
    cdr_rules: CdrRulesItem


def relation_item(relation: Relation) -> RelationItem:
    return RelationItem(
        cpo=str(relation.cpo),
        emsp=str(relation.emsp),
        mode=relation.mode,
        fallback=relation.fallback,
        authorize_budget_ms=relation.authorize_budget_ms,
        whitelist_max_age_s=relation.whitelist_max_age_s,
        fallback_max_age_s=relation.fallback_max_age_s,
        cdrs=relation.cdrs,
        cdr_schedule=relation.cdr_schedule,
        cdr_rules=cdr_rules_item(relation.cdr_rules),
    )
