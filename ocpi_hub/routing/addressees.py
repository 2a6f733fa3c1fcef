"""Open Routing by ids: which party has the Location, Session or reservation a request names.

Ids are unique within one party only, so an id may have several matches; then nobody is addressed
(RT-37). Spec: 2.2.1 transport_and_format_message_routing_open_routing_request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import UnknownReceiver


class Addressees(Protocol):
    """What the hub knows about who has what. All may raise StoreError.

    `among` are the parties that come into question; ids compare whatever their case.
    """

    async def with_location(
        self, location_id: str, asker: PartyId, among: Sequence[PartyId]
    ) -> Collection[PartyId]:
        """Owners of a Location with this id that `asker` may know."""
        ...

    async def with_session(
        self, session_id: str, asker: PartyId, among: Sequence[PartyId]
    ) -> Collection[PartyId]:
        """Owners of a Session with this id that went to `asker`."""
        ...

    async def with_reservation(self, reservation_id: str, asker: PartyId) -> Collection[PartyId]:
        """Parties that `asker` has asked for a reservation of this id."""
        ...

    async def with_profile(self, session_id: str, owner: PartyId) -> Collection[PartyId]:
        """Parties that have asked `owner` to set a charging profile for this Session."""
        ...


def askable(module: Module, asker: PartyId, directory: Directory) -> list[PartyId]:
    """Related parties that can be asked something of this module, in a stable order."""
    reachable = (PartyStatus.CONNECTED, PartyStatus.OFFLINE)
    return sorted(
        party
        for party in directory.parties()
        if (platform := directory.platform_of(party)) is not None
        and (module.value, InterfaceRole.RECEIVER) in platform.endpoints
        and directory.status(party) in reachable
        and directory.related(asker, party)
    )


def only_one(found: Collection[PartyId], what: str) -> PartyId:
    """The one party that was found.

    Args:
        what: the name of the field that was looked for.

    Raises:
        UnknownReceiver: none or several (RT-36, RT-37).
    """
    if len(found) == 1:
        return next(iter(found))
    number = "several parties have" if found else "this hub knows nobody with"
    raise UnknownReceiver(f"{number} this {what}: set the OCPI-to headers to the party")
