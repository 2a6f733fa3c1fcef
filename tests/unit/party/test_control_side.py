"""The control side is for programs of this machine: web pages in its browsers do not get in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.platform import PartyPlatform
from tests.support.party import party_role


@pytest.fixture
async def control() -> AsyncIterator[httpx.AsyncClient]:
    config = PartyConfig(parties=(party_role("CPO", "NL*CPO"),))
    async with PartyPlatform(config) as platform:
        base_url = platform.control_url or ""
        async with httpx.AsyncClient(trust_env=False, base_url=base_url) as http:
            yield http


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
async def test_web_pages_are_refused(control: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/invite"), ("POST", "/simulation"), ("GET", "/credentials")):
        answer = await control.request(method, path, headers=headers)
        assert answer.status_code == 403, answer.text
        assert answer.json().keys() == {"error"}
    assert (await control.get("/credentials")).json()["invitation_open"] is False
    assert (await control.get("/simulation")).json() == {"simulation": None}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
async def test_programs_of_this_machine_are_served(control: httpx.AsyncClient, host: str) -> None:
    port = urlsplit(str(control.base_url)).port
    for name in (host, f"{host}:{port}"):
        assert (await control.get("/status", headers={"Host": name})).status_code == 200
