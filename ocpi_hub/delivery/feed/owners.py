"""Whose broadcast objects a lane is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.feed.receivers import sees
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import InterfaceRole, PartyId, RelationMode
from ocpi_hub.routing.rules import RULES


def owners_for(directory: Directory, lane: LaneId) -> list[PartyId]:
    """Owners whose objects of the lane's module its receiver sees."""
    owning = RULES[lane.module].callers[InterfaceRole.RECEIVER]
    return [
        party
        for party in directory.parties()
        if not directory.roles_of(party).isdisjoint(owning)
        and sees(directory, lane.receiver, party)
    ]


def newly_visible(
    directory: Directory, before: RelationMode, modules: Sequence[str]
) -> Iterator[tuple[LaneId, PartyId]]:
    """Whom a receiver sees now, and would not see if the default relation were what it was."""
    earlier = replace(directory, default_relation=before)
    for module in modules:
        receiving = RULES[module].broadcast_to
        for receiver in directory.parties():
            if directory.roles_of(receiver).isdisjoint(receiving):
                continue
            lane = LaneId(receiver, module)
            for owner in owners_for(directory, lane):
                if not sees(earlier, receiver, owner):
                    yield lane, owner
