"""What an operator agrees on with a partner is what that partner, and nobody else, reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from ocpi_hub.clock import SystemClock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.registration.renewal import Renewal
from ocpi_hub.store.database import Database
from ocpi_hub.store.platform_admin import PlatformAdmin
from ocpi_hub.store.renewal import PostgresRenewalStore
from tests.support.postgres import make_settings
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner
from tests.support.stores import execute

CREDENTIALS = "/2.2.1/credentials"
A, B = "nltnm-tokens", "nltnm-meters"


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[ScriptedPartner]:
    async with ScriptedPartner() as scripted:
        yield scripted


async def agree(
    hub: RegisteringHub, platform_id: PlatformId, *modules: str, end: tuple[str, ...] = ()
) -> None:
    admin = PlatformAdmin(hub.database, overlap=timedelta())
    await admin.configure(platform_id, add_custom_modules=modules, remove_custom_modules=end)


async def make_renewal(hub: RegisteringHub) -> Renewal:
    """Due is whoever was told other endpoints than there are."""
    keeper = DirectoryKeeper(hub.directory, make_settings(), SystemClock())
    await keeper.start()
    await execute(hub.database, "delete from credentials_renewal")
    return Renewal(
        PostgresRenewalStore(hub.database),
        hub.onboarding,
        keeper,
        max_age=timedelta(),
        watch_offer=True,
        grace_s=0.2,
    )


@pytest.mark.req("VE-11", "VE-12")
async def test_agreements_belong_to_one_platform_and_can_end(hub: RegisteringHub) -> None:
    one = await hub.onboarding.invitations.invite("One")
    two = await hub.onboarding.invitations.invite("Two")
    await agree(hub, one.platform_id, A, B)
    await agree(hub, one.platform_id, A)
    await agree(hub, two.platform_id, A, end=(B,))
    assert (await hub.platform(one.platform_id)).custom_modules == {A, B}
    assert (await hub.platform(two.platform_id)).custom_modules == {A}
    await agree(hub, one.platform_id, end=(A,))
    assert (await hub.platform(one.platform_id)).custom_modules == {B}
    assert (await hub.platform(two.platform_id)).custom_modules == {A}


@pytest.mark.req("VE-11", "VE-06")
def test_details_list_both_interfaces_of_a_custom_module(hub: RegisteringHub) -> None:
    plain = json.loads(hub.handshake.details("2.2.1"))["endpoints"]
    agreed = json.loads(hub.handshake.details("2.2.1", frozenset({A})))["endpoints"]
    assert [each for each in agreed if each not in plain] == [
        {"identifier": A, "role": role, "url": f"https://hub.example/ocpi/2.2.1/{path}/{A}"}
        for role, path in (("SENDER", "sender"), ("RECEIVER", "receiver"))
    ]


@pytest.mark.req("VE-10", "VE-11")
async def test_a_connected_partner_reads_again_once_something_is_agreed_on(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, _ = await hub.registered(partner)
    for change in ({"modules": (A,)}, {"modules": (), "end": (A,)}):
        await agree(hub, platform_id, *change["modules"], end=change.get("end", ()))
        partner.received.clear()
        assert await (await make_renewal(hub)).renew_one()
        assert len(partner.calls("PUT", CREDENTIALS)) == 1
        assert not await (await make_renewal(hub)).renew_one()


@pytest.mark.req("VE-10")
async def test_what_was_agreed_on_before_the_registration_is_no_news(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invited = await hub.onboarding.invitations.invite("A partner")
    await agree(hub, invited.platform_id, B, A)
    await hub.post(invited.token, partner.body())
    await agree(hub, invited.platform_id, A)
    assert not await (await make_renewal(hub)).renew_one()


@pytest.mark.req("VE-10")
async def test_what_is_agreed_on_during_a_handshake_is_news_after_it(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, _ = await hub.registered(partner)
    before = await hub.platform(platform_id)
    await agree(hub, platform_id, A)
    # As a handshake does that began a moment earlier.
    await hub.onboarding.rotate(replace(before, custom_modules=frozenset()))
    assert await (await make_renewal(hub)).renew_one()
    assert not await (await make_renewal(hub)).renew_one()
