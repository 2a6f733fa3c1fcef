"""What the audit log tells about logins, and how little of it a stranger can make it write."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.routes.audit import AuditListing, list_audit
from ocpi_hub.admin.views.audit import AuditItem
from ocpi_hub.store.accounts import FREE_ACCOUNT
from ocpi_hub.store.audit import ADDRESSES_KEPT, Actor, ActorKind, AuditLog, AuditOutcome
from ocpi_hub.store.database import Database
from tests.support.console import PASSWORD, ConsoleHub, console_hub
from tests.support.stores import value

HERE = {"addresses": ["127.0.0.1"]}


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    async with console_hub(database) as running:
        yield running


async def entries(database: Database, **given: str) -> list[AuditItem]:
    """Those that match, oldest first."""
    page = await list_audit(AuditLog(database), AuditListing.model_validate(given))
    return list(reversed(page.items))


async def test_logins_logouts_and_passwords_are_in_the_audit_log(console: ConsoleHub) -> None:
    account = await console.account("anna", AccountRole.VIEWER)
    new = "a better password"
    form = {"new": new, "again": new}
    async with console.browser() as anna:
        await anna.log_in("Anna", "some guess")
        await anna.log_in("anna")
        await anna.post("/password", {"old": "another guess", **form})
        await anna.post("/password", {"old": PASSWORD, **form})
        await anna.post("/logout")
    found = await entries(console.hub.database, actor="anna")
    assert [(item.what, item.outcome, item.error, item.after) for item in found] == [
        ("account.login", AuditOutcome.REFUSED, "wrong password", HERE),
        ("account.login", AuditOutcome.DONE, None, HERE),
        ("account.change_password", AuditOutcome.REFUSED, "wrong password", HERE),
        ("account.change_password", AuditOutcome.DONE, None, found[3].after),
        ("account.logout", AuditOutcome.DONE, None, HERE),
    ]
    assert {(item.actor, item.object, item.times) for item in found} == {
        (account.account_id, account.account_id, 1)
    }
    kept = await value(
        console.hub.database, "select string_agg(audit_entry::text, ' ') from audit_entry"
    )
    assert not any(word in kept for word in (PASSWORD, new, "guess", "argon2"))


async def test_refused_logins_of_a_minute_are_one_entry(console: ConsoleHub) -> None:
    await console.account("anna", AccountRole.VIEWER)
    waiting = 3
    async with console.browser() as guess:
        for _ in range(FREE_ACCOUNT + waiting):
            await guess.log_in("anna", "wrong")
    found = await entries(console.hub.database, what="account.login")
    by_reason: dict[str | None, int] = {}
    for item in found:
        by_reason[item.error] = by_reason.get(item.error, 0) + item.times
    assert by_reason.keys() == {"wrong password", "has to wait after failed attempts"}
    assert sum(by_reason.values()) == FREE_ACCOUNT + waiting
    minutes = "select count(distinct minute) from audit_entry"
    assert len(found) <= 2 * await value(console.hub.database, minutes)


async def test_names_that_no_account_has_are_summed_up_without_the_name(
    console: ConsoleHub,
) -> None:
    async with console.browser() as guess:
        for number in range(10):
            await guess.log_in(f"my-password-{number}", "wrong")
    found = await entries(console.hub.database, actor="unknown")
    assert sum(item.times for item in found) == 10
    assert {(item.object, item.error) for item in found} == {("unknown", "wrong password")}
    assert not any("my-password" in item.model_dump_json() for item in found)
    minutes = "select count(distinct minute) from audit_entry"
    assert len(found) == await value(console.hub.database, minutes)


async def test_a_disabled_account_is_told_apart_in_the_audit_log_only(console: ConsoleHub) -> None:
    account = await console.account("anna", AccountRole.VIEWER)
    await console.accounts.disable(account.account_id)
    async with console.browser() as anna, console.browser() as stranger:
        mine, other = await anna.log_in("anna"), await stranger.log_in("nobody")
        assert mine.status_code == other.status_code == 401
    [entry] = await entries(console.hub.database, actor="anna")
    assert (entry.error, entry.outcome) == ("the account is disabled", AuditOutcome.REFUSED)


async def test_an_attack_from_everywhere_leaves_some_addresses_and_its_number(
    database: Database,
) -> None:
    log, actor = AuditLog(database), Actor(ActorKind.ACCOUNT, "a-1", "anna")
    addresses = [f"192.0.2.{number}" for number in range(ADDRESSES_KEPT + 5)]
    for address in [*addresses, *addresses]:
        await log.sum_up(
            actor, "account.login", "a-1", error="wrong", address=address, correlation_id="c"
        )
    found = await entries(database)
    assert sum(item.times for item in found) == 2 * len(addresses)
    # One minute, or the two that it fell into.
    assert len(found) <= 2
    for item in found:
        assert isinstance(item.after, dict)
        named = item.after["addresses"]
        assert isinstance(named, list)
        assert 1 <= len(named) <= ADDRESSES_KEPT
        assert len(set(map(str, named))) == len(named)


async def test_the_page_of_an_entry_says_how_often(console: ConsoleHub) -> None:
    async with console.browser() as guess:
        for _ in range(2):
            await guess.log_in("nobody", "wrong")
    [*_, entry] = await entries(console.hub.database)
    async with await console.logged_in(AccountRole.OPERATOR) as operator:
        page = (await operator.get(f"/audit/{entry.entry}")).text
    assert "How often" in page
    assert "127.0.0.1" in page
