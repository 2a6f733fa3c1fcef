"""What can be wrong with a CDR: docs/checks.md. Pure.

`codes` has every kind of finding, `rules` what each weighs, `context` what is known beside the CDR;
`figures`, `times`, `price`, `links` and `signed` look, `examine` puts it together.
"""

from ocpi_hub.clearing.checks.codes import CODES, Code, Group
from ocpi_hub.clearing.checks.configured import configured_rules
from ocpi_hub.clearing.checks.context import (
    AuthorizationSeen,
    CheckContext,
    LocationSeen,
    SessionSeen,
)
from ocpi_hub.clearing.checks.examine import examine, examine_in_part, is_large
from ocpi_hub.clearing.checks.rules import OWN_LIMITS, HoldRules, unknown_codes

__all__ = [
    "CODES",
    "OWN_LIMITS",
    "AuthorizationSeen",
    "CheckContext",
    "Code",
    "Group",
    "HoldRules",
    "LocationSeen",
    "SessionSeen",
    "configured_rules",
    "examine",
    "examine_in_part",
    "is_large",
    "unknown_codes",
]
