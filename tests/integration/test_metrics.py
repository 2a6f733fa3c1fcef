"""/metrics: who may read it, what it tells, and what it never does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from ocpi_hub.admin.keys import Scope
from ocpi_hub.delivery.custody import Start
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub
from tests.support.directory import insert_platform, insert_token
from tests.support.stores import custody_store, execute, make_intake, taken

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
UID = "04A1B2C3D4E5F6"


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_token(database, "of-p-1")
    async with admin_hub(database, metrics_public=True) as running:
        yield running


def parsed(text: str) -> Samples:
    """Every sample, as Prometheus would read it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(client: httpx.AsyncClient) -> tuple[str, Samples]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return answer.text, parsed(answer.text)


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"ocpi_hub_{name}", frozenset(labels.items())


async def test_requests_are_counted_without_what_partners_made_up(hub: AdminHub) -> None:
    async with hub.client() as client:
        own = {"Authorization": authorization("of-p-1")}
        await client.get("/ocpi/versions", headers=own)
        await client.request("PROPFIND", "/ocpi/versions", headers=own)
        await client.get(f"/ocpi/2.2.1/sender/{UID}/x", headers=own)
        path = f"/ocpi/2.2.1/sender/tokens/{UID}/authorize"
        assert (await client.post(path, headers=own)).status_code != 401
        await client.get("/ocpi/versions", headers={"Authorization": authorization(UID)})
        text, samples = await scrape(client)
    versions = {"module": "versions", "interface": "none"}
    assert samples[of("requests_total", method="GET", ocpi="1xxx", **versions)] == 1
    assert samples[of("requests_total", method="other", ocpi="2xxx", **versions)] == 1
    tokens = {"module": "tokens", "interface": "sender", "method": "POST"}
    assert samples[of("request_duration_seconds_count", **tokens)] == 1
    assert samples[of("requests_turned_away_total", http_status="401")] == 1
    assert UID not in text
    assert "PROPFIND" not in text
    assert "of-p-1" not in text


async def test_the_process_tells_how_it_is(hub: AdminHub) -> None:
    async with hub.client() as client:
        _, samples = await scrape(client)
    assert samples[of("directory_version")] == hub.parts.keeper.current.version
    assert 0 <= samples[of("directory_age_seconds")] < 5
    for writer in hub.parts.writers:
        assert samples[of("writer_queue_rows", writer=writer.name)] == 0
    assert samples[of("message_records_dropped_total")] == 0
    assert samples[of("process_cpu_seconds_total")] > 0


async def test_figures_of_the_database_are_told(hub: AdminHub) -> None:
    database = hub.database
    async with custody_store(database) as store:
        await taken(store, make_intake("CDR-1", body='{"id":"CDR-1"}'))
        await store.take_in(make_intake("CDR-2", body='{"id":"CDR-2"}', start=Start.HOLD))
    await execute(
        database,
        "update directed_object set received_at = now() - interval '1 hour' where state ="
        " 'in_flight'",
    )
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id) values ('tokens', 'DE', 'MSP',"
        " $1, 'RFID', 5, '{}', now(), 'broadcast', 'c')",
        UID,
    )
    await execute(
        database,
        "insert into lane (country_code, party_id, module) values ('NL', 'CPO', 'tokens')",
    )
    await execute(
        database,
        "insert into lane_gap (receiver_country_code, receiver_party_id, module, country_code,"
        " party_id, object_id, object_type, audience, position) values ('NL', 'CPO', 'tokens',"
        " 'DE', 'MSP', $1, 'RFID', '*', 5)",
        UID,
    )
    async with hub.client() as client:
        text, samples = await scrape(client)
    assert samples[of("database_up")] == 1
    assert samples[of("processes")] == 1
    assert samples[of("platforms", state="connected", online="yes")] == 1
    assert samples[of("custody_objects", module="cdrs", state="held")] == 1
    assert samples[of("custody_oldest_seconds", module="cdrs")] >= 3600
    assert samples[of("lanes", module="tokens")] == 1
    assert samples[of("lane_gaps", module="tokens")] == 1
    assert samples[of("receiver_gaps", receiver="NL*CPO", module="tokens")] == 1
    assert UID not in text


async def test_figures_are_kept_for_a_moment(hub: AdminHub) -> None:
    async with hub.client() as client:
        await scrape(client)
        await execute(
            hub.database,
            "insert into process (process_id, host, pid) values (gen_random_uuid(), 'h', 1)",
        )
        _, samples = await scrape(client)
    assert samples[of("processes")] == 1


async def test_without_the_database_only_its_figures_are_missing(hub: AdminHub) -> None:
    async with hub.client() as client:
        await execute(hub.database, "alter table directed_object rename to away")
        _, samples = await scrape(client)
    assert samples[of("database_up")] == 0
    assert of("processes") not in samples
    assert of("directory_version") in samples


async def test_decisions_are_counted_by_who_decided_and_why(hub: AdminHub) -> None:
    async with hub.client() as client:
        own = {"Authorization": authorization("of-p-1")}
        await client.post(f"/ocpi/2.2.1/sender/tokens/{UID}/authorize", headers=own)
        _, samples = await scrape(client)
    decided = [dict(labels) for name, labels in samples if name == "ocpi_hub_authorizations_total"]
    assert [labels["decided_by"] for labels in decided] == ["nobody"]


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"metrics_public": True}, 200),
        ({"public_url": ""}, 200),
        ({}, 401),
    ],
)
async def test_without_a_key_only_an_open_hub_tells(
    database: Database, settings: dict[str, Any], status: int
) -> None:
    async with admin_hub(database, **settings) as hub, hub.client() as client:
        assert (await client.get("/metrics")).status_code == status


async def test_a_scrape_works_while_the_database_is_away(database: Database) -> None:
    async with admin_hub(database) as hub, hub.client(await hub.make_key(Scope.READ)) as client:
        await scrape(client)
        database.terminate()
        _, samples = await scrape(client)
    assert of("directory_version") in samples
