"""What this hub does for partners."""

from __future__ import annotations

from ocpi_hub.domain.party import InterfaceRole, Module

OFFERED = (
    *(
        (module.value, role)
        for module in (
            Module.LOCATIONS,
            Module.TARIFFS,
            Module.TOKENS,
            Module.SESSIONS,
            Module.CDRS,
            Module.COMMANDS,
            Module.CHARGING_PROFILES,
        )
        for role in InterfaceRole
    ),
    (Module.HUB_CLIENT_INFO.value, InterfaceRole.SENDER),
)
"""Modules of this hub besides credentials, by interface."""

FEED_MODULES = (Module.LOCATIONS.value, Module.TARIFFS.value, Module.TOKENS.value)
"""Modules whose objects are pushed to everybody related."""
