"""The table of all checks, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ocpi_hub.checking.checks import (
    access,
    answers,
    encryption,
    locations,
    manners,
    money,
    objects,
    paging,
    receivers,
    registration,
    tokens,
    versions,
    windows,
    writing,
)
from ocpi_hub.checking.model import Check

CHECKS: Final[tuple[Check, ...]] = (
    *encryption.CHECKS,
    *versions.CHECKS,
    *registration.CHECKS,
    *access.CHECKS,
    *paging.CHECKS,
    *windows.CHECKS,
    *objects.CHECKS,
    *locations.CHECKS,
    *money.CHECKS,
    *tokens.CHECKS,
    *receivers.CHECKS,
    *manners.CHECKS,
    *writing.CHECKS,
    # They look back on all that was said.
    *answers.CHECKS,
)

AREAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tls": "Encryption",
        "versions": "Versions",
        "credentials": "Credentials",
        "access": "Who gets in",
        "http": "HTTP",
        "headers": "OCPI headers",
        "envelope": "Envelope",
        "paging": "Pages of lists",
        "dates": "Lists by date",
        "objects": "Objects",
        "locations": "Locations",
        "tariffs": "Tariffs",
        "tokens": "Tokens",
        "sessions": "Sessions",
        "cdrs": "CDRs",
        "commands": "Commands",
        "hubclientinfo": "HubClientInfo",
        "receiving": "Receiving",
        "write": "Writing",
    }
)
"""Parts of the interface, by the first part of their checks' ids, in the order of reports."""
