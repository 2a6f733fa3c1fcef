"""Platforms: invite, serve by file, connect, rotate, suspend, resume, set, remove."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change as noted_change
from ocpi_hub.admin.views.platforms import (
    InvitationView,
    PlatformDetails,
    PlatformItem,
    PlatformRemoved,
    invitation_view,
    platform_details,
    platform_item,
)
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import (
    CredentialsToken,
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
    Quirk,
)
from ocpi_hub.errors import OperatorError
from ocpi_hub.registration import by_file
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.registration.protocols import ExpectedRole
from ocpi_hub.registration.steps import Attempt
from ocpi_hub.store.platform_admin import unknown_platform


@dataclass(frozen=True, slots=True)
class PlatformChange:
    """What is to be set on a platform; what is not given stays.

    Attributes:
        quirks: on or off.
        page_limit: 0 for the hub's own.
        catch_up: push, pull or none.
        permit: parties that it may claim although the hub knows them already.
        custom_modules: agreed on with it, or no more.
    """

    name: str | None = None
    quirks: Mapping[Quirk, bool] = field(default_factory=dict)
    page_limit: int | None = None
    catch_up: str | None = None
    permit: Collection[PartyId] = ()
    custom_modules: Mapping[str, bool] = field(default_factory=dict)


async def show(access: OperatorAccess, platform_id: PlatformId) -> PlatformDetails:
    """One platform; tokens are never shown."""
    platform = find_platform(await access.load(), platform_id)
    history = await access.admin.history(platform_id)
    details = await access.admin.business_details(platform_id)
    return platform_details(platform, history, details)


async def invite(
    onboarding: Onboarding,
    name: str,
    *,
    permit: Collection[PartyId] = (),
    expect: Collection[ExpectedRole] = (),
) -> InvitationView:
    """A new platform that may register once; its expected parties are PLANNED until then."""
    async with noted_change("platform.invite", name) as noted:
        invitation = await onboarding.invitations.invite(name, permit=permit, expect=expect)
        return noted.became(invitation_view(invitation), invitation.platform_id)


async def renew_invitation(
    access: OperatorAccess,
    onboarding: Onboarding,
    platform_id: PlatformId,
    *,
    name: str | None = None,
    permit: Collection[PartyId] = (),
    expect: Collection[ExpectedRole] = (),
) -> InvitationView:
    """A new invitation for a platform that is known already, perhaps under another name."""
    before = platform_item(find_platform(await access.load(), platform_id))
    async with noted_change("platform.renew_invitation", platform_id, before) as noted:
        invitation = await onboarding.invitations.renew(platform_id, permit=permit, expect=expect)
        if name:
            await access.admin.configure(platform_id, name=name)
        return noted.became(invitation_view(invitation))


async def serve_by_file(
    access: OperatorAccess, name: str, parties: Collection[ExpectedRole]
) -> PlatformItem:
    """A new platform that exchanges files, and no message; returns once every process knows."""
    hub = (await access.load()).hub
    async with noted_change("platform.by_file", name) as noted:
        platform_id = await by_file.serve_by_file(access.registrations, hub, name, parties)
        return noted.became(await _changed(access, platform_id), platform_id)


async def turn_to_files(
    access: OperatorAccess, platform_id: PlatformId, parties: Collection[ExpectedRole]
) -> PlatformItem:
    """A platform that is invited or has withdrawn exchanges files; more parties may come to it."""
    directory = await access.load()
    platform = find_platform(directory, platform_id)
    if not parties and not any(held.active for held in platform.roles):
        raise OperatorError(f"{platform_id} has no party: name those that files are exchanged with")
    async with noted_change("platform.by_file", platform_id, platform_item(platform)) as noted:
        await by_file.turn_to_files(access.registrations, directory.hub, platform_id, parties)
        return noted.became(await _changed(access, platform_id))


async def connect(
    access: OperatorAccess,
    onboarding: Onboarding,
    versions_url: str,
    token: CredentialsToken,
    *,
    name: str | None = None,
    permit: Collection[PartyId] = (),
    attempt: Attempt | None = None,
) -> PlatformItem:
    """Register with a partner that invited the hub; its steps are noted under the attempt."""
    async with noted_change("platform.connect", name or "a new platform") as noted:
        platform_id = await onboarding.connect(
            versions_url, token, name, permit=permit, attempt=attempt
        )
        return noted.became(await _changed(access, platform_id), platform_id)


async def rotate(
    access: OperatorAccess, onboarding: Onboarding, platform_id: PlatformId, *, now: bool = False
) -> PlatformItem:
    """New credentials on both sides.

    Args:
        now: those that the platform has are void first, whether or not it takes new ones. One that
            is suspended gets new ones by a rotation after it is resumed.
    """
    if not now:
        return await _rotate(access, onboarding, platform_id)
    revoked = await _revoke(access, platform_id)
    if revoked.state is PlatformState.SUSPENDED:
        return revoked
    try:
        return await _rotate(access, onboarding, platform_id)
    except OperatorError as error:
        raise type(error)(f"the old tokens of {platform_id} are void, but: {error}") from error


async def _revoke(access: OperatorAccess, platform_id: PlatformId) -> PlatformItem:
    """Returns once no process lets anything through that has one of the tokens."""
    before = platform_item(find_platform(await access.load(), platform_id))
    async with noted_change("platform.revoke", platform_id, before) as noted:
        await access.admin.revoke(platform_id)
        return noted.became(await _changed(access, platform_id))


async def _rotate(
    access: OperatorAccess, onboarding: Onboarding, platform_id: PlatformId
) -> PlatformItem:
    platform = find_platform(await access.load(), platform_id)
    async with noted_change("platform.rotate", platform_id, platform_item(platform)) as noted:
        await onboarding.rotate(platform)
        return noted.became(await _changed(access, platform_id))


async def suspend(access: OperatorAccess, platform_id: PlatformId) -> PlatformItem:
    """Returns once no process lets anything through."""
    before = platform_item(find_platform(await access.load(), platform_id))
    async with noted_change("platform.suspend", platform_id, before) as noted:
        await access.admin.suspend(platform_id)
        return noted.became(await _changed(access, platform_id))


async def resume(access: OperatorAccess, platform_id: PlatformId) -> PlatformItem:
    """Returns once every process knows."""
    before = platform_item(find_platform(await access.load(), platform_id))
    async with noted_change("platform.resume", platform_id, before) as noted:
        await access.admin.resume(platform_id)
        return noted.became(await _changed(access, platform_id))


async def configure(
    access: OperatorAccess, platform_id: PlatformId, change: PlatformChange
) -> PlatformItem:
    """Returns once every process acts on it."""
    if change == PlatformChange():
        raise OperatorError("nothing to set: see `platform set --help`")
    async with noted_change("platform.set", platform_id, await show(access, platform_id)) as noted:
        await _configure(access, platform_id, change)
        changed = await _changed(access, platform_id)
        noted.became(await show(access, platform_id))
        return changed


async def _configure(
    access: OperatorAccess, platform_id: PlatformId, change: PlatformChange
) -> None:
    await access.admin.configure(
        platform_id,
        name=change.name,
        add_quirks=[quirk for quirk, on in change.quirks.items() if on],
        remove_quirks=[quirk for quirk, on in change.quirks.items() if not on],
        page_limit=change.page_limit,
        catch_up=change.catch_up,
        permit=change.permit,
        add_custom_modules=[module for module, on in change.custom_modules.items() if on],
        remove_custom_modules=[module for module, on in change.custom_modules.items() if not on],
    )


async def remove(
    access: OperatorAccess, platform_id: PlatformId, *, force: bool
) -> PlatformRemoved:
    """Delete a platform and the relations of its parties; returns once every process knows."""
    before = await show(access, platform_id)
    async with noted_change("platform.remove", platform_id, before) as noted:
        await access.admin.remove(platform_id, force=force)
        await access.until_everyone_follows()
        return noted.became(PlatformRemoved(platform=platform_id, removed=True))


async def _changed(access: OperatorAccess, platform_id: PlatformId) -> PlatformItem:
    """The platform after a change that every process has taken over."""
    await access.until_everyone_follows()
    return platform_item(find_platform(await access.load(), platform_id))


def find_platform(directory: Directory, platform_id: PlatformId) -> Platform:
    """A platform by its id.

    Raises:
        NoSuchObject: there is none.
    """
    platform = directory.platforms.get(platform_id)
    if platform is None:
        raise unknown_platform(platform_id)
    return platform
