"""Credentials are renewed in time: real HTTP to partners, a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from structlog.testing import capture_logs

from ocpi_hub.clock import SystemClock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.party import CredentialsToken, PlatformId
from ocpi_hub.registration.renewal import LEASE, PAUSE, Renewal
from ocpi_hub.store.database import Database
from ocpi_hub.store.renewal import PostgresRenewalStore
from tests.support.directory import until
from tests.support.postgres import make_settings
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of
from tests.support.stores import execute

CREDENTIALS = "/2.2.1/credentials"
MONTH = timedelta(days=30)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[ScriptedPartner]:
    async with ScriptedPartner() as scripted:
        yield scripted


async def make_renewal(
    hub: RegisteringHub, *, max_age: timedelta = MONTH, watch_offer: bool = True
) -> Renewal:
    keeper = DirectoryKeeper(hub.directory, make_settings(), SystemClock())
    await keeper.start()
    return Renewal(
        PostgresRenewalStore(hub.database),
        hub.onboarding,
        keeper,
        max_age=max_age,
        watch_offer=watch_offer,
        grace_s=0.2,
        look_s=0.01,
    )


async def make_old(database: Database, days: float = 31) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "update platform set connected_at = now() - make_interval(secs => $1)", days * 86_400.0
        )


async def renewals(database: Database) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select platform_id, lease_until, last_error,"
            " extract(epoch from next_attempt_at - now()) / 86400 as days"
            " from credentials_renewal order by platform_id"
        )
    return [dict(row) for row in rows]


@pytest.mark.req("CR-24")
async def test_old_credentials_are_replaced_on_both_sides(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, old = await hub.registered(partner)
    renewal = await make_renewal(hub)
    await make_old(hub.database, 29)
    assert not await renewal.renew_one()
    await make_old(hub.database)
    partner.token = "the-partners-second-token"
    assert await renewal.renew_one()
    new = json.loads(partner.calls("PUT", CREDENTIALS)[0].body)["token"]
    assert new != old
    assert await hub.knows(new)
    assert (await hub.platform(platform_id)).our_token == "the-partners-second-token"
    assert not await renewal.renew_one()
    await make_old(hub.database)
    assert not await renewal.renew_one(), "at most once a day"


async def test_age_zero_renews_nothing(hub: RegisteringHub, partner: ScriptedPartner) -> None:
    await hub.registered(partner)
    await make_old(hub.database, 3650)
    assert not await (await make_renewal(hub, max_age=timedelta())).renew_one()


@pytest.mark.req("VE-10")
async def test_a_partner_that_was_told_other_endpoints_reads_them_again(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    await hub.registered(partner)
    renewal = await make_renewal(hub)
    assert not await renewal.renew_one()
    await execute(hub.database, "update platform set offer_digest = 'x'")
    assert not await (await make_renewal(hub, watch_offer=False)).renew_one()
    assert await renewal.renew_one()
    assert len(partner.calls("PUT", CREDENTIALS)) == 1
    await execute(hub.database, "delete from credentials_renewal")
    assert not await renewal.renew_one()


@pytest.mark.parametrize(
    "change",
    [
        "update platform set state = 'suspended', resume_state = 'connected'",
        "update platform set state = 'disconnected'",
        "update platform set online = false",
    ],
)
async def test_who_is_not_connected_and_online_is_left_alone(
    hub: RegisteringHub, partner: ScriptedPartner, change: str
) -> None:
    await hub.registered(partner)
    await make_old(hub.database)
    await execute(hub.database, "update platform set offer_digest = null")
    await execute(hub.database, change)
    assert not await (await make_renewal(hub)).renew_one()
    assert not partner.calls("PUT", CREDENTIALS)


@pytest.mark.parametrize(
    ("body", "status", "days"),
    [
        (b"", 405, 7),
        (b"", 404, 7),
        (envelope(None, 2000), 200, 7),
        (b"", 500, 1),
        (b"<html>", 200, 1),
    ],
)
async def test_a_failure_is_logged_once_and_tried_again_later(
    hub: RegisteringHub, partner: ScriptedPartner, body: bytes, status: int, days: int
) -> None:
    platform_id, old = await hub.registered(partner)
    await make_old(hub.database)
    partner.answer("PUT", CREDENTIALS, body, status)
    renewal = await make_renewal(hub)
    with capture_logs() as logs:
        assert await renewal.renew_one()
        assert not await renewal.renew_one()
    (failure,) = [entry for entry in logs if entry["event"] == "credentials_renewal_failed"]
    assert (failure["log_level"], failure["platform"]) == ("error", platform_id)
    assert failure["next_try_days"] == days
    (row,) = await renewals(hub.database)
    assert (round(row["days"], 2), row["lease_until"]) == (days, None)
    assert row["last_error"] == failure["reason"]
    assert await hub.knows(old)
    partner.answer("PUT", CREDENTIALS, envelope(partner.credentials()))
    await execute(hub.database, "update credentials_renewal set next_attempt_at = now()")
    assert await renewal.renew_one()
    (row,) = await renewals(hub.database)
    assert row["last_error"] is None


async def test_a_partner_that_cannot_be_reached_is_asked_again_the_next_day(
    hub: RegisteringHub,
) -> None:
    async with ScriptedPartner() as partner:
        await hub.registered(partner)
    await make_old(hub.database)
    assert await (await make_renewal(hub)).renew_one()
    assert [round(row["days"], 2) for row in await renewals(hub.database)] == [1]


@asynccontextmanager
async def two_partners(hub: RegisteringHub) -> AsyncIterator[list[PlatformId]]:
    """The second one's credentials are older."""
    async with ScriptedPartner() as first, ScriptedPartner(role_of("BE*CPO")) as second:
        ids = [(await hub.registered(each))[0] for each in (first, second)]
        await make_old(hub.database)
        async with hub.database.connection() as connection:
            older = "update platform set connected_at = '2020-01-01' where platform_id = $1"
            await connection.execute(older, ids[1])
        yield ids


async def test_one_platform_at_a_time_across_processes_the_oldest_first(
    hub: RegisteringHub,
) -> None:
    store = PostgresRenewalStore(hub.database)

    async def claim() -> PlatformId | None:
        return await store.claim(MONTH, None, pause=PAUSE, lease=LEASE)

    async with two_partners(hub) as ids:
        claims = await asyncio.gather(*[claim() for _ in range(6)])
        assert [found for found in claims if found] == [ids[1]]
        assert await claim() is None
        await store.settle(ids[1], pause=PAUSE, error=None)
        assert await claim() == ids[0]
        await execute(hub.database, "update credentials_renewal set lease_until = now()")
        assert await claim() is None, "a try of a process that died counts"


async def test_the_loop_renews_all_that_is_due(hub: RegisteringHub) -> None:
    renewal, stop = await make_renewal(hub), asyncio.Event()

    async def both_done() -> bool:
        return [row["lease_until"] for row in await renewals(hub.database)] == [None, None]

    async with two_partners(hub):
        running = asyncio.ensure_future(renewal.run(stop))
        await until(both_done)
        stop.set()
        await running
    assert [row["last_error"] for row in await renewals(hub.database)] == [None, None]


async def test_a_stop_during_a_handshake_waits_no_longer_than_the_grace_and_keeps_both_tokens(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, old = await hub.registered(partner)
    asked = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    partner.on("PUT", CREDENTIALS, hang)
    await make_old(hub.database)
    renewal, stop = await make_renewal(hub), asyncio.Event()
    running = asyncio.ensure_future(renewal.run(stop))
    async with asyncio.timeout(10):
        await asked.wait()
        stop.set()
        await running
    new = json.loads(partner.calls("PUT", CREDENTIALS)[0].body)["token"]
    for token in (old, new):
        found, issued = await hub.admit(token)
        assert (found.platform_id, issued.expires_at) == (platform_id, None)
        assert issued.token_sha256 == CredentialsToken(token).sha256


async def test_the_loop_outlives_a_database_that_is_away(hub: RegisteringHub, address: Any) -> None:
    renewal, stop = await make_renewal(hub), asyncio.Event()
    await hub.database.close()
    with capture_logs() as logs:
        running = asyncio.ensure_future(renewal.run(stop))
        await until(lambda: len(logs) >= 2)
        stop.set()
        await running
    assert {entry["event"] for entry in logs} == {"renewal_waits_for_database"}
