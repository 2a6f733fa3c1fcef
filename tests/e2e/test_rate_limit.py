"""A platform that sends too much is told to slow down; its CDRs are slowed before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.hub import HubProcess, roaming
from tests.support.party import make_cdr, make_token
from tests.support.postgres import PostgresServer
from tests.support.wire import Wire

LIMIT = 4
TOKENS = "/2.2.1/receiver/tokens/DE/MSP"


@pytest.mark.req("ER-13")
async def test_too_many_requests_are_429_and_cdrs_are_slowed_before(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    hub = HubProcess(address, tmp_path / "hub.log", settings={"rate_limit_rps": str(LIMIT)})
    async with (
        roaming(hub) as roam,
        await Wire.of(hub, roam.emsp) as emsp,
        await Wire.of(hub, roam.cpo) as cpo,
    ):
        puts = [
            emsp.send("PUT", f"{TOKENS}/T{i}", make_token(f"T{i}"), to="EU*HUB")
            for i in range(4 * LIMIT)
        ]
        posts = [
            cpo.send("POST", "/2.2.1/receiver/cdrs", make_cdr(f"C{i}"), to="DE*MSP")
            for i in range(2 * LIMIT)
        ]
        answers = await asyncio.gather(*puts)
        slowed = await asyncio.gather(*posts)
        refused = [answer for answer in answers if answer.http == 429]
        assert len(answers) - len(refused) >= LIMIT
        assert refused
        assert {answer.codes for answer in refused} == {(429, 3000)}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert [answer.envelope["status_code"] for answer in slowed] == [1000] * len(slowed)
        # Another module of the same platform has a limit of its own.
        other = await emsp.send("GET", "/2.2.1/sender/cdrs", to="EU*HUB")
        assert other.codes == (200, 1000)
    await postgres_server.drop_database(address)
