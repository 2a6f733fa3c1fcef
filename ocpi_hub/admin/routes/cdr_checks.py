"""The checks of CDRs: rules of relations, and having CDRs examined again."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from ocpi_hub.admin.actions.cdr_rules import RulesChange, check_again, set_rules, show_rules
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Body, Call, NoBody, Party, Route, Text, Time
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.routes.relations import RelationGiven
from ocpi_hub.admin.views.cdr_rules import CdrsAsked, RelationRules
from ocpi_hub.domain.cdr_rules import Weight
from ocpi_hub.store.cdr_rechecks import RecheckScope

_MOST = 200


class RulesSaid(Body):
    """What is not named stays as it is; null gives it back to the hub's own rules."""

    weights: dict[Text, Weight | None] = Field(
        default_factory=dict, max_length=_MOST, description="what a finding weighs, by its code"
    )
    limits: dict[Text, float | None] = Field(
        default_factory=dict, max_length=_MOST, description="by name; 0 switches a limit off"
    )


class CheckScope(Body):
    """Which CDRs; all, if nothing is given."""

    owner: Party | None = Field(None, description="of this CPO")
    receiver: Party | None = Field(None, description="for this eMSP")
    since: Time | None = Field(None, description="of sessions that ended at this time or later")
    until: Time | None = Field(None, description="of sessions that ended before this time")


def cdr_check_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def show(call: Call[RelationGiven, NoBody]) -> RelationRules:
        return await show_rules(parts.access, call.given.cpo, call.given.emsp)

    async def change(call: Call[RelationGiven, RulesSaid]) -> RelationRules:
        limits = {
            name: None if limit is None else Decimal(str(limit))
            for name, limit in call.body.limits.items()
        }
        wanted = RulesChange(call.body.weights, limits)
        return await set_rules(parts.access, call.given.cpo, call.given.emsp, wanted)

    async def check(call: Call[NoParameters, CheckScope]) -> CdrsAsked:
        return await check_again(parts.access, RecheckScope(**dict(call.body)))

    rules = f"{API}/relations/{{cpo}}/{{emsp}}/rules"
    return (
        Route("GET", rules, Scope.READ, "What the checks of a relation's CDRs weigh",
              RelationGiven, NoBody, RelationRules, show),
        Route("PATCH", rules, Scope.ADMIN, "Say what holds the CDRs of a relation, and above what",
              RelationGiven, RulesSaid, RelationRules, change),
        Route("POST", f"{API}/cdrs/check", Scope.OPERATE, "Have CDRs examined again",
              NoParameters, CheckScope, CdrsAsked, check),
    )  # fmt: skip
