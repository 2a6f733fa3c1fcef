"""Who gets what from the feed: which lanes there are, and whose objects they are about. Pure.

A lane is wanted for whoever may get pushes of a module. Broadcasts are for some roles only; others,
as an SCSP, get what is addressed to them, and their lanes are there for its gaps.
"""

from __future__ import annotations

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.party import InterfaceRole, PartyId, RelationMode
from ocpi_hub.routing.rules import RULES


def may_receive(directory: Directory, lane: LaneId) -> bool:
    """Whether a party may get objects of a module pushed, broadcast or addressed to it."""
    platform = directory.platform_of(lane.receiver)
    rules = RULES[lane.module]
    reading = rules.broadcast_to | rules.callers[InterfaceRole.SENDER]
    return (
        platform is not None
        and directory.status(lane.receiver) in (PartyStatus.CONNECTED, PartyStatus.OFFLINE)
        and not directory.roles_of(lane.receiver).isdisjoint(reading)
        and (lane.module, InterfaceRole.RECEIVER) in platform.endpoints
    )


def gets_broadcasts(directory: Directory, lane: LaneId) -> bool:
    """Whether broadcasts of a module are for a party by its roles (RT-25, RT-26)."""
    return not directory.roles_of(lane.receiver).isdisjoint(RULES[lane.module].broadcast_to)


def gets(directory: Directory, lane: LaneId, owner: PartyId) -> bool:
    """Whether an owner's broadcasts are for a lane."""
    return gets_broadcasts(directory, lane) and sees(directory, lane.receiver, owner)


def sees(directory: Directory, receiver: PartyId, owner: PartyId) -> bool:
    """Whether an owner's objects are for a receiver (RT-25, RT-27, D-5)."""
    mine, theirs = directory.platform_of(receiver), directory.platform_of(owner)
    return mine is not theirs and theirs is not None and directory.related(receiver, owner)


def is_withdrawn(directory: Directory, lane: LaneId, owner: PartyId) -> bool:
    """Whether an operator said that an owner's broadcasts are not for a lane that they would be for
    otherwise: its receiver may have got them before."""
    if not gets_broadcasts(directory, lane) or sees(directory, lane.receiver, owner):
        return False
    pairs = ((lane.receiver, owner), (owner, lane.receiver))
    said = (directory.relations.get(pair) for pair in pairs)
    return any(relation and relation.mode is RelationMode.NONE for relation in said)
