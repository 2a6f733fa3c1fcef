"""Hold rules: which CDRs wait for an operator before they are delivered. Pure.

Limits of 0 are off. A rule looks at single figures of the CDR; it never changes them.
Spec: 2.2.1 mod_cdrs_cdr_object.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ocpi_hub.clearing.ledger import CdrFinding, Examination, ledger_facts
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """Largest figures that pass without a look.

    Attributes:
        energy_kwh: of `total_energy`.
        duration_h: of `total_time`.
        total_cost: of `total_cost.excl_vat`, in the CDR's own currency, sign ignored.
    """

    energy_kwh: Decimal = Decimal(0)
    duration_h: Decimal = Decimal(0)
    total_cost: Decimal = Decimal(0)


def examine(cdr: CDR, limits: HoldLimits) -> Examination:
    """What the CDR alone says about itself."""
    figures = (
        ("total_energy", cdr.total_energy, limits.energy_kwh, "kWh"),
        ("total_time", cdr.total_time, limits.duration_h, "h"),
        ("total_cost", abs(cdr.total_cost.excl_vat), limits.total_cost, cdr.currency),
    )
    over = tuple(
        CdrFinding(f"{name}_above_limit", f"{name} {value} {unit} is above {limit}", hold=True)
        for name, value, limit, unit in figures
        if 0 < limit < value
    )
    return Examination(ledger_facts(cdr), over)
