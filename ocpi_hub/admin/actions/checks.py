"""The self-test of a partner: of one on board, or of anybody whose token is known."""

from __future__ import annotations

from urllib.parse import urlsplit

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.actions.platforms import find_platform
from ocpi_hub.admin.views.checks import check_summary
from ocpi_hub.checking.model import Limits, Report, Target
from ocpi_hub.checking.runner import Progress, check_partner
from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId, Quirk
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings


async def check_url(
    settings: Settings,
    clock: Clock,
    versions_url: str,
    token: CredentialsToken,
    *,
    sender: PartyId | None = None,
    write: bool = False,
    limits: Limits | None = None,
) -> Report:
    """Check whoever answers at a versions URL; needs no database.

    Args:
        sender: see `Target`.
    """
    target = Target(versions_url, token, _own(settings), sender, write=write)
    async with change("stranger.check", _host(versions_url)) as noted:
        report = await check_partner(target, settings, clock, limits)
        noted.became(check_summary(report))
        return report


async def check_platform(
    access: OperatorAccess,
    clock: Clock,
    platform_id: PlatformId,
    *,
    write: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a platform with the credentials that the hub has for it.

    Args:
        progress: see `check_partner`.

    Raises:
        NoSuchObject: there is no such platform.
        OperatorError: it has not registered.
    """
    platform = find_platform(await access.load(), platform_id)
    if platform.versions_url is None or platform.our_token is None:
        raise OperatorError(f"{platform_id} has not registered: there are no credentials for it")
    expected = frozenset((held.party, held.role) for held in platform.roles if held.active)
    target = Target(
        platform.versions_url,
        platform.our_token,
        _own(access.settings),
        _own(access.settings),
        raw=Quirk.RAW_TOKEN in platform.quirks,
        expected=expected,
        write=write,
    )
    async with change("platform.check", platform_id) as noted:
        report = await check_partner(target, access.settings, clock, limits, progress)
        noted.became(check_summary(report))
        return report


def _host(versions_url: str) -> str:
    """All of a URL that is certain to hold no secret."""
    try:
        return urlsplit(versions_url).hostname or "no host"
    except ValueError:
        return "no host"


def _own(settings: Settings) -> PartyId:
    return PartyId(settings.hub_country_code, settings.hub_party_id)
