"""Token lists and CDRs as files, over the admin API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.actions.sent_files import MAX_BYTES
from ocpi_hub.admin.keys import Scope
from ocpi_hub.store.database import Database
from tests.support.admin import admin_hub
from tests.support.directory import insert_platform
from tests.support.factories import CPO, EMSP, cdr, text, token
from tests.support.stores import execute, value
from tests.support.token_files import RELATION

PAIR = {"cpo": str(CPO), "emsp": str(EMSP)}


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A CPO, and an eMSP that exchanges files; who asks may operate the hub."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(database, "p-msp", state="by_file", roles=(("EMSP", str(EMSP)),))
    await execute(database, RELATION, *EMSP, "whitelist")
    await execute(database, "update relation set cdrs = 'batch', cdr_schedule = '0 3 1 * *'")
    async with (
        admin_hub(database, transaction_timeout_s=0.05) as hub,
        hub.client(await hub.make_key(Scope.READ, Scope.OPERATE)) as client,
    ):
        yield client


async def sent(api: httpx.AsyncClient, path: str, *lines: str, **fields: object) -> httpx.Response:
    body = {"format": "jsonl", "content": "\n".join(lines), **fields}
    return await api.post(f"/admin/api/{path}", json=body)


async def read(api: httpx.AsyncClient, path: str, **given: object) -> list[dict[str, Any]]:
    """All parts of a list."""
    found: list[dict[str, Any]] = []
    following: dict[str, str] = {}
    while True:
        query = {name: str(each) for name, each in given.items()}
        answer = await api.get(f"/admin/api/{path}", params=query | following)
        assert answer.status_code == 200, answer.text
        part = answer.json()
        found += part["items"]
        if part["next"] is None:
            return found
        following = {"next": part["next"]}


async def test_a_key_that_only_reads_gets_no_names_of_drivers(database: Database) -> None:
    async with admin_hub(database) as hub, hub.client(await hub.make_key(Scope.READ)) as client:
        for path in ("token-export", "cdr-export"):
            assert (await client.get(f"/admin/api/{path}", params=PAIR)).status_code == 403


async def test_tokens_come_and_go_in_requests(api: httpx.AsyncClient) -> None:
    lines = [text(token(f"T{number}")) for number in range(3)]
    done = await sent(api, "token-imports", *lines, emsp=str(EMSP), full=True)
    assert done.status_code == 200, done.text
    item = done.json()
    assert (item["seen"], item["added"], item["state"]) == (3, 3, "done")
    listed = await read(api, "whitelist-runs")
    assert [(each["run"], each["source"]) for each in listed] == [(item["run"], "file")]
    exported = await read(api, "token-export", **PAIR, limit=2)
    assert [each["text"] for each in exported] == lines


async def test_a_faulty_file_is_refused_by_line(database: Database, api: httpx.AsyncClient) -> None:
    good, stranger = text(token("T1")), text(token("T2") | {"party_id": "XXX"})
    refused = await sent(api, "token-imports", good, stranger, good, emsp=str(EMSP))
    assert refused.status_code == 409
    message = refused.json()["error"]["message"]
    assert "line 2: belongs to DE*XXX" in message
    assert "line 3: has the same object as line 1" in message
    assert await value(database, "select count(*) from shared_object") == 0
    [noted] = await read(api, "file-imports", owner=str(EMSP))
    assert (noted["state"], noted["seen"], noted["errors"]) == ("failed", 3, 2)
    tried = await sent(api, "token-imports", good, emsp=str(EMSP), dry_run=True)
    assert (tried.json()["added"], tried.json()["dry_run"]) == (1, True)
    taken = await sent(api, "token-imports", good, stranger, emsp=str(EMSP), allow_errors=True)
    assert (taken.json()["added"], taken.json()["errors"]) == (1, 1)


@pytest.mark.parametrize("path", ["token-imports", "cdr-imports"])
async def test_a_file_that_is_too_large_is_refused(api: httpx.AsyncClient, path: str) -> None:
    refused = await sent(api, path, "x" * MAX_BYTES, emsp=str(EMSP))
    assert refused.status_code == 413


async def test_cdrs_come_go_and_are_delivered_in_requests(api: httpx.AsyncClient) -> None:
    lines = [text(cdr(f"CDR-{number}")) for number in range(3)]
    done = await sent(api, "cdr-imports", *lines, cpo=str(CPO))
    assert (done.json()["added"], done.json()["errors"]) == (3, 0)
    assert [each["module"] for each in await read(api, "file-imports")] == ["cdrs"]
    [run] = await read(api, "cdr-runs", **PAIR)
    assert (run["cdrs"], run["waiting"], run["state"]) == (3, 3, "gathering")

    first = (await api.get("/admin/api/cdr-export", params=PAIR | {"limit": "2"})).json()
    exported = await read(api, "cdr-export", **PAIR, limit=2)
    assert [each["text"] for each in exported] == lines
    body = PAIR | {"last": exported[-1]["serial"], "began": "2100-01-01T00:00:00Z"}
    # Whoever is ahead of the hub's clock is not believed; what is fresh waits for the next file.
    assert first["began"] < body["began"]
    handed = 0
    while not handed:
        handed = (await api.post("/admin/api/cdr-export/delivered", json=body)).json()["delivered"]
    assert handed == 3
    [run] = await read(api, "cdr-runs", **PAIR)
    assert (run["delivered"], run["waiting"]) == (3, 0)


async def test_runs_go_on_behind_the_last_one(database: Database, api: httpx.AsyncClient) -> None:
    lines = [text(cdr(f"CDR-{number}")) for number in range(4)]
    assert (await sent(api, "cdr-imports", *lines, cpo=str(CPO))).json()["added"] == 4
    await execute(
        database,
        "update directed_object set batch_due_at = date_trunc('hour', now())"
        " + interval '1 day' * mod(serial, 3)",
    )
    runs = await read(api, "cdr-runs", limit=1)
    due = [each["due_at"] for each in runs]
    assert due == sorted(set(due), reverse=True)
    assert len(due) == 3
    assert sum(each["cdrs"] for each in runs) == 4
    refused = await api.get("/admin/api/cdr-runs", params={"next": "bm9uZQ"})
    assert refused.status_code == 400


async def test_who_reads_does_not_import(database: Database) -> None:
    async with (
        admin_hub(database) as hub,
        hub.client(await hub.make_key(Scope.READ)) as client,
    ):
        assert (await sent(client, "token-imports", json.dumps({}))).status_code == 403
