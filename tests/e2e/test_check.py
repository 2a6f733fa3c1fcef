"""The self-test of a partner where processes matter: of the hub, as a command, over the API."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.actions.checks import check_url
from ocpi_hub.admin.keys import KeySecret, Scope
from ocpi_hub.admin.views.checks import check_report
from ocpi_hub.checking.model import Outcome
from ocpi_hub.clock import SystemClock
from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.store.admin_keys import PostgresAdminKeys
from tests.support.broken_partner import objects
from tests.support.hub import Roaming
from tests.support.postgres import make_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 100
"""Checks that can be made with the rights of either party, and pass."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(roam: Roaming) -> Roaming:
    """Parties with objects, which the hub has too."""
    things = objects()
    pushed = {"tariffs": roam.cpo, "locations": roam.cpo, "tokens": roam.emsp}
    for module, party in pushed.items():
        await party.control("POST", f"/{module}", things[module])
        sent = await party.control("POST", "/publish", {"module": module})
        assert sent["accepted"] == len(things[module]), sent
    for cdr_id, changed in (("OLD", "2026-01-01T11:00:05Z"), ("NEW", "2026-01-02T11:00:05Z")):
        cdr = {**things["cdrs"][0], "id": cdr_id, "last_updated": changed}
        sent = await roam.cpo.push_cdr(cdr, to="DE*MSP")
        assert sent["ocpi"] == 1000, sent
    return roam


async def run_check(roam: Roaming, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `check`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ocpi_hub", "check", *arguments,
        env=roam.hub.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def make_key(roam: Roaming, scope: Scope) -> str:
    """A new key of the admin API, in clear."""
    secret = KeySecret.new()
    await PostgresAdminKeys(roam.database).create("a test", (scope,), secret)
    return str(secret)


def wrong(report: dict[str, Any]) -> dict[str, str]:
    return {
        each["check"]: each["text"]
        for each in report["results"]
        if each["outcome"] in {"failed", "warning"}
    }


@pytest.mark.parametrize("party", ["NL*CPO", "DE*MSP"])
async def test_the_hub_passes_as_its_parties_see_it(filled: Roaming, party: str) -> None:
    platform = filled.cpo if party == "NL*CPO" else filled.emsp
    token = CredentialsToken((await platform.credentials())["our_token"])
    settings = make_settings(allow_http=True, allow_networks=["127.0.0.0/8"])
    url, sender = filled.hub.versions_url, PartyId.parse(party)
    report = await check_url(settings, SystemClock(), url, token, sender=sender, write=True)
    shown = check_report(report).shown()
    assert wrong(shown) == {}
    assert report.conforms
    assert report.party_names == ("EU*HUB HUB",)
    assert report.count(Outcome.PASSED) >= MANY
    assert token not in json.dumps(shown)


async def test_the_hub_passes_without_being_told_who_asks(filled: Roaming) -> None:
    token = (await filled.emsp.credentials())["our_token"]
    whom = ("--versions-url", filled.hub.versions_url, "--token", token)
    status, out, err = await run_check(filled, *whom, "--json")
    report = json.loads(out)
    assert wrong(report) == {}
    assert (status, report["conforms"]) == (0, True)
    assert token not in out + err


async def test_a_platform_is_checked_with_the_credentials_that_the_hub_has(
    filled: Roaming, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    status, out, _ = await run_check(filled, "--platform", filled.cpo_platform, "--html", str(page))
    assert status == 0, out
    assert "The partner conforms." in out
    assert "ok       credentials.registered" in out
    assert "The partner conforms" in page.read_text(encoding="utf-8")


async def test_a_partner_that_does_not_conform_makes_the_command_fail(filled: Roaming) -> None:
    await filled.emsp.fault(match={"module": "tokens"}, headers={"X-Total-Count": None})
    try:
        status, out, _ = await run_check(filled, "--platform", filled.emsp_platform)
    finally:
        await filled.emsp.clear_faults()
    assert status == 1
    assert "FAILED   paging.total: X-Total-Count is there [must] (TF-15)" in out
    assert "tokens: X-Total-Count is missing" in out
    assert "The partner does not conform: see " in out


async def test_operators_check_platforms_over_the_api_two_at_a_time(filled: Roaming) -> None:
    key, reader = [await make_key(filled, scope) for scope in (Scope.OPERATE, Scope.READ)]
    base = f"{filled.hub.url}/admin/api/platforms"
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as http:

        async def check(platform: str, secret: str = key, body: str = "{}") -> httpx.Response:
            header = {"Authorization": f"Bearer {secret}"}
            return await http.post(f"{base}/{platform}/check", headers=header, content=body)

        answered = await check(filled.cpo_platform)
        assert answered.status_code == 200, answered.text
        assert wrong(answered.json()) == {}
        assert answered.json()["counts"]["passed"] >= MANY
        assert (await check(filled.cpo_platform, reader)).status_code == 403
        assert (await check("p-unknown")).status_code == 404
        assert (await check(filled.cpo_platform, body='{"write": "yes"}')).status_code == 400
        await filled.cpo.fault(match={"module": "versions"}, delay_s=1.0, times=1)
        same = await asyncio.gather(*(check(filled.cpo_platform) for _ in range(3)))
        assert sorted(each.status_code for each in same) == [200, 503, 503]
        assert (await check(filled.emsp_platform)).status_code == 200
