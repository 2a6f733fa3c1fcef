"""What operators do about token lists, by commands and over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.cli.main import build_parser
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.admin import admin_hub
from tests.support.directory import KEY, insert_platform
from tests.support.postgres import make_settings
from tests.support.stores import execute

Run = Callable[..., Awaitable[Any]]
LISTS = (("tokens", "SENDER", "https://partner.example/tokens"),)
HELD = "update whitelist_run set state = 'held', step = 'withdraw', began_at = now(), absent = 3"


@pytest_asyncio.fixture
async def platforms(database: Database) -> Database:
    await insert_platform(database, "p-1", roles=(("EMSP", "DE*MSP"),), endpoints=LISTS)
    await insert_platform(database, "p-2", roles=(("CPO", "NL*CPO"),))
    return database


@pytest_asyncio.fixture
async def run(platforms: Database, address: DatabaseAddress) -> Run:
    """Run a command as the program does."""
    settings = make_settings(
        database_url=address.as_dsn(),
        secret_key=base64.b64encode(KEY).decode(),
        whitelist_splay_s=0.0,
    )

    async def command(*arguments: str) -> Any:
        args = build_parser().parse_args(["whitelist", *arguments])
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


@pytest_asyncio.fixture
async def admin(platforms: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with admin_hub(platforms) as hub, hub.client(await hub.make_key(Scope.ADMIN)) as client:
        client.base_url = httpx.URL(f"{hub.url}/admin/api/")
        yield client


async def test_a_schedule_is_set_shown_and_dropped(run: Run) -> None:
    none = {"platform": "p-1", "pull": None, "next_at": None}
    assert await run("schedule", "p-1") == none
    shown = await run("schedule", "p-1", "--pull", " 30  2 * * * ")
    assert (shown["pull"], shown["next_at"][10:]) == ("30 2 * * *", "T02:30:00.000Z")
    assert await run("schedule", "p-1") == shown
    assert await run("schedule", "p-1", "--none") == none
    assert await run("schedule", "p-1") == none


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("schedule", "p-1", "--pull", "daily"), "is no cron expression"),
        (("schedule", "p-2", "--pull", "0 2 * * *"), "has no token list to read"),
        (("pull", "p-2"), "has no token list to read"),
    ],
)
async def test_what_cannot_be_read_is_not_scheduled(
    run: Run, arguments: tuple[str, ...], error: str
) -> None:
    with pytest.raises(OperatorError, match=error):
        await run(*arguments)


@pytest.mark.parametrize("command", ["schedule", "pull"])
async def test_an_unknown_platform_is_named(run: Run, command: str) -> None:
    with pytest.raises(NoSuchObject, match="p-0"):
        await run(command, "p-0")


async def test_runs_are_started_listed_and_decided_about(run: Run, platforms: Database) -> None:
    started = await run("pull", "p-1")
    assert (started["platform"], started["extent"], started["state"]) == ("p-1", "full", "running")
    assert set(started) == {
        "run",
        "platform",
        "source",
        "extent",
        "state",
        "date_from",
        "started_at",
        "finished_at",
        "pages",
        "seen",
        "added",
        "changed",
        "absent",
        "withdrawn",
        "errors",
        "note",
    }
    with pytest.raises(OperatorError, match="is not over"):
        await run("pull", "p-1", "--full")
    number = str(started["run"])
    with pytest.raises(OperatorError, match="is running, not held"):
        await run("confirm", number)
    await execute(platforms, HELD)
    assert (await run("confirm", number))["state"] == "running"
    await execute(platforms, HELD)
    assert (await run("discard", number))["state"] == "done"
    assert [item["run"] for item in await run("runs")] == [started["run"]]
    assert await run("runs", "p-2") == []


async def test_the_same_over_http(admin: httpx.AsyncClient, platforms: Database) -> None:
    path = "platforms/p-1/whitelist-schedule"
    put = await admin.put(path, json={"pull": "0 3 * * *"})
    assert (put.status_code, put.json()["pull"]) == (200, "0 3 * * *")
    assert (await admin.get(path)).json() == put.json()
    assert (await admin.put(path, json={"pull": None})).json()["next_at"] is None
    assert (await admin.put(path, json={"pull": "x" * 300})).status_code == 400
    assert (await admin.put(path, json={"pull": "no"})).status_code == 409

    started = await admin.post("platforms/p-1/whitelist-runs", json={"full": True})
    assert started.status_code == 201
    number = started.json()["run"]
    assert (await admin.post("platforms/p-1/whitelist-runs", json={})).status_code == 409
    assert (await admin.post(f"whitelist-runs/{number}/confirm")).status_code == 409
    assert (await admin.post("whitelist-runs/99/confirm")).status_code == 404
    assert (await admin.post("whitelist-runs/0/discard")).status_code == 400
    await execute(platforms, HELD)
    held = await admin.get("whitelist-runs", params={"state": "held"})
    assert [(item["run"], item["absent"]) for item in held.json()["items"]] == [(number, 3)]
    discarded = await admin.post(f"whitelist-runs/{number}/discard")
    assert (discarded.status_code, discarded.json()["state"]) == (200, "done")


async def test_runs_are_listed_page_by_page(admin: httpx.AsyncClient, platforms: Database) -> None:
    await execute(
        platforms,
        "insert into whitelist_run (platform_id, extent, state, finished_at)"
        " select 'p-1', 'full', 'done', now() from generate_series(1, 5)",
    )
    found: list[int] = []
    following: dict[str, str] = {}
    while True:
        page = (await admin.get("whitelist-runs", params={"limit": "2"} | following)).json()
        found += [item["run"] for item in page["items"]]
        if page["next"] is None:
            break
        following = {"next": page["next"]}
    assert found == sorted(found, reverse=True)
    assert len(found) == 5
