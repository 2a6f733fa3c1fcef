"""Partners that exchange files: how they come on board, and how they turn to messages and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

import pytest
import pytest_asyncio

from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, PlatformId, PlatformState, Role
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.registration import by_file
from ocpi_hub.registration.protocols import ExpectedRole
from ocpi_hub.store.database import Database
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.directory import HUB, KEY, insert_platform
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner

CPO, OTHER = PartyId("NL", "CPO"), PartyId("FR", "OTH")


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


def store_of(hub: RegisteringHub) -> PostgresRegistrationStore:
    return PostgresRegistrationStore(hub.database, Keyring(KEY))


def roles(*parties: PartyId, role: Role = Role.CPO) -> Collection[ExpectedRole]:
    return [ExpectedRole(party, role) for party in parties]


async def served(hub: RegisteringHub, *parties: PartyId) -> PlatformId:
    return await by_file.serve_by_file(store_of(hub), HUB, "Filed Co", roles(*parties))


async def turned(hub: RegisteringHub, platform_id: str, *parties: PartyId) -> None:
    await by_file.turn_to_files(store_of(hub), HUB, PlatformId(platform_id), roles(*parties))


async def test_a_partner_by_file_has_its_parties_and_no_credentials(hub: RegisteringHub) -> None:
    platform_id = await served(hub, CPO, OTHER)
    platform = await hub.platform(platform_id)
    assert platform.state is PlatformState.BY_FILE
    assert {held.party for held in platform.roles} == {CPO, OTHER}
    assert not (await hub.load()).credentials


async def test_who_takes_part_by_file_is_checked(hub: RegisteringHub) -> None:
    with pytest.raises(OperatorError, match="name the parties"):
        await served(hub)
    with pytest.raises(OperatorError, match="this hub itself"):
        await served(hub, HUB)
    await insert_platform(hub.database)
    with pytest.raises(OperatorError, match="belongs to another platform"):
        await served(hub, OTHER, CPO)
    assert (await hub.load()).platforms.keys() == {"p-1"}
    with pytest.raises(OperatorError, match="p-1 is connected"):
        await turned(hub, "p-1")
    with pytest.raises(NoSuchObject):
        await turned(hub, "p-2")


async def test_an_invited_partner_exchanges_files_until_it_registers(hub: RegisteringHub) -> None:
    invitation = await hub.onboarding.invitations.invite("Charge Co", expect=roles(CPO))
    await turned(hub, invitation.platform_id, OTHER)
    platform = await hub.platform(invitation.platform_id)
    assert platform.state is PlatformState.BY_FILE
    assert {held.party for held in platform.roles if held.active} == {CPO, OTHER}
    async with ScriptedPartner() as partner:
        await hub.post(invitation.token, partner.body())
    directory = await hub.load()
    assert directory.platforms[invitation.platform_id].state is PlatformState.CONNECTED
    assert directory.status(CPO) is PartyStatus.CONNECTED
    # What it does not claim is withdrawn.
    assert directory.status(OTHER) is PartyStatus.SUSPENDED


async def test_a_partner_by_file_registers_once_it_is_invited(hub: RegisteringHub) -> None:
    platform_id = await served(hub, CPO)
    renewed = await hub.onboarding.invitations.renew(platform_id)
    assert (await hub.platform(platform_id)).state is PlatformState.BY_FILE
    async with ScriptedPartner() as partner:
        await hub.post(renewed.token, partner.body())
    platform = await hub.platform(platform_id)
    assert (platform.state, platform.version) == (PlatformState.CONNECTED, "2.2.1")


async def test_a_partner_that_withdrew_exchanges_files(hub: RegisteringHub) -> None:
    async with ScriptedPartner() as partner:
        platform_id, token = await hub.registered(partner)
        await hub.handshake.delete_credentials(*await hub.admit(token))
    assert (await hub.load()).status(CPO) is PartyStatus.SUSPENDED
    await turned(hub, platform_id)
    platform = await hub.platform(platform_id)
    assert (platform.state, platform.version, dict(platform.endpoints)) == (
        PlatformState.BY_FILE,
        None,
        {},
    )
