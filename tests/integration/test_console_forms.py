"""Forms that are refused come back as they were filled in; lists that are empty say what to do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.routes.base import Listing
from ocpi_hub.console.filters import options_of
from ocpi_hub.console.forms import MAX_KEPT
from ocpi_hub.console.pages.lanes import ConsoleLanes
from ocpi_hub.console.pages.statements import MonthListing
from ocpi_hub.store.database import Database
from tests.support.console import Browser, ConsoleHub, console_hub
from tests.support.directory import insert_platform
from tests.support.stores import value

R = AccountRole
SETTINGS = {
    "name": "Another name",
    "page_limit": "many",
    "catch_up": "pull",
    "quirk.no_patch": "true",
}
NASTY = '"><script>alert(1)</script>'


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    async with console_hub(database) as running:
        yield running


async def send(browser: Browser, path: str, page: str, **form: str) -> httpx.Response:
    """Send a form that stands on a page."""
    referer = {"Referer": f"{str(browser.client.base_url).rstrip('/')}/console{page}"}
    return await browser.post(path, form, headers=referer)


async def test_a_form_that_was_refused_comes_back_as_it_was_filled_in(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        before = (await admin.get("/platforms/p-1")).text
        refused = await send(admin, "/platforms/p-1/set", "/platforms/p-1", **SETTINGS)
        assert refused.headers["Location"] == "/console/platforms/p-1"
        page = (await admin.get("/platforms/p-1")).text
        assert 'value="Another name"' in page
        assert '<option value="pull" selected>' in page
        assert re.search(r'name="quirk.no_patch" value="true" checked', page)
        wrong = re.search(r'<input type="number" name="page_limit" value="many"[^>]*>', page)
        assert wrong is not None
        assert 'aria-invalid="true"' in wrong[0]
        assert "autofocus" in wrong[0]
        assert page.count("flash bad") == 2, "at the top, and at one form only"
        again = (await admin.get("/platforms/p-1")).text
        assert re.sub(r"<time.*?</time>", "", again) == re.sub(r"<time.*?</time>", "", before)


async def test_what_was_typed_is_text_and_nobody_elses(console: ConsoleHub) -> None:
    async with (
        await console.logged_in(R.ADMIN, name="anna") as anna,
        await console.logged_in(R.ADMIN, name="otto") as otto,
    ):
        form = {**SETTINGS, "name": NASTY, "page_limit": NASTY}
        await send(anna, "/platforms/p-1/set", "/platforms/p-1", **form)
        assert "alert(1)" not in (await otto.get("/platforms/p-1")).text
        page = (await anna.get("/platforms/p-1")).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


async def test_secrets_are_not_kept(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        await send(
            admin, "/onboarding/connect", "/onboarding",
            name="Charge Co", versions_url="https://x.example/versions",
            token="a-secret-token", allow_parties="nonsense",
        )  # fmt: skip
        kept = str(await value(console.hub.database, "select flash::text from login_session"))
        assert "Charge Co" in kept
        assert "a-secret-token" not in kept
        page = (await admin.get("/onboarding")).text
        assert 'value="Charge Co"' in page
        assert "a-secret-token" not in page
        await send(
            admin, "/password", "/password", old="secret 1", new="secret 2", again="secret 3"
        )
        kept = str(await value(console.hub.database, "select flash::text from login_session"))
        assert "secret" not in kept
        assert "refused" in (await admin.get("/password")).text


async def test_of_a_long_form_nothing_is_kept(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        form = {**SETTINGS, "allow_parties": "x" * MAX_KEPT}
        await send(admin, "/platforms/p-1/set", "/platforms/p-1", **form)
        assert await value(
            console.hub.database, "select length(flash::text) < 1000 from login_session"
        )
        page = (await admin.get("/platforms/p-1")).text
        assert page.count("flash bad") == 1
        assert "Another name" not in page


async def test_what_another_version_has_kept_is_no_fault(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        async with console.hub.database.connection() as connection:
            await connection.execute(
                "update login_session set flash = $1", '["bad", "no", "{\\"of\\": \\"later\\"}"]'
            )
        page = await admin.get("/platforms/p-1")
        assert page.status_code == 200
        assert "flash bad" in page.text


@pytest.mark.parametrize("role", [R.ADMIN, R.VIEWER, R.PARTNER])
async def test_an_empty_list_says_what_would_be_here_and_what_to_do(
    console: ConsoleHub, role: AccountRole
) -> None:
    platform = "p-1" if role is R.PARTNER else None
    async with await console.logged_in(role, platform) as browser:
        page = (await browser.get("/cdrs")).text
        assert "No CDR has come yet" in page
        assert ('href="/console/relations">' in page.partition("<main")[2]) is (
            role is not R.PARTNER
        )
        found = (await browser.get("/cdrs", params={"id": NASTY, "stage": "held"})).text
        assert "Nothing matches these filters." in found
        assert "<script>alert" not in found
        (without,) = re.findall(r'class="chip note" href="(\?[^"]*stage=held)"', found)
        assert "id=" in found
        assert "id=" not in without


async def test_columns_that_say_nothing_are_in_the_file_only(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        assert "Quirks" not in (await admin.get("/platforms")).text
        assert "quirks" in (await admin.get("/platforms", params={"format": "csv"})).text


async def test_a_list_that_belongs_to_another_leads_back_to_it(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        page = (await admin.get("/disputes")).text
        assert '<a href="/console/cdrs" aria-current="true">' in page
        assert re.search(r'class="crumbs"[^>]*><a href="/console/cdrs">', page)


async def test_the_field_that_is_wrong_inside_is_marked(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        wrong = {"name": "Charge Co", "expected_parties": "NL CPO"}
        await send(admin, "/onboarding/invite", "/onboarding", **wrong)
        page = (await admin.get("/onboarding")).text
        assert re.search(r'<textarea name="expected_parties"[^>]*aria-invalid="true"', page)
        assert 'class="fault"' in page
        assert page.count('<details class="panel way" open>') == 1


@pytest.mark.parametrize(
    ("path", "listing"), [("/lanes", ConsoleLanes), ("/statements", MonthListing)]
)
async def test_every_order_that_a_list_offers_works(
    console: ConsoleHub, path: str, listing: type[Listing]
) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        for order in options_of(listing.model_fields["sort"].annotation):
            assert (await admin.get(path, params={"sort": order})).status_code == 200
        assert (await admin.get(path, params={"sort": "what"})).status_code == 400
