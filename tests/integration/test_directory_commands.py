"""The operator's commands for platforms and relations, on a real database."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.cli.main import build_parser
from ocpi_hub.clock import SystemClock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.domain.party import PartyId, PlatformState, RelationMode
from ocpi_hub.errors import ConfigError, OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.directory import (
    KEY,
    catch_ups,
    insert_platform,
    insert_token,
    make_directory_store,
)
from tests.support.postgres import make_settings
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of

Run = Callable[..., Awaitable[Any]]


def parse(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(arguments)


def settings_for(address: DatabaseAddress, **overrides: object) -> Settings:
    return make_settings(
        **{
            "database_url": address.as_dsn(),
            "secret_key": base64.b64encode(KEY).decode(),
            "public_url": "https://hub.example",
            "directory_poll_s": 0.05,
            "directory_max_age_s": 1.0,
            "allow_http": True,
            "allow_networks": ["127.0.0.0/8"],
            "handshake_timeout_s": 1.0,
            **overrides,
        }
    )


@pytest_asyncio.fixture
async def run(address: DatabaseAddress) -> Run:
    """Run a command as the program does; its result has to be JSON."""

    async def command(*arguments: str, **overrides: object) -> Any:
        args = parse(*arguments)
        result = await args.run(args, settings_for(address, **overrides))
        return json.loads(json.dumps(result))

    return command


@asynccontextmanager
async def keepers(database: Database, count: int) -> AsyncIterator[list[DirectoryKeeper]]:
    """As many running processes as far as the directory goes."""
    settings = make_settings(directory_poll_s=0.05, directory_max_age_s=1.0)
    running = [
        DirectoryKeeper(make_directory_store(database), settings, SystemClock())
        for _ in range(count)
    ]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for keeper in running:
            await keeper.start()
            group.create_task(keeper.run(stop))
        try:
            yield running
        finally:
            stop.set()


async def test_invite_prints_what_the_partner_needs_and_list_shows_the_platform(run: Run) -> None:
    invitation = await run("platform", "invite", "--name", "Charge Co")
    assert set(invitation) == {"platform", "versions_url", "token"}
    assert invitation["versions_url"] == "https://hub.example/ocpi/versions"
    assert await run("platform", "list") == [
        {
            "platform": invitation["platform"],
            "name": "Charge Co",
            "state": "invited",
            "version": None,
            "parties": [],
            "quirks": [],
        }
    ]
    renewal = ("--renew", invitation["platform"], "--name", "Charge & Co")
    again = await run("platform", "invite", *renewal)
    assert (await run("platform", "list"))[0]["name"] == "Charge & Co"
    assert again["platform"] == invitation["platform"]
    assert again["token"] != invitation["token"]


async def test_invite_wants_a_name_or_a_known_platform(run: Run) -> None:
    with pytest.raises(OperatorError, match="--renew ID"):
        await run("platform", "invite")


async def test_invite_does_not_guess_the_url_of_a_hub_on_a_free_port(run: Run) -> None:
    with pytest.raises(OperatorError, match="OCPI_HUB_PUBLIC_URL"):
        await run("platform", "invite", "--name", "x", public_url="", port=0)


async def test_invite_takes_the_url_from_a_hub_that_runs(run: Run, database: Database) -> None:
    settings = make_settings(directory_max_age_s=5.0)
    url = "https://hub.example:8443"
    keeper = DirectoryKeeper(
        make_directory_store(database), settings, SystemClock(), public_url=url
    )
    await keeper.start()
    unset = {"public_url": "", "port": 0, "directory_max_age_s": 5.0}
    invited = await run("platform", "invite", "--name", "x", **unset)
    assert invited["versions_url"] == f"{url}/ocpi/versions"
    configured = await run("platform", "invite", "--name", "y")
    assert configured["versions_url"] == "https://hub.example/ocpi/versions"
    async with database.connection() as connection:
        await connection.execute("update process set heartbeat_at = now() - interval '6 seconds'")
    with pytest.raises(OperatorError, match="start the hub first"):
        await run("platform", "invite", "--name", "z", **unset)
    guessed = await run("platform", "invite", "--name", "z", **(unset | {"port": 8081}))
    assert guessed["versions_url"] == "http://127.0.0.1:8081/ocpi/versions"


async def test_a_process_that_does_not_serve_tells_no_url(run: Run, database: Database) -> None:
    async with keepers(database, 1):
        with pytest.raises(OperatorError, match="OCPI_HUB_PUBLIC_URL"):
            await run("platform", "invite", "--name", "x", public_url="", port=0)


@pytest.mark.req("CR-23")
async def test_show_gives_the_details_of_parties_that_partners_cannot_read(run: Run) -> None:
    role = role_of("NL*CPO", name="Charge Co")
    role["business_details"] |= {"website": "https://charge.example", "vendor": 1.10}
    async with ScriptedPartner(role) as partner:
        connected = await run(
            "platform", "connect", "--versions-url", partner.versions_url, "--token", "A"
        )
    shown = await run("platform", "show", connected["platform"])
    own = {"name": "Charge Co", "website": "https://charge.example", "vendor": 1.1}
    assert shown["business_details"] == [{"party": "NL*CPO", "role": "CPO", "details": own}]


async def test_connect_and_rotate_work_from_the_command_line(run: Run) -> None:
    async with ScriptedPartner() as partner:
        result = await run(
            "platform", "connect", "--versions-url", partner.versions_url, "--token", "A"
        )
        assert result["state"] == "connected"
        assert result["parties"] == [{"party": "NL*CPO", "role": "CPO", "status": "CONNECTED"}]
        await run("platform", "rotate", result["platform"])
        assert partner.calls("PUT", "/2.2.1/credentials")


async def access_tokens(database: Database) -> set[bytes]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select token_sha256 from credentials_token where kind = 'access'"
        )
    return {row["token_sha256"] for row in rows}


async def deeds(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select what, outcome from audit_entry where what ~ 'revoke|rotate' order by id"
        )
    return [(row["what"], row["outcome"]) for row in rows]


@pytest.mark.req("CR-24")
async def test_rotate_now_voids_the_old_token_whatever_the_partner_says(
    run: Run, database: Database
) -> None:
    async with ScriptedPartner() as partner:
        url = partner.versions_url
        platform = (await run("platform", "connect", "--versions-url", url, "--token", "A"))[
            "platform"
        ]
        old = await access_tokens(database)
        await run("platform", "rotate", "--now", platform)
        second = await access_tokens(database)
        assert len(second) == 1
        assert not second & old
        partner.answer("PUT", "/2.2.1/credentials", envelope(None, 3001), 200)
        with pytest.raises(OperatorError, match=r"old tokens of .* are void, but: .*OCPI 3001"):
            await run("platform", "rotate", "--now", platform)
        assert not await access_tokens(database)
    assert await deeds(database) == [
        ("platform.revoke", "done"),
        ("platform.rotate", "done"),
        ("platform.revoke", "done"),
        ("platform.rotate", "refused"),
    ]


async def test_a_suspended_platform_loses_its_tokens_and_rotates_after_it_is_resumed(
    run: Run, database: Database
) -> None:
    async with ScriptedPartner() as partner:
        url = partner.versions_url
        platform = (await run("platform", "connect", "--versions-url", url, "--token", "A"))[
            "platform"
        ]
        await run("platform", "suspend", platform)
        assert (await run("platform", "rotate", "--now", platform))["state"] == "suspended"
        assert not await access_tokens(database)
        assert not partner.calls("PUT", "/2.2.1/credentials")
        await run("platform", "resume", platform)
        await run("platform", "rotate", platform)
        assert len(await access_tokens(database)) == 1


async def test_who_is_invited_only_has_nothing_to_revoke(run: Run, database: Database) -> None:
    platform = (await run("platform", "invite", "--name", "A partner"))["platform"]
    with pytest.raises(OperatorError, match="invite --renew"):
        await run("platform", "rotate", "--now", platform)
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from credentials_token") == 1


async def test_show_tells_everything_but_tokens(run: Run, database: Database) -> None:
    await insert_platform(
        database, endpoints=(("cdrs", "RECEIVER", "https://partner.example/cdrs"),)
    )
    await insert_token(database, "an-invitation", kind="registration", expires_in_s=60)
    shown = await run("platform", "show", "p-1")
    assert shown["endpoints"] == [
        {"module": "cdrs", "role": "RECEIVER", "url": "https://partner.example/cdrs"}
    ]
    assert shown["versions_url"] == "https://partner.example/v"
    assert shown["online"] is True
    assert shown["invitation_expires_at"]
    assert "secret" not in json.dumps(shown)
    assert "an-invitation" not in json.dumps(shown)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "p-none"),
        ("suspend", "p-none"),
        ("resume", "p-none"),
        ("rotate", "p-none"),
        ("remove", "p-none"),
        ("set", "p-none", "--page-limit", "5"),
        ("invite", "--renew", "p-none"),
    ],
)
async def test_a_wrong_id_says_how_to_list(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(OperatorError, match="platform list"):
        await run("platform", *arguments)


async def test_suspend_returns_when_every_process_has_it(run: Run, database: Database) -> None:
    await insert_platform(database)
    async with keepers(database, 3) as running:
        result = await run("platform", "suspend", "p-1")
        states = {keeper.current.platforms[result["platform"]].state for keeper in running}
        assert states == {PlatformState.SUSPENDED}
        assert result["state"] == "suspended"
        assert result["parties"][0]["status"] == "SUSPENDED"
        assert (await run("platform", "show", "p-1"))["resumes_as"] == "connected"
        assert (await run("platform", "resume", "p-1"))["state"] == "connected"
    with pytest.raises(OperatorError, match="not suspended"):
        await run("platform", "resume", "p-1")


async def test_what_a_suspended_platform_cannot_push_is_fetched_afterwards(
    run: Run, database: Database
) -> None:
    await insert_platform(database, endpoints=(("cdrs", "SENDER", "https://partner.example/c"),))
    await run("platform", "suspend", "p-1")
    assert await catch_ups(database) == [("p-1", "cdrs")]


async def test_suspend_twice_still_resumes_to_the_state_before(
    run: Run, database: Database
) -> None:
    await insert_platform(database)
    await run("platform", "suspend", "p-1")
    await run("platform", "suspend", "p-1")
    assert (await run("platform", "resume", "p-1"))["state"] == "connected"


async def test_a_process_that_does_not_follow_is_named(run: Run, database: Database) -> None:
    await insert_platform(database)
    settings = make_settings(directory_poll_s=0.05, directory_max_age_s=1.0)
    stuck = DirectoryKeeper(make_directory_store(database), settings, SystemClock())
    await stuck.start()
    async with database.connection() as connection:
        await connection.execute("update process set heartbeat_at = now() + interval '1 hour'")
    with pytest.raises(OperatorError, match=f"{stuck.process.pid} on {stuck.process.host}"):
        await run("platform", "suspend", "p-1")


async def test_set_changes_quirks_page_limit_and_catch_up(run: Run, database: Database) -> None:
    await insert_platform(database)
    arguments = ("--quirk", "no_patch", "--quirk", "raw_token=true", "--page-limit", "50")
    result = await run("platform", "set", "p-1", *arguments, "--catch-up", "pull")
    assert result["quirks"] == ["no_patch", "raw_token"]
    shown = await run("platform", "show", "p-1")
    assert (shown["page_limit"], shown["catch_up"]) == (50, "pull")
    result = await run("platform", "set", "p-1", "--quirk", "no_patch=false", "--page-limit", "0")
    assert result["quirks"] == ["raw_token"]
    assert (await run("platform", "show", "p-1"))["page_limit"] is None
    with pytest.raises(OperatorError, match="nothing to set"):
        await run("platform", "set", "p-1")


async def test_set_agrees_on_custom_modules(run: Run, database: Database) -> None:
    await insert_platform(database)
    agreed = ("--custom-module", "NLTNM-tokens", "--custom-module", "nltnm-meters=true")
    await run("platform", "set", "p-1", *agreed)
    shown = await run("platform", "show", "p-1")
    assert shown["custom_modules"] == ["nltnm-meters", "nltnm-tokens"]
    await run("platform", "set", "p-1", "--custom-module", "nltnm-tokens=false")
    assert (await run("platform", "show", "p-1"))["custom_modules"] == ["nltnm-meters"]


async def test_remove_leaves_the_parties_to_nobody_but_not_while_objects_are_in_custody(
    run: Run, database: Database
) -> None:
    await insert_platform(database)
    async with database.connection() as connection:
        await connection.execute(
            "insert into directed_object (module, country_code, party_id, object_id,"
            " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
            " correlation_id, state) values ('cdrs', 'NL', 'CPO', 'C1', 'DE', 'MSP', '{}', '',"
            " now(), 'c', 'pending')"
        )
    with pytest.raises(OperatorError, match="1 objects"):
        await run("platform", "remove", "p-1")
    assert await run("platform", "remove", "p-1", "--force") == {
        "platform": "p-1",
        "removed": True,
    }
    assert (await make_directory_store(database).load()).platform_of(PartyId("NL", "CPO")) is None


async def test_connect_may_name_a_party_of_a_removed_platform(run: Run, database: Database) -> None:
    await insert_platform(database)
    await run("platform", "remove", "p-1")
    async with ScriptedPartner(role_of("NL*CPO")) as partner:
        connect = (
            "platform", "connect", "--versions-url", partner.versions_url, "--token", "token-a",
        )  # fmt: skip
        with pytest.raises(OperatorError, match=r"--party NL\*CPO"):
            await run(*connect)
        connected = await run(*connect, "--party", "NL*CPO")
    assert connected["parties"][0]["party"] == "NL*CPO"


async def test_remove_ends_the_relations_of_the_parties(run: Run, database: Database) -> None:
    await insert_platform(database)
    await insert_platform(database, "p-2", roles=(("CPO", "NL*TWO"),))
    for cpo in ("NL*CPO", "NL*TWO"):
        await run("relation", "set", cpo, "DE*MSP", "--mode", "realtime")
    await run("platform", "remove", "p-1")
    assert [relation["cpo"] for relation in await run("relation", "list")] == ["NL*TWO"]


async def test_parties_that_a_platform_may_claim_are_shown(run: Run, database: Database) -> None:
    invited = await run("platform", "invite", "--name", "A", "--party", "NL*CPO")
    await run("platform", "set", invited["platform"], "--allow-party", "de*msp")
    await run("platform", "invite", "--renew", invited["platform"], "--party", "NL*TWO")
    shown = await run("platform", "show", invited["platform"])
    assert shown["allowed_parties"] == ["DE*MSP", "NL*CPO", "NL*TWO"]


async def test_relation_set_returns_when_every_process_has_it(run: Run, database: Database) -> None:
    async with keepers(database, 2) as running:
        result = await run("relation", "set", "nl*cpo", "DE*MSP", "--mode", "whitelist")
        pair = (PartyId("NL", "CPO"), PartyId("DE", "MSP"))
        assert {k.current.relation(*pair).mode for k in running} == {RelationMode.WHITELIST}
    assert result == {
        "cpo": "NL*CPO",
        "emsp": "DE*MSP",
        "mode": "whitelist",
        "fallback": "hub",
        "authorize_budget_ms": None,
        "whitelist_max_age_s": None,
        "fallback_max_age_s": None,
        "cdrs": "immediate",
        "cdr_schedule": None,
        "cdr_rules": {"hold": [], "flag": [], "off": [], "limits": {}},
    }


async def test_relation_set_again_keeps_what_is_not_given(run: Run) -> None:
    pair = ("relation", "set", "NL*CPO", "DE*MSP", "--mode")
    await run(*pair, "realtime", "--fallback", "cpo", "--authorize-budget-ms", "700")
    await run(*pair, "whitelist", "--whitelist-max-age-s", "0")
    (relation,) = await run("relation", "list")
    assert relation["mode"] == "whitelist"
    assert relation["fallback"] == "cpo"
    assert relation["authorize_budget_ms"] == 700
    assert relation["whitelist_max_age_s"] == 0


async def test_relation_set_the_wrong_way_round_is_refused(run: Run, database: Database) -> None:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    with pytest.raises(OperatorError, match=r"DE\*MSP is no CPO"):
        await run("relation", "set", "DE*MSP", "NL*CPO", "--mode", "realtime")
    with pytest.raises(OperatorError, match="two different"):
        await run("relation", "set", "NL*CPO", "NL*CPO", "--mode", "realtime")


@pytest.mark.parametrize(
    "arguments",
    [
        ("platform", "invite", "--name", " "),
        ("platform", "connect", "--token", "T"),
        ("platform", "set", "p-1", "--quirk", "wrong"),
        ("platform", "set", "p-1", "--quirk", "no_patch=maybe"),
        ("platform", "set", "p-1", "--page-limit", "-1"),
        ("platform", "set", "p-1", "--custom-module", "tokens"),
        ("platform", "set", "p-1", "--custom-module", "nltnm-tokens=maybe"),
        ("platform", "set", "p-1", "--catch-up", "later"),
        ("relation", "set", "NL*CPO", "DE*MSP"),
        ("relation", "set", "NLCPO", "DE*MSP", "--mode", "realtime"),
        ("relation", "set", "NL*CPO", "DE*MSP", "--mode", "direct"),
        ("relation", "set", "NL*CPO", "DE*MSP", "--mode", "none", "--authorize-budget-ms", "0"),
    ],
)
def test_wrong_usage_ends_with_status_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(*arguments)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        *(
            ("platform", name)
            for name in (
                "invite", "connect", "list", "show", "suspend", "resume", "rotate", "remove", "set"
            )
        ),
        ("relation", "set"),
        ("relation", "list"),
    ],
)  # fmt: skip
def test_the_help_of_every_command_has_an_example(
    command: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(*command, "--help")
    assert f"ocpi-hub {command[0]} {command[1]}" in capsys.readouterr().out.partition("example")[2]


async def test_commands_ask_for_migrations_on_a_configured_database(
    empty_address: DatabaseAddress,
) -> None:
    args = parse("platform", "list")
    with pytest.raises(OperatorError, match="ocpi-hub migrate"):
        await args.run(args, settings_for(empty_address))


async def test_a_database_that_is_not_there_is_named(address: DatabaseAddress) -> None:
    args = parse("platform", "list")
    wrong = address.with_database("no_such_database")
    with pytest.raises(ConfigError, match="no_such_database"):
        await args.run(args, settings_for(wrong))
