"""Rules of relations for the checks of CDRs: commands, the API, the directory, the plans."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.cli.main import build_parser
from ocpi_hub.domain.cdr_rules import CdrLimits, CdrRules, Weight
from ocpi_hub.errors import ConfigError, NoSuchObject, OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.cdr_rules import cdr_rules_of, cdr_rules_text
from ocpi_hub.store.check_context import SQL
from ocpi_hub.store.database import Database
from tests.support.admin import admin_hub
from tests.support.directory import KEY, make_directory_store
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import execute

Run = Callable[..., Awaitable[Any]]
RULES = ("relation", "rules", str(CPO), str(EMSP))


@pytest_asyncio.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    """Commands of a hub with one relation."""
    await execute(
        database,
        "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id,"
        " mode) values ('NL', 'CPO', 'DE', 'MSP', 'realtime')",
    )

    async def command(*arguments: str, **overrides: object) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        settings = make_settings(
            **{
                "database_url": address.as_dsn(),
                "secret_key": base64.b64encode(KEY).decode(),
                **overrides,
            }
        )
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


async def test_rules_of_a_relation_are_shown_with_those_of_the_hub(run: Run) -> None:
    shown = await run(*RULES, cdr_hold=["ancient"], hold_energy_kwh=200)
    assert shown["own"] == {"hold": [], "flag": [], "off": [], "limits": {}}
    assert {"ancient", "negative_time"} <= set(shown["in_force"]["hold"])
    assert shown["in_force"]["limits"]["energy_kwh"] == "200.0"


async def test_rules_change_by_code_and_limit_and_reach_the_directory(
    run: Run, database: Database
) -> None:
    changed = await run(
        *RULES, "--hold", "price_differs", "--off", "ancient", "--limit", "energy_kwh=0"
    )
    assert changed["own"] == {
        "hold": ["price_differs"],
        "flag": [],
        "off": ["ancient"],
        "limits": {"energy_kwh": "0"},
    }
    assert "price_differs" in changed["in_force"]["hold"]
    await run(*RULES, "--usual", "ancient", "--limit", "price_tolerance=0.05")
    relation = (await make_directory_store(database).load()).relation(CPO, EMSP)
    assert relation.cdr_rules == CdrRules(
        (("price_differs", Weight.HOLD),),
        CdrLimits(energy_kwh=Decimal(0), price_tolerance=Decimal("0.05")),
    )
    (listed,) = await run("relation", "list")
    assert listed["cdr_rules"]["limits"] == {"energy_kwh": "0", "price_tolerance": "0.05"}
    # Another change of the relation leaves them alone.
    again = await run("relation", "set", str(CPO), str(EMSP), "--mode", "whitelist")
    assert again["cdr_rules"]["hold"] == ["price_differs"]
    bare = await run(
        *RULES, "--usual", "price_differs", "--limit", "energy_kwh=", "--limit", "price_tolerance="
    )
    assert bare["own"] == {"hold": [], "flag": [], "off": [], "limits": {}}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--hold", "prize_differs"),
        ("--hold", "ancient", "--off", "ancient"),
        ("--limit", "kwh=3"),
        ("--limit", "energy_kwh=-1"),
        ("--limit", "energy_kwh=NaN"),
    ],
    ids=" ".join,
)
async def test_what_there_is_not_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(OperatorError):
        await run(*RULES, *arguments)
    assert (await run(*RULES))["own"] == {"hold": [], "flag": [], "off": [], "limits": {}}


async def test_a_pair_without_a_relation_of_its_own_has_no_rules_of_its_own(run: Run) -> None:
    with pytest.raises(NoSuchObject, match="set one first"):
        await run("relation", "rules", str(CPO), "FR*OTH", "--hold", "ancient")
    with pytest.raises(ConfigError, match="no check finds"):
        await run(*RULES, cdr_flag=["nonsense"])


async def test_the_api_does_what_the_commands_do(run: Run, database: Database) -> None:
    async with admin_hub(database) as hub:
        async with hub.client(await hub.make_key(Scope.ADMIN)) as admin:
            url = f"/admin/api/relations/{CPO}/{EMSP}/rules"
            said = {"weights": {"ancient": "hold"}, "limits": {"age_days": 30}}
            answer = await admin.patch(url, json=said)
            assert answer.status_code == 200
            assert (await admin.get(url)).json() == answer.json()
            assert answer.json()["own"]["hold"] == ["ancient"]
            said = {"weights": {"ancient": None}, "limits": {"age_days": None}}
            assert (await admin.patch(url, json=said)).json()["own"]["hold"] == []
            assert (await admin.patch(url, json={"limits": {"kwh": 1}})).status_code in (400, 409)
            asked = await admin.post("/admin/api/cdrs/check", json={"owner": str(CPO)})
            assert asked.json() == {"asked": 0}
        async with hub.client(await hub.make_key(Scope.READ)) as reader:
            assert (await reader.get(url)).status_code == 200
            assert (await reader.patch(url, json={})).status_code == 403
            assert (await reader.post("/admin/api/cdrs/check", json={})).status_code == 403


async def test_cdr_check_says_how_many_are_examined_again(run: Run) -> None:
    assert await run("cdr", "check", "--owner", str(CPO), "--since", "2026-10-01") == {"asked": 0}


def test_rules_of_a_later_release_are_read_as_far_as_they_are_known() -> None:
    told = {
        "weights": {"ancient": "hold", "in_future": "shout"},
        "limits": {"age_days": "30", "colour": "3", "duration_h": "x", "energy_kwh": "-1"},
    }
    rules = cdr_rules_of(json.dumps(told))
    assert rules == CdrRules((("ancient", Weight.HOLD),), CdrLimits(age_days=Decimal(30)))
    assert cdr_rules_of(cdr_rules_text(rules)) == rules


async def test_a_database_that_has_counted_nothing_finds_what_belongs_to_cdrs_by_index(
    database: Database,
) -> None:
    """With a join in between, each question went through all CDRs of its CPO."""
    several = 100
    questions = [["NL"] * several, ["CPO"] * several]
    ids = [f"S{number}" for number in range(several)]
    async with database.connection() as connection:
        await connection.execute(
            "insert into cdr_ledger (country_code, party_id, cdr_id, spelled_id,"
            " receiver_country_code, receiver_party_id, version, session_id, location_id,"
            " evse_uid, evse_id, connector_id, started_at, ended_at, energy_kwh, time_h, currency,"
            " cost_excl_vat, is_credit) select 'NL', 'CPO', 'C' || n, 'C' || n, 'DE', 'MSP', 1,"
            " 'S' || n, 'L', 'E', 'E', '1', now(), now(), 1, 1, 'EUR', 1, false"
            " from generate_series(1, 3000) n"
        )
        rows = await connection.fetch(
            f"explain {SQL.related}", *questions, ids, ids, [None] * several
        )
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan
    assert "cdr_ledger_session" in plan
    assert "cdr_ledger_entry" not in plan
