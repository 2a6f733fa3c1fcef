"""A hub and a partner that both know a second version: the connection has one of them at a time.

The second version exists in these tests only; the handshake is the same in it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.domain.party import CredentialsToken, InterfaceRole, OcpiVersion, PlatformId
from ocpi_hub.errors import MethodNotAllowed, NotFound, OperatorError, UnsupportedVersion
from ocpi_hub.server.configuration import ConfigurationHandler
from ocpi_hub.server.handlers.hub_client_info import HubClientInfoHandler
from ocpi_hub.server.inbound import Caller, read_target
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.database import Database
from tests.support.registration import PUBLIC_URL, RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, envelope

OLD, NEW = OcpiVersion("2.2.1"), OcpiVersion("2.10.0")
"""By their numbers: as texts they would be the other way round."""


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database, (OLD, NEW)) as running:
        yield running


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[ScriptedPartner]:
    async with ScriptedPartner() as scripted:
        offer(scripted, OLD, NEW)
        yield scripted


def offer(partner: ScriptedPartner, *versions: str) -> None:
    """Let a partner offer these versions, each with endpoints of its own."""
    listed = [{"version": each, "url": f"{partner.base_url}/{each}"} for each in versions]
    partner.answer("GET", "/versions", envelope(listed))
    for each in versions:
        endpoints = [
            {"identifier": name, "role": "RECEIVER", "url": f"{partner.base_url}/{each}/{name}"}
            for name in ("credentials", f"cdrs{each[2]}")
        ]
        partner.answer("GET", f"/{each}", envelope({"version": each, "endpoints": endpoints}))
        for method in ("POST", "PUT"):
            partner.answer(method, f"/{each}/credentials", envelope(partner.credentials()))


class Served:
    """The configuration modules of the hub, by method and path."""

    def __init__(self, hub: RegisteringHub) -> None:
        self._hub = hub
        store = PostgresClientInfoStore(hub.database, lease=timedelta(seconds=10))
        client_info = HubClientInfoHandler(store, page_limit=10, public_url=PUBLIC_URL)
        self.configuration = ConfigurationHandler(hub.handshake, client_info)

    async def __call__(self, method: str, path: str, token: str, body: bytes = b"") -> Any:
        platform, issued = await self._hub.admit(token)
        caller = Caller(platform, issued, CredentialsToken(token), await self._hub.load())
        reply = await self.configuration.handle(method, read_target(path), caller, body)
        return json.loads(reply.body).get("data")


@pytest.fixture
def served(hub: RegisteringHub) -> Served:
    return Served(hub)


async def registered(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner, version: str
) -> tuple[PlatformId, str]:
    """Register at the credentials endpoint of a version; the platform and token C."""
    invited = await hub.onboarding.invitations.invite("A partner")
    path = f"/ocpi/{version}/credentials"
    answer = await served("POST", path, invited.token, partner.body())
    return invited.platform_id, answer["token"]


@pytest.mark.req("VE-01", "VE-03", "TF-34")
async def test_versions_and_details_are_of_each_version(
    hub: RegisteringHub, served: Served
) -> None:
    invited = await hub.onboarding.invitations.invite("A partner")
    listed = await served("GET", "/ocpi/versions", invited.token)
    assert [each["version"] for each in listed] == [OLD, NEW]
    for each in listed:
        details = await served("GET", each["url"].removeprefix(PUBLIC_URL), invited.token)
        assert details["version"] == each["version"]
        assert all(f"/ocpi/{each['version']}/" in found["url"] for found in details["endpoints"])


@pytest.mark.req("CR-08", "VE-08", "VE-09", "CR-07")
@pytest.mark.parametrize(("first", "second"), [(OLD, NEW), (NEW, OLD)], ids=["up", "down"])
async def test_put_to_another_versions_endpoint_moves_the_connection(
    hub: RegisteringHub,
    served: Served,
    partner: ScriptedPartner,
    first: OcpiVersion,
    second: OcpiVersion,
) -> None:
    platform_id, token = await registered(hub, served, partner, first)
    before = await hub.platform(platform_id)
    assert before.version == first
    receiver = InterfaceRole.RECEIVER
    assert (f"cdrs{first[2]}", receiver) in before.endpoints
    served.configuration.require_served(first, before)
    with pytest.raises(NotFound, match=f"connected with version {first}"):
        served.configuration.require_served(second, before)
    partner.received.clear()

    answer = await served("PUT", f"/ocpi/{second}/credentials", token, partner.body())
    after = await hub.platform(platform_id)
    assert after.version == second
    assert await hub.knows(answer["token"])
    # Only details of that version were read, and only its endpoints are called from now on.
    assert [each.path for each in partner.received] == ["/versions", f"/{second}"]
    assert after.endpoints == {
        ("credentials", InterfaceRole.SENDER): f"{partner.base_url}/{second}/credentials",
        (f"cdrs{second[2]}", receiver): f"{partner.base_url}/{second}/cdrs{second[2]}",
    }
    served.configuration.require_served(second, after)
    with pytest.raises(NotFound, match=f"connected with version {second}"):
        served.configuration.require_served(first, after)


@pytest.mark.req("CR-08", "CR-15")
async def test_a_partner_does_not_move_to_a_version_that_it_does_not_offer_itself(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner
) -> None:
    offer(partner, OLD)
    platform_id, token = await registered(hub, served, partner, OLD)
    with pytest.raises(UnsupportedVersion):
        await served("PUT", f"/ocpi/{NEW}/credentials", token, partner.body())
    platform = await hub.platform(platform_id)
    assert (platform.version, await hub.knows(token)) == (OLD, True)


@pytest.mark.req("CR-08")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_there_are_no_credentials_of_a_version_not_offered(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner, method: str
) -> None:
    platform_id, token = await registered(hub, served, partner, OLD)
    with pytest.raises(NotFound):
        await served(method, "/ocpi/2.1.1/credentials", token, partner.body())
    assert (await hub.platform(platform_id)).version == OLD


@pytest.mark.req("CR-06")
async def test_another_version_is_no_way_to_register_twice(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner
) -> None:
    _, token = await registered(hub, served, partner, OLD)
    with pytest.raises(MethodNotAllowed):
        await served("POST", f"/ocpi/{NEW}/credentials", token, partner.body())


@pytest.mark.req("CR-10")
async def test_delete_at_another_versions_endpoint_ends_the_one_connection(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner
) -> None:
    platform_id, token = await registered(hub, served, partner, OLD)
    await served("DELETE", f"/ocpi/{NEW}/credentials", token)
    assert not await hub.knows(token)
    assert (await hub.platform(platform_id)).state == "disconnected"


@pytest.mark.req("VE-08", "VE-09")
async def test_as_sender_the_hub_takes_the_highest_version_that_both_have(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id = await hub.onboarding.connect(partner.versions_url, CredentialsToken("a"))
    platform = await hub.platform(platform_id)
    assert platform.version == NEW
    assert len(partner.calls("POST", f"/{NEW}/credentials")) == 1
    assert ("cdrs1", InterfaceRole.RECEIVER) in platform.endpoints


@pytest.mark.req("CR-08", "VE-08")
async def test_the_hubs_own_put_moves_the_connection_once_the_partner_offers_more(
    hub: RegisteringHub, served: Served, partner: ScriptedPartner
) -> None:
    offer(partner, OLD)
    platform_id, _ = await registered(hub, served, partner, OLD)
    await hub.onboarding.rotate(await hub.platform(platform_id))
    assert (await hub.platform(platform_id)).version == OLD
    offer(partner, OLD, NEW)
    await hub.onboarding.rotate(await hub.platform(platform_id))
    assert (await hub.platform(platform_id)).version == NEW
    assert len(partner.calls("PUT", f"/{NEW}/credentials")) == 1


async def test_a_partner_of_no_common_version_is_told_which_there_are(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    offer(partner, "2.1.1")
    with pytest.raises(OperatorError, match=f"{NEW} or {OLD} is not offered, only: 2.1.1"):
        await hub.onboarding.connect(partner.versions_url, CredentialsToken("a"))
