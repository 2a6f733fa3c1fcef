"""The console as people see it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.browser import LOOKS, Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("look", LOOKS)
async def test_overview_is_seen_after_login(desk: Desk, look: str) -> None:
    async with desk.page(look) as page:
        await page.goto("/console/")
        await desk.shoot(page, f"login-{look}")
        await desk.log_in(page, "anna")
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await expect(page.get_by_text("requests received").first).to_be_visible()
        await desk.shoot(page, f"overview-{look}")
        for name in ("Platforms", "Relations", "Audit log", "Accounts"):
            await page.goto("/console/")
            if look == "phone":
                await page.get_by_role("checkbox", name="Menu").check(force=True)
            await page.get_by_role("link", name=name, exact=True).click()
            await expect(page.get_by_role("heading", name=name)).to_be_visible()
            await desk.shoot(page, f"{name.lower().replace(' ', '-')}-{look}")


async def test_keys_and_scheme(desk: Desk) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/platforms")
        await page.keyboard.press("/")
        await expect(page.get_by_label("Search")).to_be_focused()
        await page.get_by_role("button", name="Light or dark").click()
        await page.reload()
        assert await page.evaluate("document.documentElement.dataset.scheme") == "dark"
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


async def test_filters_work_while_one_types_and_times_are_local(desk: Desk) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/audit")
        time = page.locator("td time").first
        utc, shown = await time.get_attribute("datetime"), await time.inner_text()
        assert utc is not None
        assert utc.endswith("Z")
        assert utc[11:13] not in shown.split(",")[-1][:4]
        assert str(await time.get_attribute("title")).endswith("UTC")
        await page.get_by_label("Object").fill("nothing-like-this")
        await expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()
        assert "object=nothing-like-this" in page.url


async def test_an_account_is_made_disabled_and_sees_why_it_is_out(desk: Desk) -> None:
    async with desk.page() as page, desk.page() as other:
        await desk.log_in(page, "anna")
        await page.goto("/console/accounts")
        await page.locator("summary", has_text="Make an account").click()
        await page.get_by_label("Name", exact=True).fill("otto")
        await page.get_by_role("button", name="Make an account").click()
        password = await page.locator("dd code").inner_text()
        await desk.shoot(page, "account-made")
        await desk.log_in(other, "otto", password)
        await expect(other.get_by_text("Somebody else chose your password")).to_be_visible()
        await desk.shoot(other, "password")
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="otto").click()
        await page.get_by_role("button", name="Disable").click()
        await expect(page.get_by_text("its sessions are over")).to_be_visible()
        await other.goto("/console/")
        await expect(other.get_by_role("button", name="Log in")).to_be_visible()


async def test_a_refused_form_is_there_again_and_its_wrong_field_has_the_focus(desk: Desk) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/onboarding")
        form = page.locator("details.way", has_text="Invite the partner")
        await form.get_by_label("Name").fill("Charge Co")
        await form.get_by_label("Parties and roles").fill("NL*CPO driver")
        await form.get_by_role("button", name="Invite").click()
        wrong = form.get_by_label("Parties and roles")
        await expect(wrong).to_have_value("NL*CPO driver")
        await expect(wrong).to_be_focused()
        await expect(form.get_by_label("Name")).to_have_value("Charge Co")
        await expect(page.get_by_role("alert")).to_have_count(1)
        await desk.shoot(page, "form-refused")
        await page.reload()
        await expect(form.get_by_label("Name")).to_have_value("")


async def test_filters_that_are_set_are_taken_away_one_by_one(desk: Desk) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/cdrs")
        await expect(page.get_by_text("No CDR has come yet")).to_be_visible()
        await page.locator("summary", has_text="More filters").click()
        await page.get_by_label("Stage").select_option("held")
        await page.get_by_label("Owner").last.fill("NL*CPO")
        await page.get_by_role("link", name="Owner: NL*CPO").click()
        await expect(page.get_by_role("link", name="Stage: held")).to_be_visible()
        await expect(page.get_by_label("Stage")).to_have_value("held")
        await expect(page.get_by_label("Owner").last).to_have_value("")


async def test_escape_closes_the_menu_of_a_phone(desk: Desk) -> None:
    async with desk.page("phone") as page:
        await desk.log_in(page, "anna")
        menu = page.get_by_role("checkbox", name="Menu")
        await menu.check(force=True)
        await expect(page.get_by_role("link", name="Audit log")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("link", name="Audit log")).to_be_hidden()
        await expect(menu).to_be_focused()
