"""What every platform is told about the parties it works with: HubClientInfo, as the sender.

State, not messages: a row says what a platform is to know about one party in one role, and whether
it was told so. `client_info_sight.py` says who is shown to whom, `client_info_follower.py` keeps
the rows up to date, `client_info_pusher.py` tells what they say.

Spec: 2.2.1 mod_hub_client_info_hub_client_info_object.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ocpi_hub.delivery.shared import Page
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import (
    InterfaceRole,
    Module,
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
    Role,
)
from ocpi_hub.ocpi.envelope import dump, timestamp
from ocpi_hub.ocpi.paging import PageRequest


@dataclass(frozen=True, slots=True)
class Standing:
    """How a party stands for an audience.

    Attributes:
        offline_since: of one that is OFFLINE. It counts as CONNECTED until that was long enough
            ago; None: it was.
    """

    status: PartyStatus
    offline_since: datetime | None = None


Visible = Mapping[tuple[PartyId, Role], Standing]


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
class Audience:
    """What one platform is to know.

    Attributes:
        url: where it announced that it is told; None: nowhere.
        offline_since: see `Platform`; None while it is online.
        visible: how those stand that it sees.
        about: the parties that `visible` is about; None: all there are.
        base: the version of the directory that the rows must have come from if `about` names some.
    """

    platform_id: PlatformId
    url: str | None
    online: bool
    offline_since: datetime | None
    visible: Visible
    about: Collection[PartyId] | None = None
    base: int | None = None


class Outcome(StrEnum):
    """What a comparison of the rows of one platform came to."""

    FOLLOWS = "follows"
    """They say what this directory says."""
    AHEAD = "ahead"
    """A process with a later directory was here."""
    UNKNOWN = "unknown"
    """They come from another directory than `base`: everything has to be compared."""
    GONE = "gone"
    """The platform has been removed."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What became of the rows of one platform: whether any changed, whether some are untold."""

    outcome: Outcome
    changed: bool
    untold: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of those that were compared at once.

    Attributes:
        held_s: seconds until somebody who counts as CONNECTED has been OFFLINE for long enough.
    """

    synced: Mapping[PlatformId, Synced]
    held_s: float | None


class ClientInfoStore(Protocol):
    """Where it is kept what platforms are told. Every method raises StoreUnavailable."""

    async def sync(self, directory_version: int, audiences: Sequence[Audience]) -> Comparison:
        """Bring the rows of platforms up to date with a version of the directory."""
        ...

    async def follows(self, platform_id: PlatformId, directory_version: int) -> bool:
        """Whether the rows of a platform come from that version or a later one."""
        ...

    async def owed(self) -> Sequence[PlatformId]:
        """The platforms that could be told something now."""
        ...

    async def claim(self, platform_id: PlatformId, url: str, lease_id: uuid.UUID) -> Claim | None:
        """None: another process is at it, or knows another URL."""
        ...

    async def untold(
        self, platform_id: PlatformId, after_serial: int, limit: int
    ) -> Sequence[ClientInfoRow]: ...

    async def untold_about(self, platform_id: PlatformId) -> bool:
        """Whether somebody who can be told has not been told about a party of this platform."""
        ...

    async def report(self, claim: Claim, row: ClientInfoRow, *, told: bool) -> bool:
        """Note what became of a row; false when the claim has run out."""
        ...

    async def release(self, claim: Claim) -> None: ...

    async def told_after(self, platform_id: PlatformId, after_serial: int) -> ClientInfoRow | None:
        """The next row that was told, of a party with one role only."""
        ...

    async def tell_again(self, platform_id: PlatformId, row: ClientInfoRow) -> bool:
        """Make a row untold; false when it has changed meanwhile."""
        ...

    async def page(self, platform_id: PlatformId, page: PageRequest) -> Page: ...


def announced_at(platform: Platform) -> str | None:
    """Where a platform is told; None when it is not registered or takes no such pushes."""
    if platform.state is not PlatformState.CONNECTED or platform.our_token is None:
        return None
    return platform.endpoints.get((Module.HUB_CLIENT_INFO, InterfaceRole.RECEIVER))


def reached_at(platform: Platform) -> str | None:
    """Where a platform can be told now; None while it cannot."""
    return announced_at(platform) if platform.online else None
