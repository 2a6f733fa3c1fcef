"""The protocol as a stranger sees it: plain HTTP requests to one party platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.party.faults import Fault, FaultMatch
from ocpi_hub.party.outbox import SendRequest
from ocpi_hub.party.platform import PartyPlatform
from tests.support.party import make_cdr, party_config


@pytest.fixture
async def emsp() -> AsyncIterator[PartyPlatform]:
    async with PartyPlatform(
        party_config("EMSP", "DE*MSP", token_a="invited", token_grace_s=0.0, max_body_bytes=50_000)
    ) as platform:
        yield platform


@pytest.fixture
async def cpo() -> AsyncIterator[PartyPlatform]:
    async with PartyPlatform(party_config("CPO", "NL*CPO", token_grace_s=0.0)) as platform:
        yield platform


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def url(platform: PartyPlatform, path: str) -> str:
    return platform.versions_url.removesuffix("/versions") + path


async def test_unknown_token_answers_401_in_an_envelope(
    emsp: PartyPlatform, http: httpx.AsyncClient
) -> None:
    for headers in ({}, {"Authorization": authorization("wrong")}):
        answer = await http.get(emsp.versions_url, headers={**headers, "X-Request-ID": "r1"})
        assert answer.status_code == 401
        assert answer.json()["status_code"] == 2000
        assert answer.headers["X-Request-ID"] == "r1"


async def test_invitation_opens_versions_and_no_functional_module(
    emsp: PartyPlatform, http: httpx.AsyncClient
) -> None:
    headers = {"Authorization": authorization("invited")}
    versions = await http.get(emsp.versions_url + "/", headers=headers)
    details = await http.get(versions.json()["data"][0]["url"], headers=headers)
    tokens = next(
        e["url"] for e in details.json()["data"]["endpoints"] if e["identifier"] == "tokens"
    )
    assert (await http.get(tokens, headers=headers)).status_code == 401
    assert (await http.put(url(emsp, "/2.2.1/credentials"), headers=headers)).status_code == 405
    assert (await http.get(url(emsp, "/2.1.1"), headers=headers)).status_code == 404
    own = (await http.get(url(emsp, "/2.2.1/credentials"), headers=headers)).json()["data"]
    assert own["token"] == "invited"


@pytest.mark.parametrize(
    ("body", "http_status", "code"),
    [
        ("{", 400, 2001),
        ("[]", 200, 2001),
        ('{"token":"t","url":"http://127.0.0.1:1/","roles":[]}', 200, 2001),
        ('{"token":"t","url":"http://127.0.0.1:1/","roles":[{}]}', 200, 3001),
        ('{"token":"t","url":"no url","roles":[{}]}', 200, 3001),
    ],
)
async def test_registration_that_cannot_work_changes_nothing(
    emsp: PartyPlatform, http: httpx.AsyncClient, body: str, http_status: int, code: int
) -> None:
    headers = {"Authorization": authorization("invited")}
    answer = await http.post(url(emsp, "/2.2.1/credentials"), headers=headers, content=body)
    assert (answer.status_code, answer.json()["status_code"]) == (http_status, code)
    assert emsp.credentials.peer is None
    assert emsp.credentials.token_a == "invited"


async def test_invitation_works_once(emsp: PartyPlatform, cpo: PartyPlatform) -> None:
    await cpo.register(emsp.versions_url, "invited")
    with pytest.raises(OperatorError, match="registered already"):
        await cpo.register(emsp.versions_url, "invited")
    await cpo.unregister()
    with pytest.raises(OperatorError, match="401"):
        await cpo.register(emsp.versions_url, "invited")
    await cpo.register(emsp.versions_url, emsp.credentials.invite())
    assert emsp.credentials.peer is not None


async def test_old_tokens_open_nothing_after_rotation_and_withdrawal(
    emsp: PartyPlatform, cpo: PartyPlatform, http: httpx.AsyncClient
) -> None:
    async def status(token: Any) -> int:
        headers = {"Authorization": authorization(str(token))}
        return (await http.get(emsp.versions_url, headers=headers)).status_code

    await cpo.register(emsp.versions_url, "invited")
    first = cpo.credentials.as_json()["our_token"]
    assert await status(first) == 200
    await cpo.rotate()
    second = cpo.credentials.as_json()["our_token"]
    assert (await status(first), await status(second)) == (401, 200)
    await cpo.unregister()
    assert await status(second) == 401


async def test_peer_without_our_version_or_credentials_is_refused(
    emsp: PartyPlatform, cpo: PartyPlatform
) -> None:
    versions = FaultMatch(path="/versions")
    await emsp.faults.add(Fault(body='{"status_code":1000,"data":[]}', match=versions, times=1))
    with pytest.raises(OperatorError, match=r"Version 2\.2\.1 is not offered"):
        await cpo.register(emsp.versions_url, "invited")
    nothing = '{"status_code":1000,"data":{"version":"2.2.1","endpoints":[]}}'
    await emsp.faults.add(Fault(body=nothing, match=FaultMatch(path="/2.2.1"), times=1))
    with pytest.raises(OperatorError, match="no credentials endpoint"):
        await cpo.register(emsp.versions_url, "invited")
    await cpo.register(emsp.versions_url, "invited")


async def test_raw_tokens_work_when_both_sides_agree() -> None:
    async with (
        PartyPlatform(party_config("EMSP", "DE*MSP", token_a="a", raw_token=True)) as emsp,
        PartyPlatform(party_config("CPO", "NL*CPO", raw_token=True)) as cpo,
        PartyPlatform(party_config("CPO", "NL*TWO")) as encoding,
    ):
        with pytest.raises(OperatorError, match="401"):
            await encoding.register(emsp.versions_url, "a")
        await cpo.register(emsp.versions_url, "a")


async def test_body_beyond_the_limit_answers_413(emsp: PartyPlatform, cpo: PartyPlatform) -> None:
    await cpo.register(emsp.versions_url, "invited")
    request = SendRequest(method="POST", module="cdrs", body=make_cdr(remark="x" * 60_000))
    answer = await cpo.send(request)
    assert (answer.http, answer.ocpi) == (413, 2001)


async def test_sending_needs_an_endpoint_the_peer_announced(
    emsp: PartyPlatform, cpo: PartyPlatform
) -> None:
    with pytest.raises(OperatorError, match="not registered"):
        await cpo.send(SendRequest(module="cdrs"))
    await cpo.register(emsp.versions_url, "invited")
    with pytest.raises(OperatorError, match="0 endpoints for parking"):
        await cpo.send(SendRequest(module="parking"))
    with pytest.raises(OperatorError, match="not on a host"):
        await cpo.send(SendRequest(module="cdrs", url="http://127.0.0.1:1/elsewhere"))


async def test_answer_beyond_the_limit_is_an_error(emsp: PartyPlatform) -> None:
    small = party_config("CPO", "NL*CPO", max_answer_bytes=10_000)
    async with PartyPlatform(small) as cpo:
        await cpo.register(emsp.versions_url, "invited")
        await emsp.faults.add(Fault(huge=1_000_000))
        answer = await cpo.send(SendRequest(module="tokens"))
        assert answer.error == "the answer is too large"
