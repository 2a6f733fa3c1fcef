"""What operators say about the checks of CDRs: for the hub, and for one relation."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from enum import StrEnum

from ocpi_hub.domain.value import value


class Weight(StrEnum):
    """What becomes of a CDR about which a check found something."""

    HOLD = "hold"
    """It waits for an operator."""
    FLAG = "flag"
    """It is delivered, and the finding is shown."""
    OFF = "off"
    """The finding is dropped."""


@value
class CdrLimits:
    """Figures that checks compare with; None: not said here. 0 switches a limit off.

    Attributes:
        energy_kwh, duration_h: of `total_energy` and `total_time`.
        total_cost: of `total_cost.excl_vat`, in the CDR's own currency, sign ignored.
        power_factor: average power beside the most that the connector gives; 1 is just that.
        price_tolerance: money by which a price may differ from the recomputed one.
        price_tolerance_percent: the same as a share of `total_cost`; the larger counts.
        price_difference: money from which on a difference is not only shown.
        age_days: between the end of a session and its CDR.
    """

    energy_kwh: Decimal | None = None
    duration_h: Decimal | None = None
    total_cost: Decimal | None = None
    power_factor: Decimal | None = None
    price_tolerance: Decimal | None = None
    price_tolerance_percent: Decimal | None = None
    price_difference: Decimal | None = None
    age_days: Decimal | None = None

    def over(self, base: CdrLimits) -> CdrLimits:
        """These, and those of `base` where these say nothing."""
        return replace(base, **self.given())

    def given(self) -> dict[str, Decimal]:
        """Those that are said, by name."""
        named = ((name, getattr(self, name)) for name in LIMIT_NAMES)
        return {name: limit for name, limit in named if limit is not None}


LIMIT_NAMES = tuple(each.name for each in fields(CdrLimits))


@value
class CdrRules:
    """Weights by code, and limits, as far as they differ from what holds otherwise.

    Attributes:
        weights: sorted by code, each once.
    """

    weights: tuple[tuple[str, Weight], ...] = ()
    limits: CdrLimits = CdrLimits()

    def over(self, base: CdrRules) -> CdrRules:
        """These, and those of `base` where these say nothing."""
        weights = dict(base.weights) | dict(self.weights)
        return CdrRules(tuple(sorted(weights.items())), self.limits.over(base.limits))


NO_RULES = CdrRules()
