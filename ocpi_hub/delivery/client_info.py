"""What every platform is told about the parties it works with: HubClientInfo, as the sender.

State, not messages: a row says what a platform is to know about one party in one role, and whether
it was told so. `client_info_pusher.py` keeps the rows up to date and tells what they say.

Spec: 2.2.1 mod_hub_client_info_hub_client_info_object.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ocpi_hub.delivery.shared import Page
from ocpi_hub.directory.snapshot import CPO_SIDE, EMSP_SIDE, Directory, PartyStatus
from ocpi_hub.domain.party import (
    InterfaceRole,
    Module,
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
    RelationMode,
    Role,
)
from ocpi_hub.ocpi.envelope import dump, timestamp
from ocpi_hub.ocpi.paging import PageRequest

Visible = Mapping[tuple[PartyId, Role], PartyStatus]


@dataclass(frozen=True, slots=True)
class ClientInfoRow:
    """What one platform is told about a party in one role."""

    party: PartyId
    role: Role
    status: PartyStatus
    last_updated: datetime
    serial: int

    def text(self) -> bytes:
        """Spec: 2.2.1 mod_hub_client_info_hub_client_info_object."""
        return dump(
            {
                "party_id": self.party.party_id,
                "country_code": self.party.country_code,
                "role": self.role.value,
                "status": self.status.value,
                "last_updated": timestamp(self.last_updated),
            }
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to tell a platform.

    Attributes:
        url, since: where it is told, and its registration then.
    """

    platform_id: PlatformId
    lease_id: uuid.UUID
    url: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Synced:
    """What a comparison found: whether it changed anything, and whether something is untold."""

    changed: bool
    untold: bool


class ClientInfoStore(Protocol):
    """Where it is kept what platforms are told. Every method raises StoreUnavailable."""

    async def sync(
        self, platform_id: PlatformId, directory_version: int, url: str | None, visible: Visible
    ) -> Synced:
        """Bring the rows of a platform up to date; nothing happens if a later version did that."""
        ...

    async def claim(self, platform_id: PlatformId, url: str, lease_id: uuid.UUID) -> Claim | None:
        """None: another process is at it, or knows another URL."""
        ...

    async def untold(
        self, platform_id: PlatformId, after_serial: int, limit: int
    ) -> Sequence[ClientInfoRow]: ...

    async def report(self, claim: Claim, row: ClientInfoRow, *, told: bool) -> bool:
        """Note what became of a row; false when the claim has run out."""
        ...

    async def release(self, claim: Claim) -> None: ...

    async def page(self, platform_id: PlatformId, page: PageRequest) -> Page: ...


def visible_parties(platform: Platform, directory: Directory) -> Visible:
    """The parties that a platform is told about: those that one of its own may exchange something
    with, in the roles in which they do. Never its own, never the hub (HC-07, HC-16)."""
    own = {held.party for held in platform.roles}
    sides = _sides(platform)
    result: dict[tuple[PartyId, Role], PartyStatus] = {}
    for other in directory.platforms.values():
        for held in other.roles:
            if not held.active or held.party in own or held.party == directory.hub:
                continue
            if _works_with(held.party, held.role, sides, directory):
                status = directory.status(held.party)
                if status is not None:
                    result[held.party, held.role] = status
    return result


def reached_at(platform: Platform) -> str | None:
    """Where a platform can be told now; None while it cannot."""
    if platform.state is not PlatformState.CONNECTED or not platform.online:
        return None
    if platform.our_token is None:
        return None
    return platform.endpoints.get((Module.HUB_CLIENT_INFO, InterfaceRole.RECEIVER))


def _sides(platform: Platform) -> tuple[frozenset[PartyId], frozenset[PartyId]]:
    """The active parties of a platform on the CPO side and on the eMSP side."""
    active = [held for held in platform.roles if held.active]
    return (
        frozenset(held.party for held in active if held.role in CPO_SIDE),
        frozenset(held.party for held in active if held.role in EMSP_SIDE),
    )


def _works_with(
    party: PartyId,
    role: Role,
    sides: tuple[frozenset[PartyId], frozenset[PartyId]],
    directory: Directory,
) -> bool:
    cpos, emsps = sides
    none = RelationMode.NONE
    return (
        role in EMSP_SIDE and any(directory.relation(cpo, party).mode is not none for cpo in cpos)
    ) or (
        role in CPO_SIDE and any(directory.relation(party, emsp).mode is not none for emsp in emsps)
    )
