"""A hub whose endpoints have changed tells its partners when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hub import HubProcess, free_port
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.stores import execute
from tests.support.waiting import eventually


@pytest.mark.req("VE-10", "CR-24")
async def test_partners_are_told_by_put_and_go_on_with_new_tokens(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    port = free_port()
    reached = {"public_url": f"http://127.0.0.1:{port}"}
    hub = HubProcess(address, tmp_path / "hub.log", port=port, settings=reached)
    async with PartyProcess.of([("EMSP", "DE*MSP")]) as emsp:
        async with hub:
            await hub.onboard(emsp)
        before = await emsp.credentials()
        database = await hub.open_database()
        await execute(database, "update platform set offer_digest = 'of an earlier release'")
        await database.close()
        async with hub:

            async def renewed() -> bool:
                now = await emsp.credentials()
                return bool(now["our_token"] != before["our_token"])

            await eventually(renewed, "the partner has a new token")
            record = await emsp.record(direction="in", module="credentials")
            assert [item["method"] for item in record] == ["PUT"]
            path = "DE/MSP/AFTER"
            token = make_token("AFTER")
            pushed = await emsp.send("PUT", "tokens", role="RECEIVER", path=path, body=token)
            assert (pushed["http"], pushed["ocpi"]) == (201, 1000)

            async def told() -> bool:
                return '"credentials_renewed"' in hub.logs()

            await eventually(told, "the operator reads that it was done")
    await postgres_server.drop_database(address)
