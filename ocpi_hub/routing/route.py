"""The routing decision: one pure function for all modules and all four modes.

====================  ==========================================================================
TO                    the message goes
====================  ==========================================================================
a party               to that party (direct); one call serves GET, push and command alike
the hub, GET          to nobody: the hub answers from its store (GET All, or an owner's object)
the hub, push         to every related party of the opposite role (Broadcast Push)
absent                to the party that the content names (Open Routing); a push of a module that
                      may be broadcast and names nobody is a Broadcast Push
====================  ==========================================================================

Spec: 2.2.1 transport_and_format_message_routing and its sub-sections.
"""

from __future__ import annotations

from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import InterfaceRole, PartyId, Platform, PlatformState
from ocpi_hub.domain.value import value
from ocpi_hub.errors import (
    HubRoutingError,
    InvalidRequest,
    MethodNotAllowed,
    NotPermitted,
    ReceiverNotConnected,
    UnknownReceiver,
)
from ocpi_hub.routing.rules import ModuleRules

PUSHES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@value
class ToParty:
    """One receiver.

    Attributes:
        online: false when the receiver's platform is known to be OFFLINE; relays then answer 4003
            without trying, custody keeps the object.
    """

    receiver: PartyId
    platform: Platform
    online: bool


@value
class Broadcast:
    """Every related party of the opposite role; the hub answers for all of them."""

    receivers: tuple[PartyId, ...]


@value
class FromStore:
    """The hub answers a GET from what it keeps."""


Route = ToParty | Broadcast | FromStore


def route(
    message: Message,
    rules: ModuleRules,
    directory: Directory,
    *,
    content_party: PartyId | None = None,
) -> Route:
    """Decide where a message goes.

    Args:
        message: the sender has been checked to be a party of the calling platform.
        content_party: the party that the content of an Open Routing Request names, if any.

    Raises:
        MethodNotAllowed: the interface does not define the method (ER-08).
        NotPermitted: the sender's role does not fit the interface (RT-05).
        UnknownReceiver: TO is unknown, or cannot be determined (RT-12, RT-35, RT-36).
        ReceiverNotConnected: the receiver is PLANNED or SUSPENDED, or there is no relation.
        InvalidRequest: a broadcast of data that is not meant for everybody (RT-28).
    """
    check_caller(message, rules, directory)
    if message.to is None:
        return _open(message, rules, directory, content_party)
    if message.to != directory.hub:
        return to_party(message.sender, message.to, directory, by_file=_by_file(message, rules))
    if message.method == "GET":
        return FromStore()
    return _broadcast(message, rules, directory)


def check_caller(message: Message, rules: ModuleRules, directory: Directory) -> None:
    """Refuse a method the interface lacks and a sender whose roles do not fit.

    Raises:
        MethodNotAllowed: see ER-08.
        NotPermitted: see RT-05.
    """
    role = message.interface_role
    if message.method not in rules.methods[role]:
        allowed = ", ".join(sorted(rules.methods[role]))
        raise MethodNotAllowed(
            f"{message.method} is not defined for {rules.module} {role}: use {allowed}",
            headers={"Allow": allowed},
        )
    if directory.roles_of(message.sender).isdisjoint(rules.callers[role]):
        expected = " or ".join(sorted(rules.callers[role]))
        raise NotPermitted(f"{message.sender} may not call {rules.module} {role}: needs {expected}")


def _by_file(message: Message, rules: ModuleRules) -> bool:
    return rules.by_file and message.method in PUSHES


def to_party(
    sender: PartyId, receiver: PartyId, directory: Directory, *, by_file: bool = False
) -> ToParty:
    """Address one party.

    Args:
        by_file: what is sent also goes to one that exchanges files instead of messages.

    Raises:
        UnknownReceiver: nobody has this party id.
        ReceiverNotConnected: no relation, or the receiver is not connected.
        HubRoutingError: both are behind one other hub, which sent the message here.
    """
    platform = directory.platform_of(receiver)
    if platform is None:
        raise UnknownReceiver(f"Unknown receiver: this hub does not know {receiver}")
    if directory.behind_one_hub(sender, receiver):
        # RT-43: else two hubs that each take a party for the other's pass a message for ever.
        raise HubRoutingError(
            f"{receiver} is behind the hub that sent this: nothing goes back where it came from"
        )
    if not directory.related(sender, receiver):
        raise ReceiverNotConnected(f"{sender} and {receiver} have no relation on this hub")
    if platform.state is PlatformState.BY_FILE and not by_file:
        raise ReceiverNotConnected(f"{receiver} exchanges files with this hub, not messages")
    match directory.status(receiver):
        case PartyStatus.CONNECTED:
            return ToParty(receiver, platform, online=True)
        case PartyStatus.OFFLINE:
            return ToParty(receiver, platform, online=False)
        case status:
            raise ReceiverNotConnected(f"{receiver} is not connected ({status})")


def _open(
    message: Message, rules: ModuleRules, directory: Directory, content_party: PartyId | None
) -> Route:
    if content_party is not None:
        return to_party(message.sender, content_party, directory, by_file=_by_file(message, rules))
    if message.method in PUSHES and rules.broadcast_to:
        return _broadcast(message, rules, directory)
    own_object = message.interface_role is InterfaceRole.RECEIVER and message.method == "GET"
    if own_object and rules.broadcast_to:
        return FromStore()
    raise UnknownReceiver(
        f"Nothing tells who should receive this {rules.module} {message.method}:"
        " set the OCPI-to headers to a party, or to the hub for a list of everything"
    )


def _broadcast(message: Message, rules: ModuleRules, directory: Directory) -> Broadcast:
    if not rules.broadcast_to:
        raise InvalidRequest(
            f"{rules.module} are not broadcast: set the OCPI-to headers to the party concerned"
        )
    if message.interface_role is not InterfaceRole.RECEIVER:
        raise HubRoutingError(f"{message.method} on {rules.module} SENDER needs one receiver")
    return Broadcast(broadcast_receivers(message.sender, message.platform, rules, directory))


def broadcast_receivers(
    sender: PartyId, platform: Platform, rules: ModuleRules, directory: Directory
) -> tuple[PartyId, ...]:
    """Related parties that a Broadcast Push of `sender` reaches, in a stable order.

    One entry per party even when several share a platform, none on the sender's own platform
    (RT-27), only where the platform announced the module's RECEIVER interface (RT-25). Parties
    that are OFFLINE are included: they are brought up to date later (decision D-3).
    """
    reachable = (PartyStatus.CONNECTED, PartyStatus.OFFLINE)
    found: list[PartyId] = []
    for party in directory.parties():
        receiver = directory.platform_of(party)
        if (
            receiver is not None
            and receiver.platform_id != platform.platform_id
            and not directory.roles_of(party).isdisjoint(rules.broadcast_to)
            and (rules.module.value, InterfaceRole.RECEIVER) in receiver.endpoints
            and directory.status(party) in reachable
            and directory.related(sender, party)
        ):
            found.append(party)
    return tuple(sorted(found))
