"""Statements: what is on them, that they are closed once, and that they can be proved."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ocpi_hub.admin.actions import statements
from ocpi_hub.clearing.statement import Group, Month, Relation, StatementState
from ocpi_hub.cli.common import operator_access
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store import statements as statement_store
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.statement_rows import StoredStatement
from ocpi_hub.store.statements import StatementStore
from tests.bench.archive import store_cdrs
from tests.support.factories import CPO, EMSP
from tests.support.ledger import Run, body, bring, clearing_commands, clearing_settings, price
from tests.support.postgres import make_settings
from tests.support.stores import custody_store, execute, value

WHO = ("--cpo", str(CPO), "--emsp", str(EMSP))
SEPTEMBER = ("statement", "--month", "2026-09", *WHO)
RELATION = Relation(CPO, EMSP)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    return await clearing_commands(address, database)


async def test_a_statement_sums_up_what_was_delivered_by_currency_vat_and_day(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, body("A"), outcome=price("21"), flags=("price_differs",))
    await bring(store, body("B", "5.005", "5.45545"), outcome=price("9"))
    await bring(store, body("C", "1.00", "1.20"), outcome=price("9", "21"))
    await bring(store, body("D", "2.00", "2.42"))
    await bring(store, body("E", "3.00", None))
    await bring(store, body("F", "7.00", "7.00", ended_at="2026-09-11T12:00:00Z"))
    await bring(store, body("G", "100.00", "120.00", currency="SEK"), outcome=price("25"))
    await bring(store, body("H", "50.00", "60.00"), state="held")
    await bring(store, body("I", "60.00", "70.00"), state="refused")
    # After midnight in Amsterdam it is October, though not yet in UTC.
    await bring(store, body("J", ended_at="2026-09-30T22:00:00Z"))
    found = await run(*SEPTEMBER)
    assert found["state"] == "open"
    euro, krona = found["totals"]
    assert (euro["currency"], euro["cdrs"], euro["excl_vat"]) == ("EUR", 6, "28.005")
    assert euro["incl_vat"] == "31.17545"
    assert euro["vat"] == "3.17045"
    assert {part["rate"]: (part["excl_vat"], part["vat"]) for part in euro["by_vat"]} == {
        "9": ("5.005", "0.45045"),
        "21": ("10", "2.1"),
        "mixed": ("1", "0.2"),
        "unknown": ("2", "0.42"),
        "none": ("7", "0"),
        "not_stated": ("3", "0"),
    }
    assert [(day["day"], day["cdrs"]) for day in euro["by_day"]] == [
        ("2026-09-10", 5),
        ("2026-09-11", 1),
    ]
    assert (euro["energy_kwh"], euro["time_h"]) == ("74.07", "12")
    assert (krona["currency"], krona["excl_vat"]) == ("SEK", "100")
    assert found["flags"] == [{"flag": "price_differs", "cdrs": 1}]
    assert [(each["why"], each["excl_vat"]) for each in found["left_out"]] == [
        ("held", "50"),
        ("refused", "60"),
    ]


async def test_a_closed_statement_stays_and_what_comes_later_goes_on_the_next(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, body("A"))
    closed = await run(*SEPTEMBER, "--close")
    assert (closed["state"], closed["totals"][0]["cdrs"]) == ("closed", 1)
    await bring(store, body("LATE", "4.00", "4.84"))
    await bring(store, body("CREDIT", "-10.00", "-12.10", credit=True, credit_reference_id="A"))
    assert await run(*SEPTEMBER) == closed
    with pytest.raises(OperatorError, match="is closed since"):
        await run(*SEPTEMBER, "--close")
    october = await run("statement", "--month", "2026-10", *WHO, "--close")
    assert (october["totals"][0]["cdrs"], october["totals"][0]["credits"]) == (2, 1)
    assert october["totals"][0]["incl_vat"] == "-7.26"
    with pytest.raises(NoSuchObject, match="nothing to settle"):
        await run("statement", "--month", "2026-08", *WHO)
    await bring(store, body("OLD", ended_at="2026-08-01T00:00:00Z"))
    with pytest.raises(OperatorError, match="2026-10 is closed already"):
        await run("statement", "--month", "2026-08", *WHO, "--close")


async def test_what_is_disputed_waits_until_the_dispute_is_over(
    store: PostgresCustodyStore, run: Run, database: Database
) -> None:
    await bring(store, body("A"))
    await bring(store, body("B"))
    await execute(
        database,
        "insert into cdr_dispute (country_code, party_id, cdr_id, raised_by, reason, opened_by)"
        " values ($1, $2, 'B', 'EMSP', 'never there', 'command')",
        *CPO,
    )
    found = await run(*SEPTEMBER, "--close")
    assert found["totals"][0]["cdrs"] == 1
    october = ("statement", "--month", "2026-10", *WHO)
    assert [each["why"] for each in (await run(*october))["left_out"]] == ["disputed"]
    await execute(
        database,
        "update cdr_dispute set outcome = 'rejected', note = 'was there', closed_at = now(),"
        " closed_by = 'command'",
    )
    assert (await run(*october))["totals"][0]["cdrs"] == 1


async def test_a_month_that_is_not_over_is_not_closed(
    store: PostgresCustodyStore, run: Run
) -> None:
    now = datetime.now(UTC)
    await bring(store, body("A", ended_at=now.strftime("%Y-%m-%dT%H:%M:%SZ")))
    # Around midnight of the last day it is already another month elsewhere.
    month = str(Month.of((now + timedelta(hours=3)).date()))
    with pytest.raises(OperatorError, match="is not over yet in Europe/Amsterdam"):
        await run("statement", "--month", month, *WHO, "--close")


async def test_two_who_close_at_once_and_one_who_died_make_one_statement(
    store: PostgresCustodyStore, run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.statements.PART", 3)
    for number in range(20):
        await bring(store, body(f"A{number}"))
    statements = StatementStore(database)
    month = Month(2026, 9)
    dead = await statements.begin(RELATION, month, "Europe/Amsterdam", "somebody")
    assert await anext(statements.settle(dead)) == 3
    with pytest.raises(OperatorError, match="is being closed"):
        await run(*SEPTEMBER)
    results = await asyncio.gather(
        *(run(*SEPTEMBER, "--close") for _ in range(2)), return_exceptions=True
    )
    assert [r["totals"][0]["cdrs"] for r in results if isinstance(r, dict)] != []
    found = await statements.find(RELATION, month)
    assert found is not None
    assert found.state is StatementState.CLOSED
    assert found.statement_id == dead.statement_id
    assert found.totals is not None
    assert found.totals["EUR"]["cdrs"] == "20"
    assert await _settled(statements, found) == []


async def test_what_one_relation_is_refused_keeps_no_other_from_being_closed(
    store: PostgresCustodyStore, run: Run, database: Database
) -> None:
    await bring(store, body("A"))
    await run("statement", "--month", "2026-10", *WHO, "--close")
    await bring(store, body("LATE"))
    await bring(store, body("B"))
    await execute(database, "update cdr_ledger set receiver_party_id = 'OTH' where cdr_id = 'B'")
    with pytest.raises(OperatorError, match="1 done, 1 not: 2026-10 is closed already"):
        await run("statement", "--month", "2026-09", "--close")
    closed = (
        "select receiver_party_id from statement where month = '2026-09-01' and state = 'closed'"
    )
    assert await value(database, closed) == "OTH"


async def _settled(statements: StatementStore, statement: StoredStatement) -> list[int]:
    return [number async for number in statements.settle(statement)]


async def test_a_cdr_stays_on_its_statement_while_another_month_is_closed(
    store: PostgresCustodyStore, database: Database
) -> None:
    await bring(store, body("A"))
    statements = StatementStore(database)
    september, october = [
        await statements.begin(RELATION, Month(2026, number), "UTC", "somebody")
        for number in (9, 10)
    ]
    async with database.transaction() as connection:
        await connection.execute("update cdr_ledger set statement_id = $1", september.statement_id)
        other = asyncio.create_task(_settled(statements, october))
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while not await value(database, f"{waiting} and datname = current_database()"):
            assert not other.done()
    assert await other == [0, 0]
    assert await value(database, "select statement_id from cdr_ledger") == september.statement_id


async def test_a_recheck_reads_the_texts_and_finds_what_was_tampered_with(
    store: PostgresCustodyStore, run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.statements.PART", 2)
    for number in range(5):
        await bring(store, body(f"A{number}"))
    with pytest.raises(NoSuchObject, match="is not closed"):
        await run(*SEPTEMBER, "--recheck")
    await run(*SEPTEMBER, "--close")
    proved = await run(*SEPTEMBER, "--recheck")
    assert (proved["lines"], proved["reproduced"]) == (5, True)
    assert await run("statement", "--month", "2026-09", "--recheck") == [proved]
    await execute(
        database, "update cdr_ledger set cost_excl_vat = cost_excl_vat + 0.01 where cdr_id = 'A3'"
    )
    with pytest.raises(OperatorError, match="cannot be reproduced: CDR A3"):
        await run(*SEPTEMBER, "--recheck")
    await execute(database, "update cdr_ledger set statement_id = null where cdr_id = 'A1'")
    with pytest.raises(OperatorError, match=r"EUR cdrs: settled 5, the CDRs say 4"):
        await run(*SEPTEMBER, "--recheck")


async def test_files_hold_every_line_and_nothing_that_runs(
    store: PostgresCustodyStore, run: Run, tmp_path: Path
) -> None:
    hostile = body("=1+1")
    hostile["cdr_location"]["evse_id"] = "<script>alert(1)</script>"
    await bring(store, hostile)
    await bring(store, body("B", "-3.5", "-3.5", credit=True, credit_reference_id="=1+1"))
    lines, page = tmp_path / "lines.csv", tmp_path / "page.html"
    await run(*SEPTEMBER, "--close", "--csv", str(lines), "--html", str(page))
    with lines.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["credit_of"], row["excl_vat"]) for row in rows] == [
        ("'=1+1", "", "10"),
        ("B", "'=1+1", "-3.5"),
    ]
    text = page.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "Total EUR" in text
    with pytest.raises(OperatorError, match="a file is of one statement"):
        await run("statement", "--month", "2026-09", "--csv", str(lines))


async def test_all_relations_of_a_month_are_closed_together(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, body("A"))
    (item,) = await run("statement", "--month", "2026-09")
    assert (item["state"], item["statement"]) == ("open", None)
    assert (item["since"], item["cdrs"], item["excl_vat"]) == ("2026-09-10T12:00:00.000Z", None, [])
    (closed,) = await run("statement", "--month", "2026-09", "--close")
    assert closed["state"] == "closed"
    (item,) = await run("statement", "--month", "2026-09")
    assert (item["state"], item["statement"]) == ("closed", closed["statement"])
    (total,) = closed["totals"]
    assert (item["cdrs"], item["energy_kwh"]) == (1, total["energy_kwh"])
    assert item["excl_vat"] == [{"amount": total["excl_vat"], "currency": "EUR"}]
    assert item["vat"] == [{"amount": total["vat"], "currency": "EUR"}]
    assert item["since"] is None


async def test_an_empty_month_names_the_months_that_have_something(
    store: PostgresCustodyStore, address: DatabaseAddress, run: Run
) -> None:
    async def told(month: str) -> str:
        async with operator_access(clearing_settings(address)) as access:
            return await statements.elsewhere(access, Month.parse(month))

    assert await run("statement", "--month", "2026-08") == []
    assert await told("2026-08") == (
        "nothing to settle in 2026-08:"
        " no CDR waits for a statement, and there is none of another month"
    )
    await bring(store, body("A"))
    assert (await told("2026-08")).endswith(": CDRs wait for a statement from 2026-09 on")
    await run(*SEPTEMBER, "--close")
    assert (await told("2026-08")).endswith(": there are statements of 2026-09")


async def test_a_closed_statement_says_what_it_said_whatever_checks_find_later(
    store: PostgresCustodyStore, run: Run, database: Database
) -> None:
    await bring(store, body("A"), outcome=price("21"))
    closed = await run(*SEPTEMBER, "--close")
    await execute(
        database, "update cdr_ledger set price_verdict = 'differs', flags = '{price_differs}'"
    )
    assert await run(*SEPTEMBER) == closed
    # One that was closed before its parts were kept is summed up anew.
    await execute(database, "update statement set groups = null")
    assert (await run(*SEPTEMBER))["totals"][0]["by_vat"][0]["rate"] == "unknown"


async def test_figures_of_many_digits_are_summed_up_exactly(
    store: PostgresCustodyStore, run: Run, database: Database
) -> None:
    await bring(store, body("A"))
    await bring(store, body("B"))
    exact = "3.12345678901234567890123456789012345"
    for cdr_id, text in (("A", exact), ("B", "20000000000.1")):
        await execute(
            database,
            "update directed_object set body = replace(body::text, '12.345', $2)::json"
            " where object_id = $1",
            cdr_id,
            text,
        )
        await execute(
            database,
            "update cdr_ledger set energy_kwh = $2 where cdr_id = $1",
            cdr_id,
            Decimal(text),
        )
    closed = await run(*SEPTEMBER, "--close")
    assert closed["totals"][0]["energy_kwh"] == "20000000003.22345678901234567890123456789012345"
    assert (await run(*SEPTEMBER, "--recheck"))["reproduced"]


async def test_the_first_of_all_days_is_on_a_statement_wherever_its_days_begin(
    store: PostgresCustodyStore, database: Database
) -> None:
    await bring(store, body("A"))
    await execute(database, "update cdr_ledger set ended_at = '0001-01-01 02:00:00+00'")
    statements = StatementStore(database)
    until = datetime(2026, 10, 1, tzinfo=UTC)
    found = await statements.outlook(RELATION, until, "America/New_York")
    assert found.totals.cdrs == 1


@pytest.mark.parametrize("month", ["9999-12", "1999-12", "0001-01"])
def test_no_statement_is_of_a_month_at_the_end_of_all_calendars(month: str) -> None:
    with pytest.raises(ValueError, match="is not a month"):
        Month.parse(month)


@pytest.mark.parametrize("summed", [1, 3, 7])
async def test_what_is_summed_up_by_parts_is_all_of_it_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, summed: int
) -> None:
    """Also where more CDRs than a part has ended in the same moment."""
    end = datetime(2026, 9, 20, tzinfo=UTC)
    async with database.transaction() as connection:
        await store_cdrs(connection, RELATION.cpo, RELATION.emsp, 20, end)
        tie = "update cdr_ledger set ended_at = $1 where entry % 2 = 0"
        await connection.execute(tie, end - timedelta(seconds=9))
        await connection.execute("update directed_object set state = 'dead' where serial % 5 = 0")
    statements = StatementStore(database)
    monkeypatch.setattr("ocpi_hub.store.statements.SUMMED", summed)
    monkeypatch.setattr("ocpi_hub.store.statements.PART", summed)
    until = datetime(2026, 10, 1, tzinfo=UTC)
    found = await statements.outlook(RELATION, until, "UTC")
    assert found.totals.cdrs == 16
    assert [each.cdrs for each in found.left_out] == [4]
    statement = await statements.begin(RELATION, Month(2026, 9), "UTC", "somebody")
    assert sum(await _settled(statements, statement)) == 16
    await statements.close(statement, "somebody")
    assert (await statements.totals(statement)).currencies == found.totals.currencies


async def test_summing_up_a_month_may_take_longer_than_a_transaction(
    address: DatabaseAddress, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = datetime(2026, 9, 20, tzinfo=UTC)
    async with database.transaction() as connection:
        await store_cdrs(connection, RELATION.cpo, RELATION.emsp, 5, end)
    hurried = await Database.open(address, make_settings(transaction_timeout_s=0.3))
    sum_up = statement_store._groups_now

    async def slowly(connection: Connection, statement: StoredStatement) -> Sequence[Group]:
        for _ in range(3):
            await connection.execute("select pg_sleep(0.2)")
        return await sum_up(connection, statement)

    monkeypatch.setattr(statement_store, "_groups_now", slowly)
    try:
        statements = StatementStore(hurried)
        statement = await statements.begin(RELATION, Month(2026, 9), "UTC", "somebody")
        await _settled(statements, statement)
        await statements.close(statement, "somebody")
    finally:
        await hurried.close()
    found = await StatementStore(database).find(RELATION, Month(2026, 9))
    assert found is not None
    assert found.state is StatementState.CLOSED
