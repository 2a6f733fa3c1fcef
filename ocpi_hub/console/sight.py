"""What a viewer sees of shared objects: as OCPI's lists show them to its platform's parties."""

from __future__ import annotations

from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.delivery.unpublished import sees_unpublished
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import EVERYBODY
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import owners_shown_to
from ocpi_hub.store.location_admin import Sight


def sight_of(viewer: Viewer, directory: Directory, module: Module) -> Sight:
    """An operator sees everything; a partner what is its own, and what a list of this module would
    show to one of its parties."""
    if not viewer.is_partner:
        return Sight(everything=True)
    rules = RULES[module]
    readers = sorted(
        party
        for party in viewer.parties
        if not directory.roles_of(party).isdisjoint(rules.callers[InterfaceRole.SENDER])
    )
    broadcast: dict[PartyId, bool] = {}
    addressed: list[tuple[str, PartyId, bool]] = []
    for reader in readers:
        only = module is Module.LOCATIONS and not sees_unpublished(directory, reader)
        for owner in owners_shown_to(reader, rules, directory):
            broadcast[owner] = broadcast.get(owner, True) and only
            addressed.append((str(reader), owner, False))
    return Sight(
        everything=False,
        own=tuple(sorted(viewer.parties)),
        readers=tuple(readers),
        shown=(*((EVERYBODY, owner, only) for owner, only in broadcast.items()), *addressed),
    )
