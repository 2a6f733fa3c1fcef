"""How platforms look in the results of commands."""

from __future__ import annotations

from ocpi_hub.cli.common import OperatorAccess
from ocpi_hub.directory.snapshot import Directory, PartyStatus, platform_status
from ocpi_hub.domain.party import PartyRole, Platform, PlatformId
from ocpi_hub.store.platform_admin import unknown_platform


def item(platform: Platform) -> dict[str, object]:
    """A platform as lists show it."""
    return {
        "platform": platform.platform_id,
        "name": platform.name,
        "state": platform.state.value,
        "version": platform.version,
        "parties": [
            {
                "party": str(held.party),
                "role": held.role.value,
                "status": _status(platform, held).value,
            }
            for held in platform.roles
        ],
        "quirks": sorted(quirk.value for quirk in platform.quirks),
    }


async def changed_platform(access: OperatorAccess, platform_id: str) -> dict[str, object]:
    """The platform after a change that every process has taken over."""
    await access.until_everyone_follows()
    return item(find_platform(await access.load(), platform_id))


def find_platform(directory: Directory, platform_id: str) -> Platform:
    platform = directory.platforms.get(PlatformId(platform_id))
    if platform is None:
        raise unknown_platform(platform_id)
    return platform


def _status(platform: Platform, held: PartyRole) -> PartyStatus:
    """A role that the platform withdrew is suspended, whatever the platform's state."""
    return platform_status(platform) if held.active else PartyStatus.SUSPENDED
