"""`admin key`: the commands that make and end keys, and the API that takes them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import KEY_PREFIX
from ocpi_hub.cli.admin import render_key
from ocpi_hub.cli.main import build_parser
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.integration.test_directory_commands import settings_for
from tests.support.admin import admin_hub

Run = Callable[..., Awaitable[Any]]


def parse(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(("admin", "key", *arguments))


@pytest_asyncio.fixture
async def run(address: DatabaseAddress) -> Run:
    async def command(*arguments: str) -> Any:
        args = parse(*arguments)
        return json.loads(json.dumps(await args.run(args, settings_for(address))))

    return command


async def test_a_key_made_by_a_command_opens_the_api_until_it_is_revoked(
    run: Run, database: Database
) -> None:
    made = await run("create", "--scope", "read", "--name", "Prometheus")
    assert made["secret"].startswith(KEY_PREFIX)
    spare = await run("create", "--scope", "operate")
    shown = await run("list")
    assert {key["key"]: key["scopes"] for key in shown} == {
        made["key"]: ["read"],
        spare["key"]: ["operate"],
    }
    assert not any("secret" in key for key in shown)
    await run("revoke", spare["key"])
    async with admin_hub(database) as hub:
        async with hub.client(made["secret"]) as client:
            assert (await client.get("/admin/api/platforms")).status_code == 200
        async with hub.client(spare["secret"]) as client:
            assert (await client.get("/admin/api/platforms")).status_code == 401
    assert (await run("revoke", spare["key"]))["revoked_at"] is not None


async def test_a_key_that_is_not_there_cannot_be_revoked(run: Run) -> None:
    with pytest.raises(NoSuchObject, match="admin key list"):
        await run("revoke", "k-nothing")


async def test_the_secret_is_shown_once_to_people_too(run: Run) -> None:
    made = await run("create", "--scope", "admin", "--name", "me")
    text = render_key(made)
    assert made["secret"] in text
    assert "shown this once" in text


@pytest.mark.parametrize(
    "wrong",
    [("create",), ("create", "--scope", "all"), ("create", "--scope", "read", "--name", "")],
)
def test_wrong_usage_ends_with_status_2(
    wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(*wrong)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err
