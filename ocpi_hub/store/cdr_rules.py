"""A relation's rules for the checks of CDRs, as JSON and back."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

from ocpi_hub.domain.cdr_rules import LIMIT_NAMES, NO_RULES, CdrLimits, CdrRules, Weight

_WEIGHTS = frozenset(Weight)


def cdr_rules_text(rules: CdrRules) -> str | None:
    """None: there are none."""
    if rules == NO_RULES:
        return None
    limits = {name: str(limit) for name, limit in rules.limits.given().items()}
    return json.dumps({"weights": dict(rules.weights), "limits": limits})


def cdr_rules_of(text: str | None) -> CdrRules:
    """What a later release wrote and this one does not know is left out."""
    if text is None:
        return NO_RULES
    told = json.loads(text)
    weights = ((code, weight) for code, weight in told.get("weights", {}).items())
    limits = ((name, _number(given)) for name, given in told.get("limits", {}).items())
    return CdrRules(
        tuple(sorted((code, Weight(weight)) for code, weight in weights if weight in _WEIGHTS)),
        CdrLimits(
            **{name: given for name, given in limits if name in LIMIT_NAMES and given is not None}
        ),
    )


def _number(text: object) -> Decimal | None:
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
