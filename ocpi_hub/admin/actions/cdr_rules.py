"""The checks of CDRs: what holds for a relation, and having CDRs examined again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.views.cdr_rules import CdrsAsked, RelationRules, cdr_rules_item
from ocpi_hub.clearing.checks import CODES, configured_rules
from ocpi_hub.domain.cdr_rules import LIMIT_NAMES, CdrLimits, CdrRules, Weight
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.cdr_rechecks import PostgresRecheckStore, RecheckScope

LARGEST_LIMIT = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class RulesChange:
    """What an operator says; what is not named stays.

    Attributes:
        weights: by code; None: as the hub has it.
        limits: by name, likewise.
    """

    weights: Mapping[str, Weight | None]
    limits: Mapping[str, Decimal | None]

    def applied(self, rules: CdrRules) -> CdrRules:
        weights = dict(rules.weights) | dict(self.weights)
        limits = rules.limits.given() | dict(self.limits)
        return CdrRules(
            tuple(sorted((code, weight) for code, weight in weights.items() if weight is not None)),
            CdrLimits(**limits),
        )


async def show_rules(access: OperatorAccess, cpo: PartyId, emsp: PartyId) -> RelationRules:
    """What is in force for the CDRs of a relation."""
    own = (await access.load()).relation(cpo, emsp).cdr_rules
    rules = configured_rules(access.settings).under(own)
    weights = tuple(sorted(rules.weights.items()))
    return RelationRules(
        cpo=str(cpo),
        emsp=str(emsp),
        own=cdr_rules_item(own),
        in_force=cdr_rules_item(CdrRules(weights, rules.limits)),
    )


async def set_rules(
    access: OperatorAccess, cpo: PartyId, emsp: PartyId, wanted: RulesChange
) -> RelationRules:
    """Change what a relation's CDRs are held for; once every process acts on it. CDRs that are
    there already are examined again when somebody asks for it.

    Raises:
        OperatorError: there is no such code or limit, or no such relation.
    """
    _require_known(wanted)
    before = await show_rules(access, cpo, emsp)
    async with change("relation.rules", f"{cpo}/{emsp}", before) as noted:
        await access.admin.change_cdr_rules(cpo, emsp, wanted.applied)
        await access.until_everyone_follows()
        return noted.became(await show_rules(access, cpo, emsp))


async def check_again(access: OperatorAccess, scope: RecheckScope) -> CdrsAsked:
    """Have CDRs examined again: after rules or tariffs have changed."""
    scoped = " ".join(str(each) for each in (scope.owner or "*", scope.receiver or "*"))
    async with change("cdr.check", scoped) as noted:
        asked = await PostgresRecheckStore(access.database).ask(scope)
        return noted.became(CdrsAsked(asked=asked))


def _require_known(wanted: RulesChange) -> None:
    for code in wanted.weights:
        if code not in CODES:
            raise OperatorError(f"no check finds {code!r}: docs/checks.md lists the codes")
    for name, limit in wanted.limits.items():
        if name not in LIMIT_NAMES:
            raise OperatorError(f"there is no limit {name!r}: {', '.join(LIMIT_NAMES)}")
        if limit is not None and not (limit.is_finite() and 0 <= limit <= LARGEST_LIMIT):
            raise OperatorError(f"{name}: a limit is a number from 0 on; 0 switches it off")
