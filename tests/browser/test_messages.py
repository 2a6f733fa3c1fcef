"""From a failure to its cause by clicking, on a hub with two partners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from ocpi_hub.domain.message_record import MessageFilter
from ocpi_hub.store.messages import PostgresMessages
from tests.support.browser import SIZES, Desk, chromium
from tests.support.browser import desk as browser_at
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import make_cdr, make_location, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

UID = "04FACE77AA"


@dataclass(frozen=True, slots=True)
class Scene:
    """A browser at a hub that records bodies."""

    roam: Roaming
    desk: Desk

    async def open(self, page: Page, look: str, name: str) -> None:
        """A page of the menu."""
        await page.goto("/console/")
        if look == "phone":
            await page.get_by_role("checkbox", name="Menu").check(force=True)
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """An eMSP that takes neither locations nor CDRs, and fails when it is asked about a token."""
    chromium()
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    settings = {"message_bodies": "true", "retry_min_s": "5", "retry_max_s": "10"}
    async with roaming(HubProcess(address, log, settings=settings)) as roam:
        token = make_token(UID, whitelist="NEVER")
        await roam.emsp.load_tokens(token)
        await roam.emsp.send("PUT", "tokens", role="RECEIVER", path=f"DE/MSP/{UID}", body=token)
        await roam.emsp.fault(ocpi=3001, match={"module": "locations"})
        await roam.emsp.fault(ocpi=3001, match={"module": "cdrs"})
        await roam.emsp.fault(http=500, match={"path": "authorize"})
        await roam.cpo.push_location(make_location("LOC1"))
        await roam.cpo.authorize(UID, to="DE*MSP", body={"location_id": "LOC1"})
        cdr = make_cdr("CDR1")
        cdr["cdr_token"] |= {"uid": UID}
        await roam.cpo.push_cdr(cdr, to="DE*MSP")

        async def recorded() -> bool:
            store = PostgresMessages(roam.database)
            return len((await store.page(100, MessageFilter(failed=True))).items) >= 4

        await eventually(recorded, "the failures are on record")
        async with browser_at(roam.hub) as desk:
            yield Scene(roam, desk)
    await postgres_server.drop_database(address)


@pytest.mark.parametrize("look", SIZES)
async def test_a_failed_push_is_followed_to_its_cause_by_clicking(scene: Scene, look: str) -> None:
    desk = scene.desk
    async with desk.page(look) as page:
        await desk.log_in(page, "anna")
        await scene.open(page, look, "Messages")
        await desk.shoot_in(page, look, "messages")
        await page.get_by_role("link", name="failures only").click()
        await desk.shoot_in(page, look, "messages-failed")
        row = page.locator("tr", has_text="locations").filter(has_text="out")
        await row.get_by_role("link").first.click()
        await expect(page.get_by_text("to the hub").first).to_be_visible()
        legs = page.locator("section.grid tbody tr")
        await expect(legs.nth(1)).to_contain_text("3001")
        answer = page.locator("section.body", has_text="2. Body of the answer")
        await answer.locator("summary").click()
        await expect(answer.locator("pre")).to_contain_text('"status_code": 3001')
        sent = page.locator("section.body", has_text="2. Headers of the request")
        await sent.locator("summary").click()
        await expect(sent.locator("pre")).to_contain_text("Authorization: Token ~")
        await desk.shoot_in(page, look, "message-push")
        await page.get_by_role("link", name="Mobility Co").first.click()
        await expect(page.get_by_role("heading", name="Mobility Co")).to_be_visible()
        assert page.url.endswith(f"/platforms/{scene.roam.emsp_platform}")


async def test_a_failed_authorization_leads_to_its_decision_and_back(scene: Scene) -> None:
    desk = scene.desk
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/messages?failed=true&module=tokens")
        await page.locator("tbody tr").first.get_by_role("link").first.click()
        legs = page.locator("section.grid tbody tr")
        await expect(legs.last).to_contain_text("500")
        await desk.shoot(page, "message-authorization")
        assert UID not in await page.content()
        about = page.locator("section.facts", has_text="What it is about")
        here = page.url
        await about.get_by_role("link").first.click()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert "/authorizations/" in page.url
        await page.locator(f'a[href*="/messages/{here.rpartition("/")[2]}"]').first.click()
        assert page.url == here


async def test_what_was_not_taken_is_sent_again_as_it_is_stored(scene: Scene) -> None:
    desk, roam = scene.desk, scene.roam
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/messages?failed=true&module=locations")
        await page.locator("tbody tr").first.get_by_role("link").first.click()
        await page.get_by_role("button", name="Send LOC1 to DE*MSP again").click()
        await expect(page.get_by_text("Due now: 1.")).to_be_visible()
        await desk.shoot(page, "lane")
        await page.goto("/console/messages?failed=true&module=cdrs")
        await page.locator("tbody tr").first.get_by_role("link").first.click()
        await desk.shoot(page, "message-cdr")
        await page.get_by_role("button", name="Send CDR CDR1 to DE*MSP again").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("CDR1")
        await roam.emsp.clear_faults()
        await roam.cdr_in("CDR1", "delivered")

        async def taken() -> bool:
            return any("LOC1" in key for key in await roam.emsp.locations())

        await eventually(taken, "the location has arrived")
        await page.goto("/console/lanes/DE*MSP/locations")
        await expect(page.get_by_text("It has taken all that it was sent.")).to_be_visible()


async def test_a_token_is_found_and_its_records_are_erased(scene: Scene) -> None:
    desk = scene.desk
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        await page.goto("/console/tokens")
        await page.get_by_label("Token uid").fill(UID.lower())
        await page.get_by_role("link", name=UID, exact=True).click()
        await expect(page.get_by_role("heading", name=UID)).to_be_visible()
        assert UID not in page.url
        await desk.shoot(page, "token")
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Erase its records").click()
        await expect(page.get_by_text("Erased from 1 decisions")).to_be_visible()
        await expect(page.get_by_text("Nobody has asked about it lately.")).to_be_visible()


@pytest.mark.parametrize("look", SIZES)
async def test_pages_of_token_lists_and_files_fit_their_window(scene: Scene, look: str) -> None:
    desk = scene.desk
    async with desk.page(look) as page:
        await desk.log_in(page, "anna")
        await page.goto(f"/console/whitelist-schedules/{scene.roam.emsp_platform}")
        await desk.shoot_in(page, look, "whitelist-schedule")
        await page.get_by_role("button", name="Read its list now").click()
        await expect(page.get_by_text("is requested.")).to_be_visible()
        await desk.shoot_in(page, look, "whitelist-run")
        for path in ("whitelist", "whitelist-schedules", "whitelist-ages", "imports", "lanes"):
            await page.goto(f"/console/{path}")
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await desk.shoot_in(page, look, f"{path}")
