"""A hub that serves HTTPS itself."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from ocpi_hub.ocpi.headers import authorization
from tests.support.hub import HubProcess
from tests.support.pki import make_certificate, write_pair
from tests.support.postgres import PostgresServer


@pytest.mark.req("TF-01")
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_everything_is_served_over_https_and_no_client_certificate_is_demanded(
    postgres_server: PostgresServer, tmp_path: Path, workers: str
) -> None:
    authority = make_certificate("Test CA", None)
    ca_file, _ = write_pair(tmp_path, "ca", authority)
    pair = write_pair(tmp_path, "hub", make_certificate("127.0.0.1", authority))
    certificate, key = map(str, pair)
    tls = {"tls_certificate_file": certificate, "tls_key_file": key, "workers": workers}
    address = await postgres_server.create_database()
    partner = ssl.create_default_context(cafile=str(ca_file))
    async with (
        HubProcess(address, tmp_path / "hub.log", settings=tls) as hub,
        httpx.AsyncClient(verify=partner, trust_env=False) as http,
    ):
        assert hub.url.startswith("https://127.0.0.1:")
        invited = await hub.run("platform", "invite", "--name", "A partner")
        assert invited["versions_url"] == hub.versions_url
        unknown = await http.get(hub.versions_url)
        assert (unknown.status_code, unknown.json()["status_code"]) == (401, 2000)
        header = {"Authorization": authorization(invited["token"])}
        versions = (await http.get(hub.versions_url, headers=header)).json()["data"]
        details = (await http.get(versions[0]["url"], headers=header)).json()["data"]
        urls = [endpoint["url"] for endpoint in details["endpoints"]]
        assert urls
        assert all(url.startswith(f"{hub.url}/ocpi/") for url in urls)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(hub.versions_url.replace("https:", "http:"))
    await postgres_server.drop_database(address)


async def test_a_hub_that_cannot_read_its_certificate_does_not_start(tmp_path: Path) -> None:
    tls = {"tls_certificate_file": str(tmp_path / "none.pem"), "tls_key_file": "also-none"}
    hub = HubProcess(None, tmp_path / "hub.log", settings=tls | {"data_dir": str(tmp_path)})
    with pytest.raises(AssertionError, match="tls_certificate_file: cannot read"):
        await hub.start()
    assert await hub.ended() == 2
