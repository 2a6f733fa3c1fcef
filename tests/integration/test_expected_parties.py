"""Parties that an operator expects of a platform that has not registered yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.errors import InvalidRequest, OperatorError
from ocpi_hub.registration.invitations import Invitation
from ocpi_hub.registration.protocols import ExpectedRole
from ocpi_hub.store.database import Database
from tests.support.directory import HUB, insert_platform
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, role_of
from tests.support.stores import value

CPO, OTHER = PartyId("NL", "CPO"), PartyId("FR", "OTH")


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


async def invited(hub: RegisteringHub, *expected: tuple[PartyId, Role]) -> Invitation:
    return await hub.onboarding.invitations.invite(
        "Charge Co", expect=[ExpectedRole(party, role) for party, role in expected]
    )


async def status(hub: RegisteringHub, party: PartyId) -> PartyStatus | None:
    return (await hub.load()).status(party)


@pytest.mark.req("HC-02")
async def test_an_expected_party_is_planned_until_it_registers(hub: RegisteringHub) -> None:
    invitation = await invited(hub, (CPO, Role.CPO), (OTHER, Role.CPO))
    assert await status(hub, CPO) is PartyStatus.PLANNED
    (platform,) = (await hub.load()).platforms.values()
    assert [(held.party, held.name) for held in platform.roles] == [
        (OTHER, "Charge Co"),
        (CPO, "Charge Co"),
    ]
    async with ScriptedPartner() as partner:
        await hub.post(invitation.token, partner.body())
    # What it claims counts, and what it does not claim is withdrawn.
    assert await status(hub, CPO) is PartyStatus.CONNECTED
    assert await status(hub, OTHER) is PartyStatus.SUSPENDED


async def test_nobody_else_can_claim_an_expected_party(hub: RegisteringHub) -> None:
    await invited(hub, (CPO, Role.CPO))
    stranger = await hub.onboarding.invitations.invite("A stranger")
    async with ScriptedPartner() as partner:
        with pytest.raises(InvalidRequest, match="NL\\*CPO belongs to another platform"):
            await hub.post(stranger.token, partner.body())
    with pytest.raises(OperatorError, match="NL\\*CPO belongs to another platform"):
        await invited(hub, (CPO, Role.CPO))


async def test_a_refused_invitation_leaves_nothing(hub: RegisteringHub, database: Database) -> None:
    await insert_platform(database)
    with pytest.raises(OperatorError, match="belongs to another platform"):
        await invited(hub, (OTHER, Role.CPO), (CPO, Role.CPO))
    assert (await hub.load()).platforms.keys() == {"p-1"}
    assert await value(database, "select count(*) from party") == 1


async def test_two_invitations_for_one_party_at_once_make_one_platform(
    hub: RegisteringHub,
) -> None:
    results = await asyncio.gather(
        *(invited(hub, (CPO, Role.CPO), (OTHER, Role.EMSP)) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Invitation) for result in results) == 1
    assert sum(isinstance(result, OperatorError) for result in results) == 3
    assert len((await hub.load()).platforms) == 1


async def test_a_renewed_invitation_may_name_parties_until_the_platform_has_registered(
    hub: RegisteringHub,
) -> None:
    first = await hub.onboarding.invitations.invite("Charge Co")
    expected = [ExpectedRole(CPO, Role.CPO)]
    renewed = await hub.onboarding.invitations.renew(first.platform_id, expect=expected)
    assert await status(hub, CPO) is PartyStatus.PLANNED
    async with ScriptedPartner(role_of("NL*CPO"), role_of("NL*CPO", "EMSP")) as partner:
        await hub.post(renewed.token, partner.body())
    with pytest.raises(OperatorError, match="connected: its roles are those"):
        await hub.onboarding.invitations.renew(first.platform_id, expect=expected)


async def test_the_hub_expects_neither_itself_nor_another_hub(hub: RegisteringHub) -> None:
    with pytest.raises(OperatorError, match="this hub itself"):
        await invited(hub, (HUB, Role.CPO))
    with pytest.raises(OperatorError, match="not known beforehand"):
        await invited(hub, (CPO, Role.HUB))
    assert not (await hub.load()).platforms


async def test_objects_of_an_expected_party_are_sent_once_it_has_registered(
    hub: RegisteringHub, database: Database
) -> None:
    await insert_platform(database, roles=(("EMSP", "DE*MSP"),))
    async with database.connection() as connection:
        await connection.execute(
            "insert into lane (country_code, party_id, module, cursor)"
            " values ('DE', 'MSP', 'locations', 1)"
        )
        await connection.execute(
            "insert into shared_object (module, country_code, party_id, object_id, position, body,"
            " last_updated, origin, correlation_id)"
            " values ('locations', 'NL', 'CPO', 'L1', 1, '{}', now(), 'broadcast', 'c')"
        )
    wanted = "select count(*) from lane_backfill where owner_party_id = 'CPO'"
    invitation = await invited(hub, (CPO, Role.CPO))
    assert await value(database, wanted) == 0
    async with ScriptedPartner() as partner:
        await hub.post(invitation.token, partner.body())
    assert await value(database, wanted) == 1
