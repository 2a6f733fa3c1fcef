"""An invitation that is too old is told apart from a token that nobody ever had."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.protocols import InvitationExpired
from ocpi_hub.domain.party import CredentialsToken, PlatformId
from ocpi_hub.registration.expired import PAUSE_S, ExpiredInvitations
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import NoSteps, Step
from ocpi_hub.store.credentials import TOLD_APART
from ocpi_hub.store.database import Database
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.admin import AdminHub, admin_hub
from tests.support.directory import (
    KEY,
    ManualClock,
    insert_platform,
    insert_token,
    make_directory_store,
)
from tests.support.postgres import make_settings
from tests.support.stores import value

P = PlatformId("p-1")
INVITATION = "an-invitation"
A_DAY_S = 86_400.0


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(database, P, state="invited", roles=())
    async with admin_hub(database) as running:
        yield running


async def ask(hub: AdminHub, token: str, method: str = "GET") -> dict[str, Any]:
    """What a partner is told about a token, as HTTP status, OCPI status and message."""
    coded = base64.b64encode(token.encode()).decode()
    url = "/ocpi/versions" if method == "GET" else "/ocpi/2.2.1/credentials"
    async with hub.client() as client:
        answer = await client.request(
            method, url, headers={"Authorization": f"Token {coded}"}, json={}
        )
    body = answer.json()
    return {
        "http": answer.status_code,
        "ocpi": body["status_code"],
        "message": body["status_message"],
        "authenticate": answer.headers.get("WWW-Authenticate"),
    }


async def steps(hub: AdminHub) -> list[dict[str, Any]]:
    async with hub.client(await hub.make_key(Scope.READ)) as client:
        answer = await client.get(f"/admin/api/platforms/{P}/handshake")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_expired_invitation_is_told_its_day_and_what_to_do(
    hub: AdminHub, method: str
) -> None:
    await insert_token(hub.database, INVITATION, P, kind="registration", expires_in_s=-3 * A_DAY_S)
    told = await ask(hub, INVITATION, method)
    assert (told["http"], told["ocpi"], told["authenticate"]) == (401, 2000, "Token")
    assert "expired on 20" in told["message"]
    assert "ask the hub's operator for a new one" in told["message"]
    on = await value(
        hub.database, "select (expires_at at time zone 'UTC')::date::text from credentials_token"
    )
    assert on in told["message"]
    [step] = await steps(hub)
    assert step["failure"] == Failure.EXPIRED
    assert step["said"] == told["message"]
    assert INVITATION not in str(step)


async def test_an_invitation_that_expires_while_the_hub_knows_it_is_told_apart_too(
    database: Database,
) -> None:
    await insert_platform(database, P, state="invited", roles=())
    token = await insert_token(database, INVITATION, P, kind="registration", expires_in_s=3600)
    clock = ManualClock()
    keeper = DirectoryKeeper(make_directory_store(database), make_settings(), clock)
    await keeper.start()
    assert await keeper.look_up_credentials(token) is keeper.current
    # Nothing but time passes: the snapshot stays as it is.
    clock.advance(10_000 * A_DAY_S)
    with pytest.raises(InvitationExpired, match="expired on 20"):
        await keeper.look_up_credentials(token)
    assert token.sha256 in keeper.current.credentials


@pytest.mark.req("TF-06")
async def test_strangers_learn_nothing(hub: AdminHub) -> None:
    far = (TOLD_APART + timedelta(days=1)).total_seconds()
    await insert_token(hub.database, "long-ago", P, kind="registration", expires_in_s=-far)
    await insert_token(hub.database, "old-access", P, kind="access", expires_in_s=-A_DAY_S)
    unknown = await ask(hub, "a-guess")
    assert unknown["http"] == 401
    assert "on 20" not in unknown["message"]
    assert await ask(hub, "long-ago") == unknown
    assert await ask(hub, "old-access") == unknown
    assert await steps(hub) == []


async def test_a_renewal_voids_a_good_invitation_and_keeps_the_expired_one_apart(
    database: Database,
) -> None:
    await insert_platform(database, P, state="invited", roles=())
    far = (TOLD_APART + timedelta(days=1)).total_seconds()
    ages = {"good": A_DAY_S, "expired": -A_DAY_S, "long-ago": -far}
    for token, expires_in_s in ages.items():
        await insert_token(database, token, P, kind="registration", expires_in_s=expires_in_s)
    store = PostgresRegistrationStore(database, Keyring(KEY))
    await store.renew_invitation(P, CredentialsToken("new").sha256, days=7)
    directory = make_directory_store(database)
    kept = {
        token
        for token in (*ages, "new")
        if await value(
            database,
            "select count(*) from credentials_token where token_sha256 = $1",
            CredentialsToken(token).sha256,
        )
    }
    assert kept == {"expired", "new"}
    assert (await directory.load()).credentials.keys() == {CredentialsToken("new").sha256}


async def test_an_expired_invitation_does_not_register_anybody(hub: AdminHub) -> None:
    await insert_token(hub.database, INVITATION, P, kind="registration", expires_in_s=-1)
    assert (await ask(hub, INVITATION, "POST"))["http"] == 401
    state = await value(hub.database, "select state from platform where platform_id = $1", P)
    assert state == "invited"


async def test_whoever_tries_again_and_again_is_noted_once_a_minute() -> None:
    noted: list[PlatformId | None] = []

    class Steps(NoSteps):
        async def note(self, attempt: Any, step: Step) -> None:
            noted.append(attempt.platform_id)

    clock = ManualClock()

    async def expired(token: CredentialsToken) -> None:
        raise InvitationExpired(PlatformId(token), clock.now())

    tried = ExpiredInvitations(expired, Steps(), clock)
    for _ in range(3):
        for platform in ("p-1", "p-2"):
            with pytest.raises(InvitationExpired):
                await tried.look_up(CredentialsToken(platform))
    clock.advance(PAUSE_S)
    with pytest.raises(InvitationExpired):
        await tried.look_up(CredentialsToken("p-1"))
    assert noted == ["p-1", "p-2", "p-1"]
