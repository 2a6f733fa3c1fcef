"""Accounts and the audit log from the command line."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ocpi_hub.cli.main import build_parser
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.integration.test_directory_commands import settings_for
from tests.support.directory import insert_platform
from tests.support.stores import value

PASSWORD = "a password for tests"


async def run(settings: Settings, *arguments: str) -> Any:
    args = build_parser().parse_args(arguments)
    return await args.run(args, settings)


async def test_accounts_are_made_and_ended_and_all_of_it_is_noted(
    address: DatabaseAddress, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    settings = settings_for(address)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    made = await run(settings, "admin", "create", "anna")
    assert (made["name"], made["role"], made["must_change"]) == ("anna", "admin", False)
    assert "password" not in made

    partner = ("admin", "account", "create", "co", "--role", "partner")
    with pytest.raises(OperatorError):
        await run(settings, *partner)
    with pytest.raises(OperatorError):
        await run(settings, *partner, "--platform", "p-9")
    shown = await run(settings, *partner, "--platform", "p-1")
    assert shown["must_change"]
    with pytest.raises(OperatorError, match="already"):
        await run(settings, "admin", "account", "create", "CO", "--role", "viewer")
    with pytest.raises(OperatorError, match="last admin"):
        await run(settings, "admin", "account", "disable", "anna")
    await run(settings, "admin", "account", "disable", "co")
    await run(settings, "admin", "account", "enable", "co")
    again = await run(settings, "admin", "account", "reset", "co")
    assert again["password"] != shown["password"]
    assert [each["name"] for each in await run(settings, "admin", "account", "list")].count("co")

    entries = await run(settings, "admin", "audit", "--object", shown["account"])
    assert [each["what"] for each in entries] == [
        "account.reset", "account.enable", "account.disable", "account.create"
    ]  # fmt: skip
    assert {each["by"] for each in entries} == {"command"}
    assert entries[1]["before"]["disabled_at"]
    assert entries[1]["after"]["disabled_at"] is None
    refused = await run(settings, "admin", "audit", "--what", "account.disable", "--limit", "5")
    assert [each["outcome"] for each in refused] == ["done", "refused"]
    kept = await value(database, "select string_agg(audit_entry::text, ' ') from audit_entry")
    for secret in (PASSWORD, shown["password"], again["password"], "argon2"):
        assert secret not in kept


async def test_a_password_that_is_too_short_makes_no_account(
    address: DatabaseAddress, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(OperatorError, match="12"):
        await run(settings_for(address), "admin", "create", "anna")
    assert await value(database, "select count(*) from account") == 0
