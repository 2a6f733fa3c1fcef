"""The hub starts handshakes and rotates credentials: real HTTP to the partner, a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from ocpi_hub.domain.party import CredentialsToken, PlatformId, PlatformState
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.database import Database
from tests.support.directory import insert_platform
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of, token_of

TOKEN_A = CredentialsToken("an-invitation")
CREDENTIALS = "/2.2.1/credentials"


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[ScriptedPartner]:
    async with ScriptedPartner() as scripted:
        yield scripted


def calling_back(hub: RegisteringHub, partner: ScriptedPartner) -> list[bool]:
    """Let the partner look, within the hub's POST or PUT, whether the new token works."""
    worked: list[bool] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        sent = await request.json()
        worked.append(await hub.knows(sent["token"]))
        body = envelope(partner.credentials())
        return web.Response(body=body, content_type="application/json")

    for method in ("POST", "PUT"):
        partner.on(method, CREDENTIALS, respond)
    return worked


@pytest.mark.req("CR-02", "CR-16", "VE-08")
async def test_connect_registers_with_a_partner_that_calls_back_within_the_post(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    worked = calling_back(hub, partner)
    platform_id = await hub.onboarding.connect(partner.versions_url, TOKEN_A, "A partner")
    platform = await hub.platform(platform_id)
    assert worked == [True]
    assert (platform.state, platform.our_token) == (PlatformState.CONNECTED, partner.token)
    assert {token_of(each.authorization) for each in partner.received} == {TOKEN_A}
    (post,) = partner.calls("POST", CREDENTIALS)
    sent = json.loads(post.body)
    assert [role["role"] for role in sent["roles"]] == ["HUB"]
    assert sent["url"] == "https://hub.example/ocpi/versions"
    (issued,) = (await hub.load()).credentials.values()
    assert (issued.kind, issued.expires_at) == ("access", None)
    assert issued.token_sha256 == CredentialsToken(sent["token"]).sha256


@pytest.mark.req("CR-14")
async def test_connect_without_a_credentials_endpoint_sends_no_post(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    listed = [{"identifier": "cdrs", "role": "RECEIVER", "url": f"{partner.base_url}/cdrs"}]
    partner.answer("GET", "/2.2.1", envelope({"version": "2.2.1", "endpoints": listed}))
    with pytest.raises(OperatorError, match="no credentials endpoint"):
        await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    assert not partner.calls("POST", CREDENTIALS)
    assert not (await hub.load()).platforms


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (envelope(None, 2001, "no room"), 200, "OCPI 2001: no room"),
        (envelope(None, 3001), 200, "OCPI 3001"),
        (b"", 405, "HTTP 405"),
        (b"", 500, "HTTP 500"),
        (b"<html>", 200, "not JSON"),
        (envelope({"token": "x"}), 200, "url"),
    ],
)
async def test_connect_that_fails_leaves_nothing(
    hub: RegisteringHub, partner: ScriptedPartner, body: bytes, status: int, text: str
) -> None:
    partner.answer("POST", CREDENTIALS, body, status)
    with pytest.raises(OperatorError, match=text):
        await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    directory = await hub.load()
    assert not directory.platforms
    assert not directory.credentials


async def test_connect_to_a_partner_that_claims_a_taken_party_withdraws(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    await insert_platform(hub.database, "p-1", roles=(("CPO", "NL*CPO"),))
    with pytest.raises(OperatorError, match=r"NL\*CPO"):
        await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    (delete,) = partner.calls("DELETE", CREDENTIALS)
    assert token_of(delete.authorization) == partner.token
    assert list((await hub.load()).platforms) == ["p-1"]


async def test_connect_after_a_killed_attempt_takes_its_platform_up_again(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    await insert_platform(hub.database, "p-killed", state="connecting", roles=())
    async with hub.database.connection() as connection:
        await connection.execute("update platform set versions_url = $1", partner.versions_url)
    assert await hub.onboarding.connect(partner.versions_url, TOKEN_A) == "p-killed"
    assert list((await hub.load()).platforms) == ["p-killed"]


async def test_a_cancelled_connect_leaves_nothing(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    posted = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        posted.set()
        await asyncio.Event().wait()
        raise AssertionError

    partner.on("POST", CREDENTIALS, hang)
    attempt = asyncio.create_task(hub.onboarding.connect(partner.versions_url, TOKEN_A))
    await posted.wait()
    assert [p.state for p in (await hub.load()).platforms.values()] == [PlatformState.CONNECTING]
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert not (await hub.load()).platforms


async def test_connect_to_a_connected_partner_is_refused(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id = await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    with pytest.raises(OperatorError, match=f"rotate {platform_id}"):
        await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    assert (await hub.platform(platform_id)).state is PlatformState.CONNECTED


async def test_connect_leads_a_partner_back_that_had_withdrawn(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, token = await hub.registered(partner)
    await hub.handshake.delete_credentials(*await hub.admit(token))
    assert await hub.onboarding.connect(partner.versions_url, TOKEN_A) == platform_id
    assert (await hub.platform(platform_id)).state is PlatformState.CONNECTED


@pytest.mark.req("VE-10", "CR-24", "CR-16")
async def test_rotate_replaces_both_tokens(hub: RegisteringHub, partner: ScriptedPartner) -> None:
    platform_id, old = await hub.registered(partner)
    first = partner.token
    partner.token = "the-partners-second-token"
    worked = calling_back(hub, partner)
    await hub.onboarding.rotate(await hub.platform(platform_id))
    (put,) = partner.calls("PUT", CREDENTIALS)
    new = json.loads(put.body)["token"]
    assert worked == [True]
    assert token_of(put.authorization) == first
    assert (await hub.platform(platform_id)).our_token == "the-partners-second-token"
    # The old token goes on until the new one is used.
    assert await hub.knows(old)
    await hub.directory.note_first_use(CredentialsToken(new).sha256, grace_s=0.0)
    assert not await hub.knows(old)
    assert await hub.knows(new)


async def test_a_refused_rotation_changes_nothing(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, old = await hub.registered(partner)
    partner.answer("PUT", CREDENTIALS, envelope(None, 3001), 200)
    with pytest.raises(OperatorError, match="OCPI 3001"):
        await hub.onboarding.rotate(await hub.platform(platform_id))
    directory = await hub.load()
    assert directory.platforms[platform_id].our_token == partner.token
    assert set(directory.credentials) == {CredentialsToken(old).sha256}


async def test_after_a_rotation_of_unknown_outcome_both_tokens_are_accepted(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, old = await hub.registered(partner)
    partner.answer("PUT", CREDENTIALS, b"", 502)
    with pytest.raises(OperatorError, match=f"invite --renew {platform_id}"):
        await hub.onboarding.rotate(await hub.platform(platform_id))
    new = json.loads(partner.calls("PUT", CREDENTIALS)[0].body)["token"]
    for token in (old, new):
        _, issued = await hub.admit(token)
        assert issued.expires_at is None


async def test_rotate_of_a_platform_that_is_not_connected_is_refused(hub: RegisteringHub) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(OperatorError, match="not connected"):
        await hub.onboarding.rotate(await hub.platform(invitation.platform_id))


async def test_renewing_the_invitation_of_nobody_is_refused(hub: RegisteringHub) -> None:
    with pytest.raises(OperatorError, match="platform list"):
        await hub.onboarding.invitations.renew(PlatformId("p-none"))


async def test_connect_refuses_a_partner_that_claims_to_be_the_hub(hub: RegisteringHub) -> None:
    async with ScriptedPartner(role_of("EU*HUB", "CPO")) as partner:
        with pytest.raises(OperatorError, match="this hub itself"):
            await hub.onboarding.connect(partner.versions_url, TOKEN_A)
    assert not (await hub.load()).platforms
