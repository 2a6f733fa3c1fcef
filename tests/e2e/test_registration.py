"""Registration through the running hub: party platforms, operator commands, real processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.ocpi.headers import authorization
from tests.support.directory import until
from tests.support.hub import CommandFailed, HubProcess
from tests.support.party import PartyProcess
from tests.support.postgres import PostgresServer
from tests.support.scripted_partner import ScriptedPartner, role_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HubProcess]:
    """A hub for the tests of this module; each brings parties of its own."""
    address = await postgres_server.create_database()
    async with HubProcess(
        address,
        tmp_path_factory.mktemp("hub") / "hub.log",
        settings={"token_grace_s": "0.5", "workers": "2"},
    ) as running:
        yield running
    await postgres_server.drop_database(address)


async def call(
    method: str, url: str, token: str | None, body: bytes | None = None, *, raw: bool = False
) -> httpx.Response:
    """One request as a partner sends it."""
    headers = {} if token is None else {"Authorization": authorization(token, raw=raw)}
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        return await client.request(method, url, headers=headers, content=body)


def answered(response: httpx.Response) -> tuple[int, int]:
    """HTTP status and OCPI status code; every answer has to be an envelope."""
    value: dict[str, Any] = response.json()
    assert {"status_code", "timestamp"} <= set(value)
    return response.status_code, value["status_code"]


async def platform_of(hub: HubProcess, platform_id: str) -> dict[str, Any]:
    return dict(await hub.run("platform", "show", platform_id))


@pytest.mark.req("CR-02", "CR-04", "CR-05", "VE-08")
async def test_a_party_registers_with_an_invitation(hub: HubProcess) -> None:
    async with PartyProcess.of([("CPO", "NL*AAA"), ("EMSP", "NL*AAB")]) as party:
        invitation = await hub.run("platform", "invite", "--name", "A partner")
        await party.register(invitation["versions_url"], invitation["token"])
        shown = await platform_of(hub, invitation["platform"])
        assert shown["state"] == "connected"
        assert shown["parties"] == [
            {"party": "NL*AAA", "role": "CPO", "status": "CONNECTED"},
            {"party": "NL*AAB", "role": "EMSP", "status": "CONNECTED"},
        ]
        assert {"module": "cdrs", "role": "RECEIVER"}.items() <= next(
            e for e in shown["endpoints"] if (e["module"], e["role"]) == ("cdrs", "RECEIVER")
        ).items()
        again = await call("GET", hub.versions_url, invitation["token"])
        assert answered(again)[0] == 401


@pytest.mark.req("TF-07")
async def test_an_invitation_opens_versions_and_credentials_only(hub: HubProcess) -> None:
    token = (await hub.run("platform", "invite", "--name", "Invited"))["token"]
    base = f"{hub.url}/ocpi/2.2.1"
    for url in (hub.versions_url, f"{hub.versions_url}/", base, f"{base}/", f"{base}/credentials"):
        assert answered(await call("GET", url, token)) == (200, 1000)
    for url in (f"{base}/sender/tokens", f"{base}/receiver/cdrs/x", f"{base}/sender/nothing"):
        assert answered(await call("GET", url, token))[0] == 401


@pytest.mark.req("VE-04", "TF-06")
async def test_versions_need_a_token(hub: HubProcess) -> None:
    for token in (None, "nobody's"):
        assert answered(await call("GET", hub.versions_url, token)) == (401, 2000)


@pytest.mark.req("CR-01", "CR-06", "CR-12")
async def test_methods_of_the_credentials_module(hub: HubProcess) -> None:
    url = f"{hub.url}/ocpi/2.2.1/credentials"
    async with ScriptedPartner(role_of("NL*BBB")) as partner:
        token_a = (await hub.run("platform", "invite", "--name", "Methods"))["token"]
        for method in ("PUT", "DELETE", "PATCH"):
            answer = await call(method, url, token_a, partner.body())
            assert answered(answer)[0] == 405
        first = await call("POST", f"{url}/", token_a, partner.body())
        assert answered(first) == (200, 1000)
        token_c = first.json()["data"]["token"]
        assert answered(await call("POST", url, token_c, partner.body()))[0] == 405
        assert answered(await call("PATCH", url, token_c, partner.body()))[0] == 405
        assert (await call("GET", url, token_c)).json()["data"]["token"] == token_c
        assert answered(await call("POST", url, token_a, partner.body()))[0] == 401


@pytest.mark.req("CR-07", "CR-09", "CR-24")
async def test_after_a_rotation_the_old_token_dies_once_the_new_one_is_used(
    hub: HubProcess,
) -> None:
    async with PartyProcess.of([("CPO", "NL*CCC")]) as party:
        await hub.onboard(party)
        old = (await party.credentials())["their_token"]
        our_old = (await party.credentials())["our_token"]
        await party.rotate()
        now = await party.credentials()
        assert now["their_token"] != old
        assert now["our_token"] != our_old
        assert answered(await call("GET", hub.versions_url, our_old)) == (200, 1000)
        assert answered(await call("GET", hub.versions_url, now["our_token"])) == (200, 1000)

        async def refused() -> bool:
            return (await call("GET", hub.versions_url, our_old)).status_code == 401

        await until(refused, timeout_s=15.0)
        assert answered(await call("GET", hub.versions_url, now["our_token"])) == (200, 1000)


@pytest.mark.req("CR-10", "CR-11")
async def test_after_delete_only_a_new_invitation_leads_back(hub: HubProcess) -> None:
    async with PartyProcess.of([("CPO", "NL*DDD")]) as party:
        platform = await hub.onboard(party)
        token = (await party.credentials())["our_token"]
        await party.unregister()
        assert answered(await call("GET", hub.versions_url, token))[0] == 401
        shown = await platform_of(hub, platform)
        assert shown["state"] == "disconnected"
        assert shown["parties"][0]["status"] == "SUSPENDED"
        invitation = await hub.run("platform", "invite", "--renew", platform)
        await party.register(invitation["versions_url"], invitation["token"])
        assert (await platform_of(hub, platform))["parties"][0]["status"] == "CONNECTED"


@pytest.mark.req("CR-20")
async def test_the_party_of_a_removed_platform_is_not_for_everybody(hub: HubProcess) -> None:
    async with (
        PartyProcess.of([("EMSP", "DE*OLD")]) as old,
        PartyProcess.of([("EMSP", "DE*OLD")]) as new,
    ):
        await hub.run("platform", "remove", await hub.onboard(old, "Old"))
        with pytest.raises(AssertionError, match=r"DE\*OLD .* ask the hub's operator"):
            await hub.onboard(new, "New")
        invited = await hub.run("platform", "invite", "--name", "New", "--party", "de*old")
        await new.register(invited["versions_url"], invited["token"])
    shown = await platform_of(hub, invited["platform"])
    assert [held["party"] for held in shown["parties"]] == ["DE*OLD"]


@pytest.mark.req("CR-02", "CR-16")
async def test_the_hub_registers_with_a_party_that_invited_it(hub: HubProcess) -> None:
    async with PartyProcess.of([("EMSP", "DE*EEE")], "--token-a", "their-invitation") as party:
        arguments = ("--versions-url", party.versions_url, "--token", "their-invitation")
        result = await hub.run("platform", "connect", *arguments, "--name", "E")
        assert result["state"] == "connected"
        assert result["parties"] == [{"party": "DE*EEE", "role": "EMSP", "status": "CONNECTED"}]
        credentials = await party.credentials()
        assert credentials["registered"]
        assert [role["role"] for role in credentials["peer_roles"]] == ["HUB"]
        # Both directions work: the hub's rotation calls it back, too.
        await hub.run("platform", "rotate", result["platform"])
        after = await party.credentials()
        assert after["their_token"] != credentials["their_token"]
        assert after["our_token"] != credentials["our_token"]
        assert answered(await call("GET", hub.versions_url, after["our_token"])) == (200, 1000)


async def test_a_connect_that_fails_leaves_nothing(hub: HubProcess) -> None:
    async with PartyProcess.of([("EMSP", "DE*FFF")], "--token-a", "their-invitation") as party:
        await party.fault(match={"module": "credentials", "method": "POST"}, ocpi=3001)
        before = await hub.run("platform", "list")
        arguments = ("--versions-url", party.versions_url, "--token", "their-invitation")
        with pytest.raises(CommandFailed, match="OCPI 3001") as failed:
            await hub.run("platform", "connect", *arguments)
        assert failed.value.status == 1
        assert await hub.run("platform", "list") == before
        await party.clear_faults()
        assert (await hub.run("platform", "connect", *arguments))["state"] == "connected"


async def test_a_party_that_wants_raw_tokens_registers(hub: HubProcess) -> None:
    async with PartyProcess.of([("CPO", "NL*GGG")], "--raw-token") as party:
        platform = await hub.onboard(party)
        assert (await platform_of(hub, platform))["quirks"] == ["raw_token"]


@pytest.mark.req("CR-13", "CR-15", "CR-20")
async def test_failures_are_envelopes_with_their_code(hub: HubProcess) -> None:
    url = f"{hub.url}/ocpi/2.2.1/credentials"
    async with ScriptedPartner(role_of("NL*HHH")) as partner:
        token = (await hub.run("platform", "invite", "--name", "Failing"))["token"]
        partner.answer("GET", "/versions", b"", 500)
        answer = await call("POST", url, token, partner.body())
        assert answered(answer) == (200, 3001)
        assert "HTTP 500" in answer.json()["status_message"]
        assert answered(await call("POST", url, token, b"{")) == (400, 2001)
        taken = json.dumps(partner.credentials(roles=[role_of("EU*HUB")])).encode()
        assert answered(await call("POST", url, token, taken)) == (200, 2001)


@pytest.mark.req("CR-04", "CR-16")
async def test_many_partners_register_at_once(hub: HubProcess) -> None:
    names = [f"M{number:02}" for number in range(8)]

    tokens = {}
    for name in names:  # one after the other: starting commands is what takes time
        tokens[name] = (await hub.run("platform", "invite", "--name", name))["token"]

    async def register(name: str) -> tuple[int, int]:
        async with ScriptedPartner(role_of(f"AT*{name}")) as partner:
            token = tokens[name]
            url = f"{hub.url}/ocpi/2.2.1/credentials"
            return answered(await call("POST", url, token, partner.body()))

    assert set(await asyncio.gather(*map(register, names))) == {(200, 1000)}
