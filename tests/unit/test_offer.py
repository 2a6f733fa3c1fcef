"""What the hub announces."""

from __future__ import annotations

import pytest

from ocpi_hub.assembly import OFFERED
from ocpi_hub.domain.party import InterfaceRole, Module
from ocpi_hub.routing.rules import RULES

NEEDS = {
    Module.LOCATIONS: (Module.TARIFFS,),
    Module.COMMANDS: (Module.LOCATIONS, Module.SESSIONS),
    Module.CHARGING_PROFILES: (Module.SESSIONS,),
}
"""A module is of no use without these. Spec: 2.2.1 mod_locations, mod_commands,
mod_charging_profiles (module dependency)."""


@pytest.mark.req("VE-13")
def test_announced_modules_come_with_those_they_depend_on() -> None:
    announced = {module for module, _ in OFFERED}
    missing = {
        (module.value, needed.value)
        for module, needs in NEEDS.items()
        for needed in needs
        if module.value in announced and needed.value not in announced
    }
    assert not missing


@pytest.mark.req("VE-13")
def test_every_announced_module_but_hubclientinfo_is_routed_in_both_directions() -> None:
    assert len(set(OFFERED)) == len(OFFERED)
    own = {(Module.HUB_CLIENT_INFO, InterfaceRole.SENDER)}
    assert own <= set(OFFERED)
    routed = set(OFFERED) - own
    assert routed == {(module, role) for module, _ in routed for role in InterfaceRole}
    for module, _ in routed:
        assert Module(module) in RULES
