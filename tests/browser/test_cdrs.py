"""A CDR is held, found, released and followed to its session, purely by clicking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.browser import SIZES, Desk
from tests.support.console_cdrs import seed
from tests.support.ledger import body, bring
from tests.support.party import PartyProcess, make_cdr
from tests.support.stores import custody_store
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUB_SETTINGS = {"statement_timeout_ms": "60000", "transaction_timeout_s": "120"}
"""Closing waits for a CDR that somebody keeps, however slow the browser is."""


@dataclass(frozen=True, slots=True)
class Ends:
    cpo: PartyProcess
    emsp: PartyProcess


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ends(desk: Desk) -> AsyncIterator[Ends]:
    """A CPO and an eMSP on board."""
    async with (
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
        PartyProcess.of([("EMSP", "DE*MSP")]) as emsp,
    ):
        await asyncio.gather(
            desk.hub.onboard(cpo, "Charge Co"), desk.hub.onboard(emsp, "Mobility Co")
        )
        yield Ends(cpo, emsp)


async def hold_what_is_above(page: Page, kwh: str) -> None:
    await page.get_by_role("link", name="Relations", exact=True).click()
    await page.get_by_title("NL*CPO – DE*MSP").click()  # noqa: RUF001 - as it is shown
    await page.get_by_role("button", name="Save relation").click()
    await page.get_by_role("link", name="rules of this relation").click()
    await page.get_by_label("Energy, kWh").fill(kwh)
    await page.get_by_role("button", name="Save limits").click()
    await expect(page.get_by_role("status")).to_contain_text("Saved")


async def test_a_cdr_is_held_and_released_by_clicking(desk: Desk, ends: Ends) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await hold_what_is_above(page, "10")
        sent = await ends.cpo.send("POST", "cdrs", role="RECEIVER", body=make_cdr("BIG-1"))
        assert (sent["http"], sent["ocpi"]) == (201, 1000)
        await page.get_by_role("link", name="CDRs", exact=True).click()
        await page.get_by_role("link", name="What waits for a person").click()
        await page.get_by_role("link", name="BIG-1").click()
        await expect(page.get_by_text("total_energy_above_limit")).to_be_visible()
        await desk.shoot(page, "cdr-held")
        assert not await ends.emsp.received_cdrs()
        form = page.locator("form", has=page.get_by_role("button", name="Release"))
        await form.get_by_label("Reason").fill("checked with the CPO: a truck")
        await form.get_by_role("button", name="Release").click()
        await expect(page.get_by_role("status")).to_contain_text("Released")

        async def arrived() -> bool:
            return [item["id"] for item in await ends.emsp.received_cdrs()] == ["BIG-1"]

        await eventually(arrived, "the eMSP has it")
        await expect(
            page.get_by_text("operator anna, checked with the CPO: a truck")
        ).to_be_visible()

        async def told() -> bool:
            await page.reload()
            return "delivered" in await page.locator(".title").inner_text()

        await eventually(told, "the page says so")
        await desk.shoot(page, "cdr-released")
        await page.get_by_role("link", name="Audit log").last.click()
        await expect(page.get_by_text("cdr.release")).to_be_visible()


@pytest.mark.parametrize("look", SIZES)
async def test_from_a_cdr_to_its_session_its_authorization_and_back(
    desk: Desk, ends: Ends, look: str
) -> None:
    database = await desk.hub.open_database()
    try:
        if look == next(iter(SIZES)):
            await seed(database)
    finally:
        await database.close()
    async with desk.page(look) as page:
        await desk.log_in(page, "anna")
        for name in ("cdrs", "cdrs/waiting", "disputes", "conflicts", "gaps", "sessions"):
            await page.goto(f"/console/{name}")
            await desk.shoot_in(page, look, f"{name.replace('/', '-')}")
        await page.goto("/console/cdrs?id=good-1")
        await page.get_by_role("link", name="Good-1", exact=True).click()
        await expect(page.get_by_text("Price, recomputed now: equal")).to_be_visible()
        await desk.shoot_in(page, look, "cdr")
        await page.get_by_role("link", name="Session-1").click()
        await desk.shoot_in(page, look, "session")
        await page.locator("a", has=page.get_by_title("2026-10-01 07:58:00 UTC")).click()
        await expect(page.get_by_text("DE*MSP did not answer in time.")).to_be_visible()
        await desk.shoot_in(page, look, "authorization")
        await page.get_by_role("link", name="Good-1", exact=True).click()
        await expect(page.get_by_role("heading", name="CDR Good-1")).to_be_visible()


async def test_a_month_is_closed_while_its_page_tells_how_far_it_is(desk: Desk, ends: Ends) -> None:
    database = await desk.hub.open_database()
    try:
        async with desk.page() as page:
            async with custody_store(database) as store:
                await bring(store, body("MONTH-1"))
            await desk.log_in(page, "anna")
            await page.goto("/console/statements/2026-09/NL*CPO/DE*MSP")
            page.on("dialog", lambda dialog: dialog.accept())
            async with database.transaction() as connection:
                await connection.execute(
                    "select from cdr_ledger where cdr_id = 'MONTH-1' for update"
                )
                await page.get_by_role("button", name="Close", exact=True).click()
                going_on = page.get_by_text("CDRs are being put on it")
                await expect(going_on).to_be_visible(timeout=20_000)
                await expect(page.locator(".title .chip")).to_have_text("being closed")
                await expect(page.get_by_role("button", name="Close")).to_have_count(0)
                await desk.shoot(page, "statement-closing")
            # The page asks by itself, and its title changes with the rest.
            await expect(page.locator(".title .chip")).to_have_text("closed", timeout=20_000)
            await expect(page.get_by_role("button", name="Recheck")).to_be_visible()
            await expect(page.get_by_text("operator anna")).to_be_visible()
            await expect(going_on).to_have_count(0)
    finally:
        await database.close()
