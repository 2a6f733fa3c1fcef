"""platform invite, connect, rotate: what leads to credentials on both sides."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions import platforms
from ocpi_hub.cli.common import operator_access, party_argument
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.listening import local_url
from ocpi_hub.registration.protocols import ExpectedRole
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.registration.onboarding import Onboarding

log = get_logger(__name__)


async def run_invite(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """{"platform", "versions_url", "token"}."""
    if not args.name and not args.renew:
        raise OperatorError("give --name for a new platform, or --renew ID for a known one")
    permit = [party for party, role in args.party if role is None]
    expect = [ExpectedRole(party, role) for party, role in args.party if role is not None]
    async with operator_access(settings) as access, _onboarding(access) as onboarding:
        if args.renew:
            known = PlatformId(args.renew)
            invitation = await platforms.renew_invitation(
                access, onboarding, known, name=args.name, permit=permit, expect=expect
            )
        else:
            invitation = await platforms.invite(onboarding, args.name, permit=permit, expect=expect)
    return invitation.shown()


async def run_by_file(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform, as in the list."""
    if bool(args.name) == bool(args.id):
        raise OperatorError("give --name for a new platform, or the ID of one that is known")
    parties = [ExpectedRole(party, role or Role.EMSP) for party, role in args.party]
    async with operator_access(settings) as access:
        if args.id:
            item = await platforms.turn_to_files(access, PlatformId(args.id), parties)
        else:
            item = await platforms.serve_by_file(access, args.name, parties)
    return item.shown()


def expected_party(text: str) -> tuple[PartyId, Role | None]:
    """An argument like NL*CPO or NL*CPO:CPO, for argparse."""
    party, colon, role = text.partition(":")
    names = [name.value for name in Role if name is not Role.HUB]
    if colon and role not in names:
        raise argparse.ArgumentTypeError(f"{role!r} is no role: use one of {', '.join(names)}")
    return party_argument(party), Role(role) if colon else None


def render_invitation(result: object) -> str:
    """An invitation for people."""
    if not isinstance(result, dict):
        raise TypeError("an invitation is an object")
    return (
        f"platform:     {result['platform']}\n"
        f"versions url: {result['versions_url']}\n"
        f"token:        {result['token']}\n"
        "The token is shown this once. Hand it over together with the URL, over a secure channel."
    )


async def run_connect(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform, as in the list."""
    async with operator_access(settings) as access, _onboarding(access) as onboarding:
        platform = await platforms.connect(
            access,
            onboarding,
            args.versions_url.strip(),
            CredentialsToken(args.token.strip()),
            name=args.name,
            permit=args.party,
        )
    return platform.shown()


async def run_rotate(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform, with new credentials on both sides."""
    async with operator_access(settings) as access, _onboarding(access) as onboarding:
        platform_id = PlatformId(args.id)
        return (await platforms.rotate(access, onboarding, platform_id, now=args.now)).shown()


@asynccontextmanager
async def _onboarding(access: OperatorAccess) -> AsyncIterator[Onboarding]:
    # The hub's own side of HTTP, which the other commands do not wait for.
    from ocpi_hub.assembly import OFFERED
    from ocpi_hub.delivery.client import HttpClient
    from ocpi_hub.registration.onboarding import Onboarding
    from ocpi_hub.store.handshake_steps import PostgresSteps

    settings = access.settings
    policy = UrlPolicy(allow_http=settings.allow_http, allow_networks=settings.allow_networks)
    async with HttpClient(settings, clock=SystemClock()) as client:
        yield Onboarding(
            access.registrations,
            client,
            policy,
            settings,
            public_url=await _public_url(access),
            offered=OFFERED,
            steps=PostgresSteps(access.database),
        )


async def _public_url(access: OperatorAccess) -> str:
    """Where partners reach the hub: as configured, else as a running process tells.

    Raises:
        OperatorError: this command cannot know it.
    """
    settings = access.settings
    if settings.public_url:
        return settings.public_url
    told = await access.directory.announced_url(max_age_s=settings.directory_max_age_s)
    if told:
        return told
    if settings.port == 0:
        raise OperatorError(
            "set OCPI_HUB_PUBLIC_URL, or start the hub first: it chooses its port then"
        )
    url = local_url(settings, settings.host, settings.port)
    log.warning("public_url_not_set", url=url, remedy="partners need a URL that they can reach")
    return url
