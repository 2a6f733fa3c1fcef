"""Opening a hub by configuration: what was there before is told once."""

from __future__ import annotations

from pathlib import Path

from tests.support.hub import HubProcess, roaming
from tests.support.party import make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually


async def test_objects_that_a_changed_default_makes_visible_are_pushed(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    settings = {"default_relation": "none", "lane_lease_s": "1"}
    hub = HubProcess(address, tmp_path / "hub.log", settings=settings)
    async with roaming(hub) as roam:
        token = make_token("BEFORE")
        sent = await roam.emsp.send(
            "PUT", "tokens", role="RECEIVER", path="DE/MSP/BEFORE", body=token
        )
        assert sent["ocpi"] == 1000

        async def passed_over() -> bool:
            query = """select l.cursor >= o.position from lane l, shared_object o
                where (l.party_id, l.module, o.object_id) = ('CPO', 'tokens', 'BEFORE')"""
            async with roam.database.connection() as connection:
                return bool(await connection.fetchval(query))

        await eventually(passed_over, "the CPO's lane is past the token")
        record = await roam.cpo.record(direction="in", module="tokens")
        assert [item for item in record if item["method"] == "PUT"] == []
        await hub.stop()
        hub.environment["OCPI_HUB_DEFAULT_RELATION"] = "realtime"
        await hub.start()
        told = await roam.cpo.wait_for_record(direction="in", module="tokens", method="PUT")
        assert "BEFORE" in told["path"]
    await postgres_server.drop_database(address)
