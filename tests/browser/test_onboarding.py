"""From an empty hub to the first CDR that is delivered, by clicking alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import LOOKS, Desk
from tests.support.party import PartyProcess, make_cdr, make_location, make_token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

HUB_SETTINGS = {"default_relation": "none"}
LONG_MS = 90_000


async def looks(desk: Desk, page: Page, name: str) -> None:
    """A screenshot of the page in each look."""
    for look, (scheme, size) in LOOKS.items():
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        await desk.shoot(page, f"{name}-{look}")
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 1280, "height": 900})


async def start_connecting(page: Page, url: str, token: str, name: str = "") -> None:
    """Fill in what a partner gave us."""
    await page.goto("/console/onboarding")
    way = page.locator("details", has_text="Connect to the partner")
    await way.locator("summary").click()
    await way.get_by_label("Name").fill(name)
    await way.get_by_label("Versions URL").fill(url)
    await way.get_by_label("Token").fill(token)
    await way.get_by_role("button", name="Connect").click()


FAILURES = (
    ("{hub}/console/login", "The answer is a web page and not OCPI"),
    ("{hub}/ocpi/versions", "This is an address of the hub itself"),
    ("http://10.1.2.3/ocpi/versions", "The URL leads to a private or local address"),
    ("ftp://partner.example/", "The URL does not begin with https"),
    ("http://127.0.0.1:9/ocpi/versions", "Nobody accepts a connection there"),
)


async def test_each_failure_says_what_to_do(desk: Desk) -> None:
    async with desk.page() as page:
        await desk.log_in(page, "anna")
        for url, hint in FAILURES:
            await start_connecting(page, url.format(hub=desk.hub.url), "whatever", "Nobody")
            await expect(page.get_by_text(hint)).to_be_visible()
        await page.get_by_role("link", name="Try again").click()
        await expect(page.get_by_label("Versions URL")).to_have_value(FAILURES[-1][0])
        await expect(page.get_by_label("Name")).to_have_value("Nobody")


async def test_from_an_empty_hub_to_the_first_cdr(desk: Desk) -> None:
    async with (
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
        PartyProcess.of([("EMSP", "DE*MSP")]) as emsp,
        desk.page() as page,
    ):
        await cpo.load_locations(make_location())
        await emsp.load_tokens(make_token())
        await desk.log_in(page, "anna")
        await invite_the_cpo(desk, page, cpo)
        await connect_the_emsp(desk, page, emsp)
        await make_the_self_test(desk, page)
        await choose_relations(desk, page)
        await expect(page.get_by_text("no CDR yet")).to_be_visible()
        answer = await cpo.push_cdr(make_cdr(), to="DE*MSP", from_="NL*CPO")
        assert answer["ocpi"] == 1000, answer
        await expect(page.get_by_text("CDRs flow", exact=True)).to_be_visible()
        await looks(desk, page, "onboarding-flows")
        assert [each["id"] for each in await emsp.received_cdrs()] == ["CDR1"]


async def invite_the_cpo(desk: Desk, page: Page, cpo: PartyProcess) -> None:
    await page.get_by_role("link", name="Onboarding", exact=True).click()
    await looks(desk, page, "onboarding")
    way = page.locator("details", has_text="Invite the partner")
    await way.get_by_label("Name").fill("Charge Co")
    await way.get_by_label("Parties and roles").fill("NL*CPO CPO")
    await way.get_by_role("button", name="Invite").click()
    await expect(page.get_by_text("The token is shown this once")).to_be_visible()
    url = await page.locator("#copy-url").inner_text()
    token = await page.locator("#copy-token").inner_text()
    await page.get_by_role("button", name="Copy").first.click()
    await looks(desk, page, "onboarding-invitation")
    await page.get_by_role("link", name="Watch the handshake").click()
    await expect(page.get_by_text("Nothing has happened yet")).to_be_visible()
    assert token not in await page.content()
    await cpo.register(url, token)
    await expect(page.get_by_text("The partner sent its credentials")).to_be_visible()
    await expect(page.get_by_text("The hub answered the partner")).to_be_visible()
    content = await page.content()
    assert token not in content
    assert '"token": "***"' in await page.locator(".steps").inner_html()
    await looks(desk, page, "onboarding-handshake")


async def connect_the_emsp(desk: Desk, page: Page, emsp: PartyProcess) -> None:
    token = await emsp.invite()
    await start_connecting(page, emsp.versions_url, "not-the-token", "Mobility Co")
    await expect(page.get_by_text("The token was not accepted")).to_be_visible()
    await looks(desk, page, "onboarding-failed")
    await page.get_by_role("link", name="Try again").click()
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_text("Connected.")).to_be_visible()
    assert token not in await page.content()
    await page.get_by_role("link", name="Go on").click()
    await expect(page.get_by_role("heading", name="Onboarding of Mobility Co")).to_be_visible()


async def make_the_self_test(desk: Desk, page: Page) -> None:
    await page.get_by_role("link", name="Self-test", exact=True).first.click()
    await page.get_by_role("button", name="Start the self-test").click()
    await expect(page.get_by_text("All checks, by area")).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text("conforms", exact=True)).to_be_visible()
    await page.locator("details.area").last.locator("summary").first.click()
    await looks(desk, page, "self-test")
    await page.get_by_role("link", name="Self-tests").click()
    await looks(desk, page, "self-tests")
    await page.get_by_role("link", name="Onboarding").last.click()


async def choose_relations(desk: Desk, page: Page) -> None:
    await page.get_by_role("link", name="Relations", exact=True).last.click()
    await page.get_by_label("CPO NL*CPO, eMSP DE*MSP").select_option("realtime")
    await looks(desk, page, "onboarding-relations")
    await page.get_by_role("button", name="Save the relations").click()
    await expect(page.get_by_text("Relations changed: 1")).to_be_visible()
