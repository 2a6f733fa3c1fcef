"""Which findings hold a CDR, and the limits that checks compare with. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.checks.codes import CODES, Group
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.domain.cdr_rules import CdrLimits, CdrRules, Weight

NO_LIMIT: Final = Decimal(0)
OWN_LIMITS: Final = CdrLimits(
    energy_kwh=NO_LIMIT,
    duration_h=NO_LIMIT,
    total_cost=NO_LIMIT,
    power_factor=Decimal("1.1"),
    price_tolerance=Decimal("0.01"),
    price_tolerance_percent=NO_LIMIT,
    price_difference=NO_LIMIT,
    age_days=Decimal(365),
)


@dataclass(frozen=True, slots=True)
class HoldRules:
    """What is in force for a CDR.

    Attributes:
        said: what operators said, the hub's and the relation's, one over the other.
    """

    said: CdrRules
    weights: Mapping[str, Weight]
    limits: CdrLimits

    @classmethod
    def of(cls, said: CdrRules) -> HoldRules:
        """What operators said over what is built in."""
        weights = {code: each.weight for code, each in CODES.items()} | dict(said.weights)
        return cls(said, weights, said.limits.over(OWN_LIMITS))

    def under(self, relation: CdrRules) -> HoldRules:
        """What is in force for a relation."""
        return HoldRules.of(relation.over(self.said)) if relation != CdrRules() else self

    def limit(self, name: str) -> Decimal | None:
        """None: it is off."""
        limit: Decimal | None = getattr(self.limits, name)
        return limit or None

    def weighed(self, findings: Iterable[CdrFinding]) -> tuple[CdrFinding, ...]:
        """Findings with their weight, each code once; those that are off left out."""
        found: dict[str, CdrFinding] = {}
        for each in findings:
            weight = self.weights.get(each.code, Weight.FLAG)
            if weight is not Weight.OFF and each.code not in found:
                hold = weight is Weight.HOLD
                found[each.code] = CdrFinding(each.code, each.text, hold=hold)
        return tuple(found.values())

    def may_hold(self, groups: Collection[Group], codes: Collection[str] = ()) -> bool:
        """Whether a finding of these groups, or one of these codes, can make a CDR wait."""
        return any(
            self.weights[code] is Weight.HOLD
            for code, each in CODES.items()
            if (each.group in groups or code in codes)
            and not (code in _NEEDS and self.limit(_NEEDS[code]) is None)
        )


_NEEDS: Final = {
    "total_energy_above_limit": "energy_kwh",
    "total_time_above_limit": "duration_h",
    "total_cost_above_limit": "total_cost",
    "price_difference_above_limit": "price_difference",
}
"""Codes that a limit has to be set for."""


def unknown_codes(rules: CdrRules) -> list[str]:
    """Codes that no check finds."""
    return [code for code, _ in rules.weights if code not in CODES]
