"""Statements and reports in the console: figures, closing, proving, files, and whose they are."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.console import Browser, ConsoleHub, console_hub
from tests.support.console_cdrs import seed
from tests.support.directory import insert_platform
from tests.support.ledger import body, bring, price
from tests.support.postgres import make_settings
from tests.support.stores import custody_store, execute, value
from tests.support.waiting import eventually

R = AccountRole
ONE = "/statements/2026-09/NL*CPO/DE*MSP"
SEPTEMBER = "/statements?month=2026-09"


@pytest_asyncio.fixture
async def database(address: DatabaseAddress) -> AsyncIterator[Database]:
    """Closing waits for a CDR that somebody keeps, however slow the machine is."""
    settings = make_settings(statement_timeout_ms=60_000, transaction_timeout_s=120.0)
    pool = await Database.open(address, settings)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    """In September two CDRs that go on a statement, and two that do not; more in October."""
    await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-msp", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-rival", roles=(("EMSP", "FR*MSP"),))
    await seed(database)
    async with custody_store(database) as store:
        await bring(store, body("A"), outcome=price("21"), flags=("price_differs",))
        await bring(
            store, body("B", "5.00", "6.05", ended_at="2026-09-10T13:00:00Z"), outcome=price("21")
        )
        await bring(store, body("C", "50.00", "60.50"), state="held")
        await bring(store, body("D", "60.00", "72.60"), state="refused")
    async with console_hub(database) as running:
        yield running


def cells(page: str) -> list[str]:
    """What stands in tables."""
    found = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", each).strip() for each in found]


async def test_a_statement_shows_figures_flags_and_what_is_left_out(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        assert "/console/statements/2026-09/NL%2ACPO/DE%2AMSP" in (await viewer.get(SEPTEMBER)).text
        page = (await viewer.get(ONE)).text
        assert {"15.00", "3.15", "18.15", "24.690"} <= set(cells(page))
        for why, amount, query in (
            ("held", "50.00", "stage=held"),
            ("refused", "60.00", "stage=refused"),
        ):
            assert {why, amount} <= set(cells(page))
            assert f"receiver=DE%2AMSP&amp;{query}" in page
        assert "flag=price_differs" in page
        assert "Close" not in cells(page)
        for word in ("close", "recheck"):
            assert (await viewer.post(f"{ONE}/{word}")).status_code == 403


async def test_many_cdrs_are_summed_up_when_the_page_is_there(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page asks for its sums by itself; without scripts there is a link. Files have them."""
    monkeypatch.setattr("ocpi_hub.store.statements.SUMMED", 3)
    async with await console.logged_in(R.VIEWER) as viewer:
        page = (await viewer.get(ONE)).text
        assert "18.15" not in page
        found = re.search(
            r'hx-get="/console([^"]+)" hx-trigger="load"[^>]* hx-select="#told"', page
        )
        assert found is not None
        assert f'href="/console{found[1]}"' in page
        summed = (await viewer.get(found[1])).text
        assert 'id="told"' in summed
        assert "2026-09-10T12:00:00" in (await viewer.get(f"{SEPTEMBER}&format=csv")).text
        assert {"18.15", "held", "50.00"} <= set(cells(summed))
        assert "18.15" in (await viewer.get(f"{ONE}/print")).text
    monkeypatch.setattr("ocpi_hub.store.statements.SUMMED", 4)
    async with await console.logged_in(R.PARTNER, "p-rival", name="rival") as rival:
        assert (await rival.get(f"{ONE}?sums=all")).status_code == 404
    async with await console.logged_in(R.PARTNER, "p-msp") as receiver:
        page = (await receiver.get(f"{ONE}?sums=all")).text
        assert {"18.15"} <= set(cells(page))
        assert "held" not in cells(page)
        assert "2026-09-10T12:00:00" not in (await receiver.get(f"{SEPTEMBER}&format=csv")).text


async def test_a_statement_is_closed_once_and_proved(console: ConsoleHub) -> None:
    async with await console.logged_in(R.OPERATOR, name="ophelia") as operator:
        assert (await operator.post(f"{ONE}/close")).status_code == 303
        page = (await operator.get(ONE)).text
        assert "The statement is closed." in page
        assert "ophelia" in page
        assert "Not on this statement yet" not in page
        again = await operator.post(f"{ONE}/close")
        assert again.status_code in (303, 409)
        statements = "select count(*) from statement"
        assert await value(console.hub.database, statements) == 1
        await operator.post(f"{ONE}/recheck")
        assert "Reproduced from the texts of 2 CDRs." in (await operator.get(ONE)).text
        # The text of a CDR is not what was settled by any more.
        await execute(
            console.hub.database,
            "update directed_object set body = replace(body::text, '10.0,', '11.0,')::json"
            " where module = 'cdrs' and object_id = 'A'",
        )
        await operator.post(f"{ONE}/recheck")
        assert "Not reproduced" in (await operator.get(ONE)).text
        settled = (await operator.get("/cdrs?stage=settled&format=csv")).text
        assert {line.split(",")[0] for line in settled.splitlines()[1:]} == {"A", "B"}
        assert (
            "/console/statements/2026-09/NL%2ACPO/DE%2AMSP"
            in (await operator.get("/cdrs/NL*CPO/A")).text
        )


@asynccontextmanager
async def somebody_keeps(database: Database, cdr_id: str) -> AsyncIterator[None]:
    """Closing waits for this CDR until the end of the block."""
    async with database.transaction() as connection:
        await connection.execute("select from cdr_ledger where cdr_id = $1 for update", cdr_id)
        yield


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each CDR is put on a statement for itself, and nobody waits for the end."""
    monkeypatch.setattr("ocpi_hub.store.statements.PART", 1)
    monkeypatch.setattr("ocpi_hub.console.pages.statements.SOON_S", 0)


async def close_until(console: ConsoleHub, operator: Browser, cdrs: int) -> None:
    """Begin to close, and come back once so many CDRs are on the statement."""
    assert (await operator.post(f"{ONE}/close")).status_code == 303

    async def on_it() -> bool:
        found = "select count(*) from cdr_ledger where statement_id is not null"
        return bool(await value(console.hub.database, found) == cdrs)

    await eventually(on_it, "CDRs are on it")


async def page_with(browser: Browser, text: str) -> str:
    """The statement's page, once it has this text."""
    page = ""

    async def there() -> bool:
        nonlocal page
        answer = await browser.get(ONE)
        assert answer.status_code == 200
        page = answer.text
        return text in page

    await eventually(there, text)
    return page


async def audited(database: Database) -> list[tuple[str, str, str | None]]:
    """Who closed with which outcome, the oldest first."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select actor_name, outcome, error from audit_entry where what = 'statement.close'"
            " order by id"
        )
    return [(row["actor_name"], row["outcome"], row["error"]) for row in rows]


@pytest.mark.usefixtures("slowly")
async def test_a_month_that_takes_long_is_closed_while_one_watches(console: ConsoleHub) -> None:
    database = console.hub.database
    async with (
        await console.logged_in(R.OPERATOR, name="ophelia") as operator,
        await console.logged_in(R.PARTNER, "p-msp") as partner,
    ):
        async with somebody_keeps(database, "B"):
            await close_until(console, operator, 1)
            page = (await operator.get(ONE)).text
            assert "being closed" in page
            assert "ophelia" in page
            assert re.search(r'hx-get="/console/statements[^"]+" hx-trigger="every', page)
            assert 'hx-select-oob="#named"' in page
            assert f"{ONE}/close" not in unquote(page)
            assert "CDRs on it by now</dt><dd>1</dd>" in page
            assert "being closed" in (await operator.get(SEPTEMBER)).text
            assert (await operator.get(f"{ONE}?sums=all")).status_code == 200
            for path in (ONE, SEPTEMBER):
                seen = (await partner.get(path)).text
                assert "being closed" in seen
                assert "ophelia" not in seen
            assert await audited(database) == [("ophelia", "begun", None)]
        page = await page_with(operator, "18.15")
        assert 'hx-trigger="every' not in page
        assert await value(database, "select count(*) from statement where state = 'closed'") == 1

        async def noted() -> bool:
            return await audited(database) == [("ophelia", "done", None)]

        await eventually(noted, "the audit log says so")


@pytest.mark.usefixtures("slowly")
async def test_why_closing_failed_is_told_and_it_goes_on_when_closed_again(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = console.hub.database
    await execute(
        database,
        "alter table cdr_ledger"
        " add constraint broken check (cdr_id <> 'B' or statement_id is null)",
    )
    async with (
        await console.logged_in(R.OPERATOR, name="ophelia") as operator,
        await console.logged_in(R.PARTNER, "p-msp") as partner,
    ):
        async with somebody_keeps(database, "B"):
            await close_until(console, operator, 1)
        page = await page_with(operator, "Closing it failed")
        assert "broken" in page
        assert f"{ONE}/close" in unquote(page)
        assert 'hx-trigger="every' not in page
        seen = (await partner.get(ONE)).text
        assert "have not finished closing it" in seen
        assert "broken" not in seen
        assert "/close" not in seen

        async def noted() -> bool:
            return await audited(database) == [("ophelia", "failed", "StoreError")]

        await eventually(noted, "the audit log says so")
        # What fails at once is told at once, too.
        monkeypatch.setattr("ocpi_hub.console.pages.statements.SOON_S", 60)
        assert (await operator.post(f"{ONE}/close")).status_code == 500
        await execute(database, "alter table cdr_ledger drop constraint broken")
        assert (await operator.post(f"{ONE}/close")).status_code == 303
        page = (await operator.get(ONE)).text
        assert "The statement is closed." in page
        assert "18.15" in page
        assert "Closing it failed" not in page


@pytest.mark.usefixtures("slowly")
async def test_a_process_that_stops_or_dies_leaves_a_month_that_can_be_closed(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = console.hub.database
    async with (
        somebody_keeps(database, "B"),
        console_hub(database) as other,
        await other.logged_in(R.OPERATOR, name="ophelia") as operator,
    ):
        await close_until(other, operator, 1)
    async with await console.logged_in(R.OPERATOR, name="otto") as operator:
        page = await page_with(operator, "Closing it was interrupted")
        assert "ophelia" in page
        assert f"{ONE}/close" in unquote(page)
        # One that was killed could not say so.
        await execute(database, "update statement set worked_at = now()")
        assert f"{ONE}/close" not in unquote((await operator.get(ONE)).text)
        await execute(database, "update statement set worked_at = now() - interval '1 h'")
        assert "Closing it was interrupted" in (await operator.get(ONE)).text
        monkeypatch.setattr("ocpi_hub.console.pages.statements.SOON_S", 60)
        assert (await operator.post(f"{ONE}/close")).status_code == 303
        page = (await operator.get(ONE)).text
        assert "The statement is closed." in page
        assert "otto" in page
        assert "18.15" in page
        assert await audited(database) == [("ophelia", "begun", None), ("otto", "done", None)]


async def test_a_statement_is_a_file_and_a_page_to_print(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        file = await viewer.get(f"{ONE}/csv")
        assert file.headers["Content-Disposition"].startswith("attachment")
        assert len(file.text.splitlines()) == 3
        printed = await viewer.get(f"{ONE}/print")
        assert "18.15" in printed.text
        overview = (await viewer.get(f"{SEPTEMBER}&format=csv")).text
        assert "2026-09,NL*CPO,DE*MSP,open" in overview


async def test_a_partner_sees_its_own_statements_only(console: ConsoleHub) -> None:
    async with await console.logged_in(R.OPERATOR, name="ophelia") as operator:
        await operator.post(f"{ONE}/close")
    async with await console.logged_in(R.PARTNER, "p-msp") as partner:
        for path in (ONE, SEPTEMBER, f"{SEPTEMBER}&format=csv", f"{ONE}/print", f"{ONE}/csv"):
            answer = await partner.get(path)
            assert answer.status_code == 200, path
            assert "ophelia" not in answer.text, path
        for word in ("close", "recheck"):
            assert (await partner.post(f"{ONE}/{word}")).status_code == 404
        assert "60.00" not in cells((await partner.get("/statements/2026-10/NL*CPO/DE*MSP")).text)
        for path in ("/reports", "/reports/thg?year=2026", "/reports/thg.csv?year=2026"):
            assert (await partner.get(path)).status_code == 404
    async with await console.logged_in(R.PARTNER, "p-rival", name="rival") as rival:
        assert "NL*CPO" not in (await rival.get(SEPTEMBER)).text
        assert "NL*CPO" not in (await rival.get(f"{SEPTEMBER}&format=csv")).text
        for path in (ONE, f"{ONE}/csv", f"{ONE}/print"):
            assert (await rival.get(path)).status_code == 404, path


async def test_reports_tell_energy_by_day_and_by_charge_point(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        month = (await viewer.get("/reports?month=2026-09")).text
        assert {"24.690", "4.00"} <= set(cells(month))
        assert "2026-09-30" in month
        assert "/console/statements/2026-09/NL%2ACPO/DE%2AMSP" in month
        year = "year=2026&locations=all&allow_incomplete=true"
        page = (await viewer.get(f"/reports/thg?{year}")).text
        assert "2026 is not over yet" in page
        assert "NL*CPO*E1" in cells(page)
        file = (await viewer.get(f"/reports/thg.csv?{year}")).text
        assert file.startswith("\ufeff")
        assert file.count("\n") == 3
        for path in ("/reports?month=x", "/reports/thg", "/reports/thg?year=x"):
            assert (await viewer.get(path)).status_code == 400
        assert (await viewer.get("/reports/thg?year=2026")).status_code == 409
