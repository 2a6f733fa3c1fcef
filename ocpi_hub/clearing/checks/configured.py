"""The hub's own rules for the checks, from its configuration."""

from __future__ import annotations

from decimal import Decimal

from ocpi_hub.clearing.checks.rules import HoldRules, unknown_codes
from ocpi_hub.domain.cdr_rules import CdrLimits, CdrRules, Weight
from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings


def configured_rules(settings: Settings) -> HoldRules:
    """What the configuration says over what is built in.

    Raises:
        ConfigError: it names a code that no check finds, or one twice.
    """
    weights: dict[str, Weight] = {}
    for key, weight, codes in (
        ("cdr_hold", Weight.HOLD, settings.cdr_hold),
        ("cdr_flag", Weight.FLAG, settings.cdr_flag),
        ("cdr_off", Weight.OFF, settings.cdr_off),
    ):
        for code in codes:
            if code in weights:
                raise ConfigError(f"{key}: {code} is named twice")
            weights[code] = weight
    limits = CdrLimits(
        energy_kwh=Decimal(str(settings.hold_energy_kwh)),
        duration_h=Decimal(str(settings.hold_duration_h)),
        total_cost=Decimal(str(settings.hold_total_cost)),
        price_difference=Decimal(str(settings.hold_price_difference)),
        price_tolerance=Decimal(str(settings.price_tolerance)),
        price_tolerance_percent=Decimal(str(settings.price_tolerance_percent)),
    )
    rules = CdrRules(tuple(sorted(weights.items())), limits)
    if unknown := unknown_codes(rules):
        raise ConfigError(f"cdr_hold, cdr_flag, cdr_off: no check finds {', '.join(unknown)}")
    return HoldRules.of(rules)
